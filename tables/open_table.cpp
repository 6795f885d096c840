#include "tables/open_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <map>
#include <span>

#include "isa/limits.h"
#include "tables/names.h"
#include "tables/safeguards.h"

namespace chimera::tables {

OpenTable::OpenTable(Link& link, bool explained, std::unique_ptr<TableShape> shape, const TableHeader& header)
    : script(explained),
      link_(link),
      explained_(explained),
      shape_(std::move(shape)),
      version_{shape_->header, TableHeader::version_offset, header.version},
      header_(header),
      planned_(header),
      reading_mark_(shape_mark()) {
  const auto devices = std::as_const(*shape_).devices();
  const auto name_of = [&devices](const Uuid& uuid) {
    for (const auto& [name, of] : devices) {
      if (of == uuid) return name;
    }
    return std::string();
  };
  for (const IndexFile& index : shape_->indexes) {
    trees_.emplace_back(link, version_, index.device, name_of(index.device)).expect(shape_->tree_shape(index));
  }
  for (const Uuid& heap : shape_->heaps) heaps_.emplace_back(link, version_, heap, name_of(heap));
  for (BTree& tree : trees_) {
    if (explained) tree.explain();
  }
  make_packed();
  for (Heap& heap : heaps_) {
    if (explained) heap.explain();
  }
}

void OpenTable::make_packed() {
  if (header_.format != TableHeader::format_with_packed || !shape_->declares_packed_columns()) return;
  packed_.resize(shape_->columns.size());
  for (std::uint32_t column = 0; column < packed_.size(); ++column) {
    const ColumnFile& file = shape_->columns[column];
    if (file.is_variable() || !shape_->relation.columns[column].compressed) continue;
    packed_[column] =
        std::make_unique<PackedPieces>(link_, version_, file.device, shape_->column_name(column), explained_);
  }
}

std::uint64_t OpenTable::planned_version() {
  while (planned_.version == header_.version) planned_.version = link_.next_version++;
  return planned_.version;
}

void OpenTable::emit(Script& into) {
  for (const BTree& tree : trees_) tree.emit(into);
  for (const Heap& heap : heaps_) heap.emit(into);
  for (const auto& pieces : packed_) {
    if (pieces) pieces->emit(into);
  }
  planned_version();
  into.note([&] {
    return fmt::format("the header of {}: version {}, {} rows", shape_->name, planned_.version, planned_.live);
  });
  const TableHeader::Bytes bytes = planned_.bytes();
  const std::size_t first = planned_.format != header_.format ? TableHeader::format_offset
                            : planned_.gone != header_.gone   ? TableHeader::gone_offset
                                                              : TableHeader::version_offset;
  into.write_bytes(shape_->header, first, std::span(bytes).subspan(first));
  if (planned_.entered == header_.entered) return;
  into.note([&] { return fmt::format("rows below {} are in the index that is being added", planned_.entered); });
  std::array<std::uint8_t, sizeof planned_.entered> entered{};
  std::memcpy(entered.data(), &planned_.entered, sizeof planned_.entered);
  into.write_bytes(shape_->header, TableHeader::entered_offset, entered);
}

void OpenTable::keep() {
  // What is kept is of the shape before. It stays what it was, and of the version that it was of: whoever uses it again
  // finds out.
  if (planned_.shape != header_.shape) return abandon();
  has_given_back = false;
  if (forgets_) {
    forgets_ = false;
    return renew(planned_);
  }
  header_ = planned_;
  version_.number = header_.version;
  for (BTree& tree : trees_) tree.keep();
  for (Heap& heap : heaps_) heap.keep();
  for (const auto& pieces : packed_) {
    if (pieces) pieces->keep();
  }
  last_in_order = planned_last_in_order;
}

void OpenTable::abandon() {
  has_given_back = false;
  forgets_ = false;
  planned_ = header_;
  for (BTree& tree : trees_) tree.abandon();
  for (Heap& heap : heaps_) heap.abandon();
  for (const auto& pieces : packed_) {
    if (pieces) pieces->abandon();
  }
  planned_last_in_order = last_in_order;
}

void OpenTable::renew(const TableHeader& header) {
  header_ = planned_ = header;
  version_.number = header.version;
  for (BTree& tree : trees_) {
    if (safeguards::old_nodes_are_forgotten) tree.forget();
  }
  for (Heap& heap : heaps_) heap.forget();
  for (const auto& pieces : packed_) {
    if (pieces && safeguards::old_pieces_are_forgotten) pieces->forget();
  }
  last_in_order.reset();
  planned_last_in_order.reset();
}

Result<std::uint64_t> OpenTable::row_of_key(std::span<const std::uint8_t> value) const {
  assert(value.size() == sizeof(std::uint64_t));
  const auto row = load<std::uint64_t>(value.data());
  if (row < std::max(header_.tail, planned_.tail)) return row;
  return std::unexpected(
      Failure{Status::corrupt, fmt::format("{}: the primary key leads to a row that cannot be.", shape_->name)});
}

Result<> OpenTable::confirm() {
  if (!safeguards::answers_are_confirmed) return {};
  Reading reading(script, version_);
  return reading.run(link_, answers);
}

namespace {

/// Bytes to read of a header.
std::uint32_t header_bytes(bool has_unfinished) {
  return has_unfinished ? TableHeader::size_with_entered : TableHeader::size;
}

std::expected<TableHeader, std::string> parse_header(std::span<const std::uint8_t> bytes) {
  auto header = TableHeader::parse(bytes.first(std::min<std::size_t>(bytes.size(), TableHeader::size)));
  if (header && bytes.size() == TableHeader::size_with_entered) {
    header->entered = load<std::uint64_t>(&bytes[TableHeader::entered_offset]);
  }
  return header;
}

}  // namespace

Result<TableHeader> read_header(OpenTable& table) {
  table.script.clear();
  table.script.note([&] { return fmt::format("the header of {}", table.shape().name); });
  table.script.read_bytes(table.shape().header, 0, header_bytes(table.shape().wanted.has_value()));
  if (auto done = table.link().run(table.script, table.answers); !done) return std::unexpected(std::move(done.error()));
  std::expected<TableHeader, std::string> header = parse_header(table.answers.bytes(0));
  if (header) return *header;
  return std::unexpected(Failure{Status::corrupt, fmt::format("{}: {}", table.shape().name, header.error())});
}

namespace {

/// The answers to the one program that reads everything that is known of a table by its name.
class Opening {
 public:
  Opening(Link& link, bool explained, const std::string& name) : link_(link), explained_(explained), name_(name) {}

