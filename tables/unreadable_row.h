#pragma once
// A row of which something cannot be read: what and why, and what can be read of it still.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tables/link.h"
#include "types/schema.h"
#include "types/value.h"

namespace chimera::tables {

class OpenTable;
class RowReader;

struct UnreadableRow {
  struct Problem {
    std::uint32_t column;  ///< its place in the table's relation
    std::string words;     ///< a whole sentence
  };

  const types::Relation* relation = nullptr;  ///< the table's, which holds as long as nothing is done with the table
  std::uint64_t number = 0;                   ///< in the table
  std::vector<Problem> problems;              ///< of its columns
  std::string problem;                        ///< of the row as a whole: a sentence; empty if there is none
  std::vector<std::uint32_t> readable;        ///< the columns that can be read: places in the relation
  types::Row values;                          ///< theirs
  std::string words;                          ///< all of it: table, row, key where that can be read, columns, reasons
};

/// Whether what a read came upon is of the place that it read: bytes that are damaged, unreadable or no value, a value
/// too long to be read as a whole. Others of the table may still be read.
[[nodiscard]] bool is_of_its_place(const Failure& failure) noexcept;

/// The failure, with the table's name in its words.
[[nodiscard]] Failure named(Failure failure, const std::string& table);

/// Looks at the columns (places in the table's relation, in any order) of a row one by one, behind a failure in reading
/// them, and at those of its primary key. `name`: what the table is called in the words. None: there is no row of that
/// number.
[[nodiscard]] Result<std::optional<UnreadableRow>> look_at_unreadable(OpenTable& table, RowReader& reader,
                                                                      std::uint64_t number,
                                                                      std::vector<std::uint32_t> columns,
                                                                      const Failure& failure, std::string_view name);

}  // namespace chimera::tables
