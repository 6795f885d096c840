#include "tables/create.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "isa/limits.h"
#include "tables/answers.h"
#include "tables/names.h"

namespace chimera::tables {

Uuid make_uuid() {
  Uuid uuid;
  // Of 16 bytes it never gives fewer, and fails on no kernel that runs this.
  [[maybe_unused]] const int failed = getentropy(uuid.data, sizeof uuid.data);
  uuid.data[6] = static_cast<std::uint8_t>((uuid.data[6] & 0x0F) | 0x40);
  uuid.data[8] = static_cast<std::uint8_t>((uuid.data[8] & 0x3F) | 0x80);
  return uuid;
}

namespace {

/// Whoever has made it himself may have named columns that there are not.
bool has_its_columns(const types::Relation& relation) {
  const auto is_there = [&](std::uint32_t column) { return column < relation.columns.size(); };
  return std::ranges::all_of(relation.key, is_there) && (!relation.append_by || is_there(*relation.append_by)) &&
         std::ranges::all_of(relation.indexes, [&](const types::Index& index) {
           return !index.columns.empty() && std::ranges::all_of(index.columns, is_there);
         });
}

std::unexpected<Failure> unsound(std::string_view why) {
  return std::unexpected(Failure{Status::bad_text, fmt::format("The schema would not be sound: {}.", why)});
}

}  // namespace

Result<> check_readable(const types::Relation& relation) {
  if (!has_its_columns(relation)) return unsound("its key or an index is of a column that there is not");
  const auto schema = types::parse_schema(types::print(relation), relation.name);
  if (!schema) return unsound(schema.error().front().message);
  const bool is_same = schema->relations.size() == 1 && schema->relations[0].columns == relation.columns &&
                       schema->relations[0].key == relation.key;
  return is_same ? Result<>() : unsound("its text would be read as another one");
}

void plan_less_devices(Change& change, const TableShape& before, const TableShape& after) {
  const auto kept = after.devices();
  for (const auto& [device, uuid] : before.devices()) {
    const bool stays = std::ranges::any_of(kept, [&](const auto& other) { return other.first == device; });
    if (!stays) change.script.add(Program().delete_device_by_force(uuid));
  }
}

void plan_index(Change& change, const TableShape& shape, const IndexFile& index, const std::string& name) {
  change.script.note([&] { return "index " + index.name; });
  change.script.add(Program().create_device(name, {}, {}, index.device));
  BTree::create(change.script, index.device, shape.tree_shape(index));
}

void plan_heap(Change& change, const Uuid& heap, const std::string& name) {
  change.script.note([] { return std::string("a heap for long values"); });
  change.script.add(Program().create_device(name, {}, {}, heap));
  Heap::create(change.script, heap);
}

void plan_create(Change& change, TableShape& shape) {
  const auto devices = shape.devices();
  for (const auto& [name, uuid] : devices) *uuid = make_uuid();
  const auto name_of = [&devices](const Uuid& uuid) -> const std::string& {
    return std::ranges::find(devices, &uuid, [](const auto& device) { return device.second; })->first;
  };
  change.script.note([&] { return fmt::format("the table {}: its schema and its header", shape.name); });
  change.script.add(Program().create_device(shape.name, types::print(shape.relation), {}, shape.header));
  TableHeader header;
  header.format = TableHeader::format_of(shape.declares_packed_columns());
  change.script.write_bytes(shape.header, 0, header.bytes());
  for (std::uint32_t column = 0; column < shape.columns.size(); ++column) {
    change.script.note([&] { return "column " + shape.column_name(column); });
    const Uuid& device = shape.columns[column].device;
    change.script.add(Program().create_device(name_of(device), {}, {}, device));
  }
  for (const IndexFile& index : shape.indexes) plan_index(change, shape, index, name_of(index.device));
  for (const Uuid& heap : shape.heaps) plan_heap(change, heap, name_of(heap));
  change.script.note([] { return std::string("the stack of free row numbers"); });
  change.script.add(Program().create_device(name_of(shape.free), {}, {}, shape.free));
}

namespace {

/// Columns that are being added, or were before a crash: they are nobody's when the table has gone.
void plan_no_fillings(Change& change, const TableShape& shape) {
  if (shape.fillings.empty()) return;
  change.script.note([] { return std::string("what has been filled for columns that are no columns yet"); });
  for (const Uuid& filling : shape.fillings) change.script.add(Program().delete_device_by_force(filling));
}

/// Values that are being put, or were when somebody was killed. Whoever begins with one meanwhile changes the table.
Result<> plan_no_stages(Link& link, Change& change, const TableShape& shape) {
  Script script(change.script.is_explained());
  Answers answers;
  script.note([] { return std::string("who is putting long values"); });
  script.add(Program().list_devices(stage_device(shape.name, {}), {}, limits::most_listed));
  if (auto done = link.run(script, answers); !done) return done;
  for (const ListedDevice& device : devices_of(answers[0])) {
    change.script.note([] { return std::string("nobody puts this value any more"); });
    change.script.add(Program().delete_device_by_force(device.uuid));
  }
  return {};
}

}  // namespace

Result<> plan_drop(Link& link, Change& change, const TableShape& shape) {
  change.script.note([&] { return fmt::format("everything of {} goes", shape.name); });
  for (const auto& [name, uuid] : shape.devices()) change.script.add(Program().delete_device_by_force(uuid));
  plan_no_fillings(change, shape);
  return plan_no_stages(link, change, shape);
}

Result<> plan_drop_by_name(Link& link, Change& change, const std::string& name) {
  Script script(change.script.is_explained());
  Answers answers;
  script.note([&] { return fmt::format("what there is of {}, which cannot be opened", name); });
  script.add(Program()
                 .list_devices(name, {}, 1)
                 .list_devices(name + "/", {}, limits::most_listed)
                 .list_devices(name + ":", {}, limits::most_listed));
  if (auto done = link.run(script, answers); !done) return done;
  change.script.note([&] { return fmt::format("everything of {} goes", name); });
  for (std::size_t list = 0; list < answers.size(); ++list) {
    for (const ListedDevice& device : devices_of(answers[list])) {
      const std::string_view rest = std::string_view(device.name).substr(name.size());
      const bool is_column = list == 1 && is_name_part(rest.substr(1));
      if (is_column || list == 2 || rest.empty()) change.script.add(Program().delete_device_by_force(device.uuid));
    }
  }
  return {};
}

Result<> plan_rename(Change& change, OpenTable& table, const std::string& name) {
  change.join(table);
  change.script.note([&] { return fmt::format("{} becomes {}", table.shape().name, name); });
  const std::size_t before = table.shape().name.size();
  for (const auto& [device, uuid] : table.shape().devices()) {
    change.script.add(Program().rename_device(uuid, name + device.substr(before)));
  }
  plan_no_fillings(change, table.shape());
  table.change_shape();
  return plan_no_stages(table.link(), change, table.shape());
}

}  // namespace chimera::tables
