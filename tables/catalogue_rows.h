#pragma once
// The rows of the catalogue's own tables, by their names: NAMESPACE, NAMESPACE/DATABASE, NAMESPACE/DATABASE/TABLE.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tables/catalogue.h"
#include "tables/change.h"
#include "tables/open_table.h"
#include "types/value.h"

namespace chimera::tables {

struct Catalogue::Tables {
  std::unique_ptr<OpenTable> spaces, databases, tables;
};

/// The parts of a name, as many as are wanted. `bad_text`: why not.
[[nodiscard]] Result<types::Row> parts_of(std::string_view name, std::size_t count);
/// The first so many parts as a name.
[[nodiscard]] std::string joined(const types::Row& row, std::size_t parts);
[[nodiscard]] types::Row front_of(const types::Row& row, std::size_t count);

/// `denied`: nobody else makes a table beside the catalogue's own, nor renames or drops one of these.
[[nodiscard]] Result<> check_not_its_own(std::string_view name, bool is_new);

[[nodiscard]] Result<bool> is_there(OpenTable& table, types::Row key);
/// Numbers of the rows whose key begins with these parts, `most` of them at most.
[[nodiscard]] Result<std::vector<std::uint64_t>> rows_below(OpenTable& table, const types::Row& parts,
                                                            std::size_t most);
/// Their names, of so many parts.
[[nodiscard]] Result<std::vector<std::string>> names_of(OpenTable& table, std::span<const std::uint64_t> numbers,
                                                        std::size_t parts);

/// Whether a table that is listed could not be opened since one of its devices, its header or its schema cannot be
/// read, or is not there.
[[nodiscard]] bool is_damaged_table(const Failure& failure) noexcept;

/// Enters what is not there yet. `created`: nanoseconds since 1970 UTC.
[[nodiscard]] Result<> plan_entry(OpenTable& table, Change& change, const types::Row& key, std::int64_t created);
/// Plans that the row of that name goes. `not_found`: there is none; `what` it would have been.
[[nodiscard]] Result<> plan_removal(OpenTable& table, Change& change, types::Row key, std::string_view what);

}  // namespace chimera::tables
