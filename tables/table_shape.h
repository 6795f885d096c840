#pragma once
// What a table is made of: its relation, and the devices that hold its columns, indexes and heaps.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "isa/uuid.h"
#include "tables/btree_header.h"
#include "types/fixed.h"
#include "types/schema.h"
#include "types/slot.h"

namespace chimera::tables {

/// The bytes of a row's number behind a key that alone need not be unique.
inline constexpr std::size_t row_key_size = 8;

struct ColumnFile {
  Uuid device{};
  std::uint32_t width = types::slot_size;   ///< bytes of an entry
  std::optional<types::FixedColumn> fixed;  ///< none: entries are slots
  std::size_t heap = 0;                     ///< of a variable column: which of the table's

  [[nodiscard]] bool is_variable() const { return !fixed; }
};

/// The primary key, or a secondary index.
struct IndexFile {
  Uuid device{};
  std::string name;                    ///< "key" of the primary key
  bool unique = true;                  ///< no two rows have the same values, unless one of them is null
  bool nullable = false;               ///< some column of it is
  bool is_unfinished = false;          ///< it is being added: only the rows below the header's `entered` are in it
  std::vector<std::uint32_t> columns;  ///< places in the relation

  [[nodiscard]] bool covers(std::uint32_t column) const;
  /// The row that an entry leads to: its value, or where the index is not unique the end of its key. Nothing where the
  /// bytes are too few for that.
  [[nodiscard]] std::optional<std::uint64_t> row_of(std::span<const std::uint8_t> key,
                                                    std::span<const std::uint8_t> value) const;
};

/// The primary key's place among the indexes, where there is one.
inline constexpr std::size_t primary_key = 0;

/// Refers to its own relation, so it does not move.
struct TableShape {
  /// `wanted`: what the relation will be when the index is whole that is being added; it has that one index more.
  explicit TableShape(types::Relation of, std::optional<types::Relation> wanted = {});
  TableShape(const TableShape&) = delete;
  TableShape& operator=(const TableShape&) = delete;

  std::string name;  ///< NAMESPACE/DATABASE/TABLE
  const types::Relation relation;
  const std::optional<types::Relation> wanted;
  Uuid header{};
  std::vector<ColumnFile> columns;        ///< as the relation's
  bool has_key = false;                   ///< the first of `indexes` is the primary key
  std::vector<IndexFile> indexes;         ///< the one that is being added last
  std::vector<std::uint32_t> beside_key;  ///< columns whose values the primary key does not tell exactly
  std::vector<Uuid> heaps;  ///< the table's own first, where a column needs it, then those of external columns
  std::vector<std::uint32_t> heap_users;  ///< of an external column's heap: the column; of the table's own: none (-1)
  Uuid free{};
  std::vector<Uuid> fillings;  ///< columns of many rows that are being added, or were before a crash (filling.h)

  /// Whether a column of a fixed width is compressed: then the header has the format that says so.
  [[nodiscard]] bool declares_packed_columns() const;
  /// What every tree of the index is made for.
  [[nodiscard]] BTreeShape tree_shape(const IndexFile& index) const;
  [[nodiscard]] const std::string& column_name(std::uint32_t column) const { return relation.columns[column].name; }
  /// The columns' devices, which tell columns apart whatever their names are, those of two tables too.
  [[nodiscard]] std::vector<Uuid> column_devices() const;
  /// Rows keep their numbers for ever, in the order in which they were inserted: no number is used again.
  [[nodiscard]] bool keeps_order() const { return relation.append_by || relation.circular; }
  /// Every device of the table with its name, the header's first.
  [[nodiscard]] std::vector<std::pair<std::string, Uuid*>> devices();
  [[nodiscard]] std::vector<std::pair<std::string, Uuid>> devices() const;
};

}  // namespace chimera::tables
