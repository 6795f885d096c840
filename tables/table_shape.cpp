#include "tables/table_shape.h"

#include <algorithm>

#include "isa/bytes.h"
#include "tables/names.h"
#include "types/key.h"

namespace chimera::tables {
namespace {

constexpr std::uint32_t no_column = ~std::uint32_t{0};

IndexFile index_file(const types::Relation& relation, std::string name, bool unique,
                     std::vector<std::uint32_t> columns) {
  IndexFile index;
  index.name = std::move(name);
  index.unique = unique;
  index.nullable = std::ranges::any_of(columns, [&](std::uint32_t c) { return relation.columns[c].nullable; });
  index.columns = std::move(columns);
  return index;
}

/// Values of this kind with equal keys are identical. Floats are not, which have two zeros, nor what may hold some.
bool has_one_form(types::Kind kind) {
  using types::Kind;
  return types::is_integer(kind) || kind == Kind::boolean || kind == Kind::string || kind == Kind::blob ||
         kind == Kind::datetime || kind == Kind::duration || kind == Kind::pointer;
}

}  // namespace

bool IndexFile::covers(std::uint32_t column) const { return std::ranges::find(columns, column) != columns.end(); }

std::optional<std::uint64_t> IndexFile::row_of(std::span<const std::uint8_t> key,
                                               std::span<const std::uint8_t> value) const {
  const std::span<const std::uint8_t> bytes = unique ? value : key;
  if (bytes.size() < row_key_size) return {};
  const auto row = load<std::uint64_t>(bytes.data() + bytes.size() - row_key_size);
  return unique ? row : __builtin_bswap64(row);  // keys are big-endian
}

TableShape::TableShape(types::Relation of, std::optional<types::Relation> to_be)
    : relation(std::move(of)), wanted(std::move(to_be)) {
  bool needs_own_heap = false;
  for (const types::Column& column : relation.columns) {
    ColumnFile& file = columns.emplace_back();
    if (types::fixed_width(column.type)) {
      file.fixed.emplace(column.type, column.nullable);
      file.width = file.fixed->width();
    } else if (!column.external) {
      needs_own_heap = true;
    }
  }
  if (needs_own_heap) heap_users.push_back(no_column);
  for (std::uint32_t column = 0; column < columns.size(); ++column) {
    if (!columns[column].is_variable() || !relation.columns[column].external) continue;
    columns[column].heap = heap_users.size();
    heap_users.push_back(column);
  }
  heaps.resize(heap_users.size());
  has_key = !relation.key.empty();
  if (has_key) indexes.push_back(index_file(relation, "key", true, relation.key));
  for (std::uint32_t column = 0; column < columns.size(); ++column) {
    const bool in_key = has_key && indexes[primary_key].covers(column);
    if (!in_key || !has_one_form(relation.columns[column].type.kind)) beside_key.push_back(column);
  }
  for (const types::Index& index : relation.all_indexes()) {
    indexes.push_back(index_file(relation, index.name, index.unique, index.columns));
  }
  if (!wanted) return;
  for (const types::Index& index : wanted->all_indexes()) {
    const bool is_there =
        std::ranges::any_of(relation.all_indexes(), [&](const auto& i) { return i.name == index.name; });
    if (is_there) continue;
    indexes.push_back(index_file(relation, index.name, index.unique, index.columns));
    indexes.back().is_unfinished = true;
  }
}

bool TableShape::declares_packed_columns() const {
  for (std::size_t column = 0; column < columns.size(); ++column) {
    if (!columns[column].is_variable() && relation.columns[column].compressed) return true;
  }
  return false;
}

BTreeShape TableShape::tree_shape(const IndexFile& index) const {
  BTreeShape shape;
  shape.value_width = index.unique ? sizeof(std::uint64_t) : 0;
  // Where a null lets the row's number into some keys they have no common width.
  if (index.unique && index.nullable) return shape;
  std::size_t width = index.unique ? 0 : row_key_size;
  for (const std::uint32_t column : index.columns) {
    const types::Column& of = relation.columns[column];
    const std::optional<std::uint32_t> of_column = types::key_width(of.type, of.nullable);
    if (!of_column) return shape;
    width += *of_column;
  }
  if (width <= BTreeShape::longest_key) shape.key_width = static_cast<std::uint16_t>(width);
  return shape;
}

std::vector<Uuid> TableShape::column_devices() const {
  std::vector<Uuid> all;
  for (const ColumnFile& column : columns) all.push_back(column.device);
  return all;
}

std::vector<std::pair<std::string, Uuid*>> TableShape::devices() {
  std::vector<std::pair<std::string, Uuid*>> all = {{name, &header}};
  for (std::uint32_t column = 0; column < columns.size(); ++column) {
    all.emplace_back(column_device(name, column_name(column)), &columns[column].device);
  }
  for (std::size_t i = 0; i < indexes.size(); ++i) {
    const bool is_key = has_key && i == primary_key;
    const auto device_of = indexes[i].is_unfinished ? unfinished_device : index_device;
    all.emplace_back(is_key ? key_device(name) : device_of(name, indexes[i].name), &indexes[i].device);
  }
  for (std::size_t i = 0; i < heaps.size(); ++i) {
    const std::uint32_t user = heap_users[i];
    all.emplace_back(user == no_column ? heap_device(name) : external_device(name, column_name(user)), &heaps[i]);
  }
  all.emplace_back(free_device(name), &free);
  return all;
}

std::vector<std::pair<std::string, Uuid>> TableShape::devices() const {
  std::vector<std::pair<std::string, Uuid>> all;
  for (const auto& [device, uuid] : const_cast<TableShape*>(this)->devices()) all.emplace_back(device, *uuid);
  return all;
}

}  // namespace chimera::tables
