#pragma once
// Conditions bound to a relation's columns: each comparison knows its column and holds its literal as the column holds
// values. What is compared with null is neither true nor false, and only what is true is found.

#include <cstdint>
#include <expected>
#include <span>
#include <string_view>
#include <vector>

#include "isa/diagnostic.h"
#include "tables/condition.h"
#include "tables/link.h"
#include "tables/masks.h"
#include "types/schema.h"
#include "types/slot.h"

namespace chimera::tables {

struct TableShape;

/// A part of a predicate.
struct Term {
  enum class Kind : std::uint8_t {
    both,      ///< all of `parts`
    either,    ///< one of `parts`
    negated,   ///< the one part
    constant,  ///< `holds` for whatever is not null: a comparison with what the column cannot hold
    null,      ///< the column is null
    scalar,    ///< compares entries of a fixed column
    content,   ///< compares strings, blobs and functions by their bytes
    prefix,    ///< a string that begins so
  };
  Kind kind = Kind::both;
  std::vector<Term> parts;
  std::uint32_t column = 0;  ///< its place in the relation
  Comparison comparison = Comparison::equal;
  bool holds = false;
  types::Kind as = types::Kind::null;  ///< scalar: how the entries are compared
  /// What is compared with: as it stands in an entry, without a null's byte, or a content.
  std::vector<std::uint8_t> literal;
  types::Value value;  ///< the same
};

/// The rows of a part of a table, as far as a predicate looks at them.
struct RowsInView {
  struct Column {
    ColumnEntries entries;  ///< slots where the column is variable
    /// Of a variable column: the whole content of each row that `Predicate::needs`; anything for others.
    std::span<const std::span<const std::uint8_t>> contents;
  };
  std::vector<Column> columns;  ///< by place in the relation; empty where the predicate does not look
};

class Predicate {
 public:
  /// Everything.
  Predicate() = default;
  [[nodiscard]] static std::expected<Predicate, Diagnostic> parse(std::string_view text,
                                                                  const types::Relation& relation);

  [[nodiscard]] bool is_everything() const { return is_everything_; }
  [[nodiscard]] const Term& root() const { return root_; }
  /// Places of the columns that it looks at, ascending.
  [[nodiscard]] const std::vector<std::uint32_t>& columns() const { return columns_; }
  /// Whether the slot does not tell enough, and all of the content has to be there.
  [[nodiscard]] bool needs(std::uint32_t column, const types::Slot& slot) const;

  /// Sets found[i] to whether row i is found, for rows 0 to count. Rows whose byte in `found` is 0 before may be passed
  /// over: it stays 0.
  void find(const RowsInView& rows, std::size_t count, std::uint8_t* found) const;

 private:
  bool is_everything_ = true;
  Term root_;
  std::vector<std::uint32_t> columns_;
};

/// A condition of a relation's columns; everything where it is empty. The failure is the diagnostic's text.
[[nodiscard]] Result<Predicate> parse_where(const TableShape& shape, std::string_view where);

/// Bytes that compare as -1, 0 or 1: by memcmp, the shorter first.
[[nodiscard]] int compare_bytes(std::span<const std::uint8_t> left, std::span<const std::uint8_t> right) noexcept;

/// What a slot tells of a content against a literal, as far as it does: -1, 0 or 1, or `undecided`. `begins`: whether
/// it begins so is asked, and 0 says yes.
inline constexpr int undecided = 2;
[[nodiscard]] int compare_slot(const types::Slot& slot, std::span<const std::uint8_t> literal, bool begins) noexcept;

}  // namespace chimera::tables