  Result<std::unique_ptr<OpenTable>> run() {
    Script script(explained_);
    script.note([&] { return fmt::format("the table {}: its schema, its header, its devices", name_); });
    script.add(Program()
                   .open_device(name_)
                   .read_bytes(implied, 0, TableHeader::size)
                   .read_columns()
                   .list_devices(name_ + "/", {}, limits::most_listed)
                   .list_devices(name_ + ":", {}, limits::most_listed)
                   .read_bytes(implied, 0, TableHeader::size));
    if (auto done = link_.run(script, answers_); !done) return std::unexpected(no_table(std::move(done.error())));
    // Both headers say the same of the shape, and all else was read in between.
    const auto header = TableHeader::parse(answers_.bytes(1));
    if (!header) return damaged(header.error());
    auto after = TableHeader::parse(answers_.bytes(5));
    const bool is_same = after && (after->shape == header->shape || !safeguards::openings_are_checked);
    if (!is_same) return changed_meanwhile();
    for (const std::size_t list : {3, 4}) {
      for (const ListedDevice& device : devices_of(answers_[list])) devices_.emplace(device.name, device.uuid);
    }
    const Uuid header_device = uuid_of(answers_[0]);
    auto relation = parse_relation(std::string(text_of(answers_[2])));
    if (!relation) return std::unexpected(std::move(relation.error()));
    auto wanted = read_wanted(header_device, *after);
    if (!wanted) return std::unexpected(std::move(wanted.error()));
    auto shape = make_shape(header_device, std::move(*relation), std::move(*wanted));
    if (!shape) return std::unexpected(std::move(shape.error()));
    return std::make_unique<OpenTable>(link_, explained_, std::move(*shape), *after);
  }

