#pragma once
// Types as a schema writes them.

#include <optional>
#include <string>
#include <vector>

#include "types/schema_source.h"
#include "types/type.h"

namespace chimera::types {

class TypeParser {
 public:
  /// `named` are the types that may be used by their names, those of `module` ("a.b" or empty) and of the modules
  /// around it without their module. Both and the source must outlive this.
  TypeParser(Source& source, const std::vector<Type>& named, const std::string& module)
      : source_{source}, named_{named}, module_{module} {}

  /// The type at the front, or nothing after a report.
  std::optional<Type> type();
  /// A word that may be the name of a type, with the words behind points; reports what is none.
  std::optional<Token> path(std::string_view what);

 private:
  std::optional<Type> inside(unsigned depth);
  std::optional<Type> list(Kind kind, unsigned depth);
  std::optional<Type> sized_string();
  std::optional<Type> with_members(Kind kind, unsigned depth);
  std::optional<Type> alternatives(unsigned depth);
  std::optional<Type> reference();
  std::optional<Member> member(Kind kind, unsigned depth);
  std::optional<std::uint32_t> size();
  /// Counts towards limits::most_members; reports where that is passed.
  bool count(const Token& at, std::size_t members);
  void report_unknown(const Token& name);

  Source& source_;
  const std::vector<Type>& named_;
  const std::string& module_;
  std::size_t members_ = 0;
};

}  // namespace chimera::types
