#pragma once
// Words of a command line as values of a table's columns.

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "tables/table.h"
#include "types/schema.h"
#include "types/value.h"

namespace chimera::cli {

/// The primary key's values, a word each. Errors are whole sentences.
[[nodiscard]] std::expected<types::Row, std::string> key_of(const tables::Table& table,
                                                            const std::vector<std::string>& words);

/// `COLUMN=VALUE`; nothing behind the = is null where the column may be, else a text's nothing.
[[nodiscard]] std::expected<std::vector<tables::Assignment>, std::string> assignments_of(
    const tables::Table& table, const std::vector<std::string>& words);

/// A condition that is true for values from `from` to `to`, both included, of the first column of an index ("key", or
/// empty for it), where `where` is true too. Empty words are no limit.
[[nodiscard]] std::expected<std::string, std::string> condition_of_range(const types::Relation& relation,
                                                                         const std::string& index,
                                                                         const std::string& from, const std::string& to,
                                                                         const std::string& where);

/// The parts between commas.
[[nodiscard]] std::vector<std::string> names_in(const std::string& list);

}  // namespace chimera::cli