 private:
  std::unexpected<Failure> damaged(const std::string& words) const {
    return std::unexpected(Failure{Status::corrupt, fmt::format("{}: {}", name_, words)});
  }
  static std::unexpected<Failure> changed_meanwhile() {
    return std::unexpected(Failure{Status::conflict, "The table has been changed meanwhile."});
  }
  Failure no_table(Failure failure) const {
    // It was there when it was opened: whoever has dropped it may have made it anew, so it is looked for again.
    const bool was_there = failure.instruction != Failure::nowhere && failure.instruction > 0;
    if (was_there && (failure.status == Status::not_found || failure.status == Status::no_current_device)) {
      return {Status::conflict, "The table has been changed meanwhile."};
    }
    if (failure.status == Status::not_found) {
      return {Status::not_found, fmt::format("There is no table {}.", name_)};
    }
    if (failure.status == Status::out_of_range) {
      return {Status::bad_text, fmt::format("The device {} is no table: it has no header.", name_)};
    }
    return damage_of(name_, std::move(failure));
  }

  Result<types::Relation> parse_relation(const std::string& text) const {
    auto schema = types::parse_schema(text, name_);
    if (!schema) return damaged("its schema cannot be read: " + types::diagnostics_text(schema.error()));
    if (schema->relations.size() != 1) return damaged("its schema has to be of one relation.");
    return std::move(schema->relations[0]);
  }

  /// What the relation is to be when the index is whole that is being added, if one is: its device's columns. `header`
  /// is as new as that then.
  Result<std::optional<types::Relation>> read_wanted(const Uuid& header_device, TableHeader& header) {
    const std::string prefix = unfinished_device(name_, {});
    const auto device = devices_.lower_bound(prefix);
    if (device == devices_.end() || !device->first.starts_with(prefix)) return std::optional<types::Relation>();
    Script script(explained_);
    script.note([&] { return fmt::format("the index that is being added: {}", device->first); });
    script.add(Program().read_columns(device->second));
    script.read_bytes(header_device, 0, TableHeader::size_with_entered);
    if (auto done = link_.run(script, answers_); !done) return std::unexpected(std::move(done.error()));
    const auto now = parse_header(answers_.bytes(1));
    if (!now || now->shape != header.shape) return changed_meanwhile();
    header = *now;
    auto relation = parse_relation(std::string(text_of(answers_[0])));
    if (!relation) return std::unexpected(std::move(relation.error()));
    return std::optional(std::move(*relation));
  }

  Result<std::unique_ptr<TableShape>> make_shape(const Uuid& header_device, types::Relation relation,
                                                 std::optional<types::Relation> wanted) {
    auto shape = std::make_unique<TableShape>(std::move(relation), std::move(wanted));
    shape->name = name_;
    for (const auto& [name, uuid] : shape->devices()) {
      if (uuid == &shape->header) {
        *uuid = header_device;
        continue;
      }
      const auto device = devices_.find(name);
      if (device == devices_.end()) return damaged(fmt::format("its device {} is not there.", name));
      *uuid = device->second;
    }
    const std::string prefix = filling_device(name_, {});
    for (auto left = devices_.lower_bound(prefix); left != devices_.end() && left->first.starts_with(prefix); ++left) {
      shape->fillings.push_back(left->second);
    }
    return shape;
  }

  Link& link_;
  bool explained_;
  const std::string& name_;
  std::map<std::string, Uuid> devices_;  ///< that have the table's name in front of theirs
  Answers answers_;
};

}  // namespace

Result<std::unique_ptr<OpenTable>> open_table(Link& link, bool explained, const std::string& name) {
  return Opening(link, explained, name).run();
}

}  // namespace chimera::tables
