#include "tables/blob_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <random>
#include <utility>

#include "isa/answer.h"
#include "isa/builder.h"
#include "isa/limits.h"
#include "tables/answers.h"
#include "tables/attempt.h"
#include "tables/change.h"
#include "tables/names.h"
#include "tables/value_place.h"

namespace chimera::tables {
namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr std::size_t prefix_size = 4;

/// A name that nobody else uses.
std::string owners_prefix(const std::string& table) { return table + ":stage/"; }

std::string owner_name(const std::string& table) {
  std::random_device random;
  return fmt::format("{}{:08x}{:08x}", owners_prefix(table), random(), random());
}

/// The column's heap, as long as the table has it.
Result<Heap*> heap_of(OpenTable& table, std::string_view column) {
  const auto place = table.shape().relation.find(column);
  if (!place) {
    return std::unexpected(Failure{Status::not_found, fmt::format("{} has no column {}.", table.shape().name, column)});
  }
  return &table.heap(table.shape().columns[*place].heap);
}

Result<> check_blob(const OpenTable& table, const ValuePlace& at) {
  const types::Type& type = table.shape().relation.columns[at.column].type;
  if (type.kind == types::Kind::blob) return check_writable(table.shape(), at);
  return std::unexpected(Failure{
      Status::unsupported,
      fmt::format("Column {} is no blob: its values are put as a whole.", table.shape().column_name(at.column))});
}

}  // namespace

BlobWriter::BlobWriter(Table& table, types::Row key, std::string column)
    : table_(&table), key_(std::move(key)), column_(std::move(column)) {}

BlobWriter::BlobWriter(BlobWriter&& other) noexcept
    : table_(std::exchange(other.table_, nullptr)),
      key_(std::move(other.key_)),
      column_(std::move(other.column_)),
      owner_(other.owner_),
      kept_(std::move(other.kept_)),
      front_(std::move(other.front_)),
      size_(other.size_),
      has_stage_(other.has_stage_) {}

BlobWriter::~BlobWriter() { give_up(); }

Result<BlobWriter> BlobWriter::begin(Table& table, types::Row key, std::string column) {
  BlobWriter writer(table, std::move(key), std::move(column));
  // Before anything is sent, so that who sends gigabytes is told now.
  const auto may = table.retry<bool>([&](OpenTable& open) -> Result<bool> {
    types::Row row_key = writer.key_;
    const auto at = find_value(open, table.reader(), row_key, writer.column_);
    if (!at) return std::unexpected(at.error());
    if (auto blob = check_blob(open, *at); !blob) return std::unexpected(std::move(blob.error()));
    return true;
  });
  if (!may) return std::unexpected(may.error());
  return writer;
}

Result<> BlobWriter::add(Bytes bytes) {
  const auto place = table_->relation().find(column_);
  const auto most = place ? table_->relation().columns[*place].type.size : std::nullopt;
  if (most && size_ + bytes.size() > *most) {
    return std::unexpected(
        Failure{Status::too_large, fmt::format("Column {} holds {} bytes at most.", column_, *most)});
  }
  while (!bytes.empty()) {
    const std::size_t count = std::min(bytes.size(), most_kept - kept_.size());
    kept_.insert(kept_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count));
    size_ += count;
    bytes = bytes.subspan(count);
    if (kept_.size() < most_kept) break;
    if (auto done = write_kept(); !done) return done;
  }
  return {};
}

Result<> BlobWriter::write_kept() {
  if (!has_stage_) {
    front_.assign(kept_.begin(), kept_.begin() + prefix_size);
    if (auto done = own(); !done) return done;
    if (auto done = begin_stage(); !done) return done;
    has_stage_ = true;
  }
  const auto done = table_->retry<bool>([&](OpenTable& open) -> Result<bool> {
    const auto heap = heap_of(open, column_);
    if (!heap) return std::unexpected(heap.error());
    Change change(table_->link(), table_->options().explained);
    change.join(open);
    if (auto added = (*heap)->append_to_stage(owner_, kept_); !added) return std::unexpected(std::move(added.error()));
    if (auto committed = change.commit(); !committed) return std::unexpected(std::move(committed.error()));
    return true;
  });
  if (!done) return std::unexpected(done.error());
  kept_.clear();
  return {};
}

/// Makes the device that tells others that somebody is here. It is in memory, so it is gone after a crash.
Result<> BlobWriter::own() {
  Script script;
  Answers answers;
  script.add(Program().create_device(owner_name(table_->name()), {}, "kind=memory"));
  if (auto done = table_->link().run(script, answers); !done) return done;
  owner_ = uuid_of(answers[0]);
  table_->link().owners.insert(owner_);
  return {};
}

