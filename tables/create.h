#pragma once
// Tables that are made, go, or change their names. Nothing is entered in the catalogue here.

#include <string>

#include "tables/change.h"
#include "tables/open_table.h"
#include "types/schema.h"

namespace chimera::tables {

/// A UUID that nobody else has.
[[nodiscard]] Uuid make_uuid();

/// Plans the devices of an empty table, all of them new. `shape` has its name, and gets its UUIDs.
void plan_create(Change& change, TableShape& shape);
/// Plans that all devices go that are a table's, whoever has them open, and those of values that are being put into it.
[[nodiscard]] Result<> plan_drop(Link& link, Change& change, const TableShape& shape);
/// The same of a table that cannot be opened: everything goes that is called as a table's devices are, `name`,
/// `name/COLUMN`, `name:…`.
[[nodiscard]] Result<> plan_drop_by_name(Link& link, Change& change, const std::string& name);
/// Plans that all devices of a table get the names of another. Whoever has it open notices, and has to open it by its
/// new name; what he is putting is lost.
[[nodiscard]] Result<> plan_rename(Change& change, OpenTable& table, const std::string& name);

/// The relation can be stored, since its text can be read again. `bad_text`: why not.
[[nodiscard]] Result<> check_readable(const types::Relation& relation);
/// Plans that the devices go that the new shape has no more.
void plan_less_devices(Change& change, const TableShape& before, const TableShape& after);

/// Plans an empty index's or heap's device that is new.
void plan_index(Change& change, const TableShape& shape, const IndexFile& index, const std::string& name);
void plan_heap(Change& change, const Uuid& heap, const std::string& name);

}  // namespace chimera::tables
