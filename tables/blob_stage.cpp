#include "tables/blob_stage.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "isa/builder.h"
#include "isa/limits.h"
#include "tables/answers.h"
#include "tables/attempt.h"
#include "tables/change.h"
#include "tables/create.h"
#include "tables/names.h"

namespace chimera::tables {
namespace {

/// The column's heap, as long as the table has it.
Result<Heap*> heap_of(OpenTable& table, std::string_view column) {
  const auto place = table.shape().relation.find(column);
  if (!place) {
    return std::unexpected(Failure{Status::not_found, fmt::format("{} has no column {}.", table.shape().name, column)});
  }
  return &table.heap(table.shape().columns[*place].heap);
}

Result<> erase_stage(Heap& heap, const Uuid& owner) {
  const auto left = heap.take_stage(owner);
  if (!left) return std::unexpected(left.error());
  return *left ? heap.erase(**left) : Result<>();
}

}  // namespace

BlobStage::BlobStage(BlobStage&& other) noexcept
    : table_(other.table_),
      column_(std::move(other.column_)),
      owner_(std::exchange(other.owner_, {})),
      pieces_(std::move(other.pieces_)) {}

BlobStage::~BlobStage() {
  try {
    give_up();
  } catch (...) {
    table_->link().owners.erase(owner_);  // no memory for it: the next who puts a value erases what is left
  }
}

Result<> BlobStage::erase_what_is_left() {
  const auto done = table_->retry<bool>([&](OpenTable& open) -> Result<bool> {
    const auto heap = heap_of(open, column_);
    if (!heap) return std::unexpected(heap.error());
    const auto owners = (*heap)->stage_owners();
    if (!owners) return std::unexpected(owners.error());
    // Behind the heap, since a device is there before a heap names it.
    const auto here = owners_here();
    if (!here) return std::unexpected(here.error());
    std::vector<Uuid> gone;
    for (const Uuid& owner : *owners) {
      const bool is_ours = table_->link().owners.contains(owner);
      if (!is_ours && std::ranges::find(*here, owner) == here->end()) gone.push_back(owner);
    }
    if (gone.empty()) return true;
    Change change(table_->link(), table_->options().explained);
    change.join(open);
    for (const Uuid& owner : gone) {
      if (auto erased = erase_stage(**heap, owner); !erased) return std::unexpected(std::move(erased.error()));
    }
    if (auto committed = change.commit(); !committed) return std::unexpected(std::move(committed.error()));
    return true;
  });
  return done ? Result<>() : std::unexpected(done.error());
}

/// Whose devices somebody has open. The others' go, also those that no heap names: whoever made one may have ended
/// before he began his stage, or behind the change that took it.
Result<std::vector<Uuid>> BlobStage::owners_here() const {
  Script script(table_->options().explained);
  Answers answers;
  // The heap may be damaged and name any device, so one of another name is nobody's owner, and stays.
  script.note([] { return std::string("who is putting long values"); });
  script.add(Program().list_devices(stage_device(table_->name(), {}), {}, limits::most_listed));
  if (auto listed = table_->link().run(script, answers); !listed) return std::unexpected(std::move(listed.error()));
  std::vector<Uuid> here;
  for (const ListedDevice& device : devices_of(answers[0])) {
    const auto gone = is_gone(device.uuid);
    if (!gone) return std::unexpected(gone.error());
    if (!*gone) here.push_back(device.uuid);
  }
  return here;
}

/// Whether nobody has the owner's device open any more; there is none afterwards.
Result<bool> BlobStage::is_gone(const Uuid& owner) const {
  // Another writer of this session: its device would not be busy for us.
  if (table_->link().owners.contains(owner)) return false;
  Script script(table_->options().explained);
  Answers answers;
  script.note([] { return std::string("busy as long as he is there"); });
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

/// Makes the device that tells others that somebody is here, which is gone after a crash, since it is in memory; and
/// the stage, which names it.
Result<> BlobStage::begin() {
  Script script(table_->options().explained);
  Answers answers;
  Uuid owner{};
  for (unsigned tries = 1;; ++tries) {
    owner = make_uuid();
    script.clear();
    script.note([] { return std::string("tells others that this value is being put, as long as this session lives"); });
    script.add(Program().create_device(stage_device(table_->name(), fmt::format("{:016x}", random_number())), {},
                                       "kind=memory", owner));
    const auto done = table_->link().run(script, answers);
    if (done) break;
    // Its connection may have broken behind one that was made: nobody has that one open, so the next who puts
    // something deletes it.
    if (!is_lost_race(done.error()) || tries == table_->options().most_tries) return done;
  }
  owner_ = owner;
  table_->link().owners.insert(owner_);
  const auto done = table_->retry<bool>([&](OpenTable& open) -> Result<bool> {
    const auto heap = heap_of(open, column_);
    if (!heap) return std::unexpected(heap.error());
    Change change(table_->link(), table_->options().explained);
    change.join(open);
    if (auto begun = (*heap)->begin_stage(owner_); !begun) return std::unexpected(std::move(begun.error()));
    if (auto committed = change.commit(); !committed) return std::unexpected(std::move(committed.error()));
    return true;
  });
  return done ? Result<>() : std::unexpected(done.error());
}

Result<> BlobStage::add(Bytes piece) {
  if (!is_begun()) {
    if (auto done = begin(); !done) return done;
  }
  return pieces_.add(*table_, std::move(piece), plan());
}

PiecesUnderWay::Plan BlobStage::plan() const {
  return [this](OpenTable& open, Change& change, const PiecesUnderWay::Piece& piece) -> Result<> {
    const auto heap = heap_of(open, column_);
    if (!heap) return std::unexpected(heap.error());
    change.join(open);
    return (*heap)->append_to_stage(owner_, piece.offset, piece.bytes);
  };
}

Result<> BlobStage::settle() { return pieces_.settle(*table_, plan()); }

Result<HeapValue> BlobStage::take(Heap& heap, std::span<const std::uint8_t> rest) const {
  if (!rest.empty()) {
    if (auto added = heap.append_to_stage(owner_, size(), rest); !added)
      return std::unexpected(std::move(added.error()));
  }
  const auto whole = heap.take_stage(owner_);
  if (!whole) return std::unexpected(whole.error());
  if (*whole && (*whole)->size == size() + rest.size()) return **whole;
  return std::unexpected(Failure{Status::not_found, "The value that was being put has been brought back."});
}

void BlobStage::taken() {
  if (is_begun()) delete_owner();
}

/// What has been put is erased, as well as that can be; whatever is left the next one erases.
void BlobStage::give_up() {
  if (!is_begun()) return;
  pieces_.wait_and_drop(*table_);
  static_cast<void>(table_->retry<bool>([&](OpenTable& open) -> Result<bool> {
    const auto heap = heap_of(open, column_);
    if (!heap) return std::unexpected(heap.error());
    Change change(table_->link(), table_->options().explained);
    change.join(open);
    if (auto erased = erase_stage(**heap, owner_); !erased) return std::unexpected(std::move(erased.error()));
    if (auto committed = change.commit(); !committed) return std::unexpected(std::move(committed.error()));
    return true;
  }));
  delete_owner();
}

void BlobStage::delete_owner() {
  // By force, since somebody may be asking just now whether it is still open.
  Script script(table_->options().explained);
  Answers answers;
  script.note([] { return std::string("nothing is being put any more"); });
  script.add(Program().delete_device_by_force(owner_));
  static_cast<void>(table_->link().run(script, answers));
  table_->link().owners.erase(owner_);
  owner_ = {};
}

}  // namespace chimera::tables