Result<> BlobWriter::begin_stage() {
  const auto done = table_->retry<bool>([&](OpenTable& open) -> Result<bool> {
    const auto heap = heap_of(open, column_);
    if (!heap) return std::unexpected(heap.error());
    const auto owners = (*heap)->stage_owners();
    if (!owners) return std::unexpected(owners.error());
    std::vector<Uuid> gone;
    for (const Uuid& owner : *owners) {
      const auto is = is_gone(owner);
      if (!is) return std::unexpected(is.error());
      if (*is) gone.push_back(owner);
    }
    Change change(table_->link(), table_->options().explained);
    change.join(open);
    for (const Uuid& owner : gone) {
      const auto left = (*heap)->take_stage(owner);
      if (!left) return std::unexpected(left.error());
      if (!*left) continue;
      if (auto erased = (*heap)->erase(**left); !erased) return std::unexpected(std::move(erased.error()));
    }
    if (auto begun = (*heap)->begin_stage(owner_); !begun) return std::unexpected(std::move(begun.error()));
    if (auto committed = change.commit(); !committed) return std::unexpected(std::move(committed.error()));
    return true;
  });
  return done ? Result<>() : std::unexpected(done.error());
}

/// Whether nobody has the owner's device open any more, or there is none. There is none afterwards.
Result<bool> BlobWriter::is_gone(const Uuid& owner) const {
  // Another writer of this session: its device would not be busy for us.
  if (table_->link().owners.contains(owner)) return false;
  Script script;
  Answers answers;
  // The heap may be damaged and name any device, so one of another name is nobody's owner, and stays.
  script.add(Program().list_devices(owners_prefix(table_->name()), {}, limits::most_listed));
  if (auto listed = table_->link().run(script, answers); !listed) return std::unexpected(std::move(listed.error()));
  const auto devices = devices_of(answers[0]);
  if (std::ranges::find(devices, owner, &ListedDevice::uuid) == devices.end()) return true;
  script.clear();
  script.add(Program().delete_device(owner));
  const auto deleted = table_->link().run(script, answers);
  if (deleted || deleted.error().status == Status::not_found) return true;
  if (deleted.error().status != Status::busy) return std::unexpected(deleted.error());
  // Asking has opened it here as well.
  script.clear();
  script.add(Program().close_device(owner));
  static_cast<void>(table_->link().run(script, answers));
  return false;
}

Result<> BlobWriter::finish() {
  if (auto done = enter_in_row(); !done) return done;
  has_stage_ = false;
  give_up();
  return {};
}

Result<> BlobWriter::enter_in_row() {
  if (!has_stage_)
    front_.assign(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(std::min(kept_.size(), prefix_size)));
  const auto done = table_->retry<bool>([&](OpenTable& open) -> Result<bool> {
    types::Row row_key = key_;
    const auto at = find_value(open, table_->reader(), row_key, column_);
    if (!at) return std::unexpected(at.error());
    if (auto blob = check_blob(open, *at); !blob) return std::unexpected(std::move(blob.error()));
    Heap& heap = open.heap(open.shape().columns[at->column].heap);
    Change change(table_->link(), table_->options().explained);
    std::optional<HeapValue> old;
    if (at->read().is_placed()) {
      const auto value = value_of(open, *at);
      if (!value) return std::unexpected(value.error());
      old = *value;
    }
    change.join(open);
    std::array<std::uint8_t, types::slot_size> slot{};
    if (size_ <= types::most_in_slot) {
      types::put_inside_slot(slot.data(), kept_);
    } else if (has_stage_) {
      if (!kept_.empty()) {
        if (auto added = heap.append_to_stage(owner_, kept_); !added) return std::unexpected(std::move(added.error()));
      }
      const auto whole = heap.take_stage(owner_);
      if (!whole) return std::unexpected(whole.error());
      types::put_placed_slot(slot.data(), front_, (*whole)->size, (*whole)->place.raw());
    } else {
      const auto place = heap.put(kept_);
      if (!place) return std::unexpected(place.error());
      types::put_placed_slot(slot.data(), front_, size_, place->raw());
    }
    if (old) {
      if (auto erased = heap.erase(*old); !erased) return std::unexpected(std::move(erased.error()));
    }
    write_slot(open, change, *at, slot);
    if (auto committed = change.commit(); !committed) return std::unexpected(std::move(committed.error()));
    return true;
  });
  return done ? Result<>() : std::unexpected(done.error());
}

/// What has been put is erased, as well as that can be; whatever is left the next one erases.
void BlobWriter::give_up() {
  Table* const table = std::exchange(table_, nullptr);
  if (table == nullptr || owner_.is_nil()) return;
  if (has_stage_) {
    static_cast<void>(table->retry<bool>([&](OpenTable& open) -> Result<bool> {
      const auto heap = heap_of(open, column_);
      if (!heap) return std::unexpected(heap.error());
      Change change(table->link(), table->options().explained);
      change.join(open);
      const auto left = (*heap)->take_stage(owner_);
      if (!left) return std::unexpected(left.error());
      if (*left) {
        if (auto erased = (*heap)->erase(**left); !erased) return std::unexpected(std::move(erased.error()));
      }
      if (auto committed = change.commit(); !committed) return std::unexpected(std::move(committed.error()));
      return true;
    }));
  }
  // By force, since somebody may be asking just now whether it is still open.
  Script script;
  Answers answers;
  script.add(Program().delete_device_by_force(owner_));
  static_cast<void>(table->link().run(script, answers));
  table->link().owners.erase(owner_);
}

}  // namespace chimera::tables
