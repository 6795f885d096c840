#pragma once
// What is written behind a mnemonic: operands, told apart by their form.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "assembler/diagnostic.h"
#include "assembler/expression.h"
#include "isa/uuid.h"

namespace chimera::assembler {

struct WrittenOperand {
  enum class Kind : std::uint8_t {
    device,  ///< a declared name, a UUID
    offset,  ///< @n
    count,   ///< #n
    value,   ///< n
    text,    ///< "…", hex"…", file"…"
  };
  Kind kind;
  std::size_t column;  ///< from 0
  std::size_t length;
  Uuid device{};
  std::uint64_t number = 0;
  std::string_view bytes;  ///< of the token, or of the file that it names
  bool from_file = false;
  bool taken = false;  ///< by the row that it was matched with
};

/// What a line may refer to.
struct Context {
  const Symbols& symbols;
  std::size_t depth;  ///< most parentheses inside each other
  /// The bytes of the file that a file"…" token names; they live as long as the whole assembly.
  std::function<Parsed<std::string_view>(const Token&)> read_file;
};

/// All operands up to the end of the line; appends to `operands`. They view the tokens.
[[nodiscard]] std::optional<Problem> read_operands(Cursor& cursor, const Context& context,
                                                   std::vector<WrittenOperand>& operands);

}  // namespace chimera::assembler
