#include "devices/pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>

#include "devices/reference_counts.h"

namespace chimera::devices {
namespace {

/// So many graves, and whoever would dig another one waits.
constexpr std::size_t most_graves = 8192;
/// Freed blocks that a checkpoint is not waited for with. Until they have come back what is written goes into the gaps
/// that are left, the smaller the fewer those are, and each is a request of its own. So no more than one block of so
/// many that are free, unless that is not worth a checkpoint.
constexpr std::size_t most_pending = 1u << 20;
constexpr std::uint64_t most_pending_share = 8;
constexpr std::size_t least_pending = 2048;
/// A checkpoint has the bitmaps of all groups with freed blocks in memory: 8 KiB each.
constexpr std::size_t most_pending_groups = 1024;
/// So many pages of the manifest, and a checkpoint writes them before they use up what is kept back for them.
constexpr std::size_t most_changed_pages = 100;

}  // namespace

Pool::Pool(io::Loop& loop, io::Disk& disk, std::uint64_t cache_bytes)
    : loop_(loop),
      disk_(disk),
      blocks_(disk, cache_bytes),
      checkpoint_(disk, blocks_, manifest_, *this),
      journal_(disk, blocks_.cache(), devices_),
      discards_(disk, blocks_) {
  journal_.writer().progressed = [this] {
    if (!blocks_.contradictory()) journal_.work();
    checkpoint_.go_on();
    wake_record_waiters();
    blocks_.note_written_out();
  };
  journal_.writer().failed = [this](int error) { checkpoint_.fail(error); };
  blocks_.want_checkpoint = [this] { checkpoint_.want(); };
  blocks_.can_write = [this] { return may_change(); };
  blocks_.can_clean = [this] { return may_change() && !checkpoint_.refused(); };
  blocks_.checkpoint_needs = [this] { return manifest_.most_blocks_needed(); };
  blocks_.is_freeing = [this] {
    return std::any_of(graves_.begin(), graves_.end(), [](const auto& grave) { return !grave.second.held; });
  };
}

Pool::~Pool() {
  blocks_.release_waiter(reaper_);
  wait_for_io();
}

void PoolEnder::operator()(Pool* pool) const noexcept {
  if (pool->is_broken_off_) return;
  try {
    pool->wait_for_io();
  } catch (...) {
    return;  // and this breaks it off
  }
  delete pool;
}

void Pool::wait_for_io() {
  while (io_pending()) loop_.step(io::Loop::forever);
}

std::string Pool::make(const Superblock& blank) {
  if (disk_.block_count() > most_store_blocks) return "the disk is larger than a store can be";
  checkpoint_.open(blank, 1);
  blocks_.space().make(disk_.block_count());
  if (blank.journal_blocks > 0) {
    blocks_.space().claim_run(blank.journal_first_block, blank.journal_blocks);
    journal_.open(blank.journal_first_block, blank.journal_blocks, blank.journal);
  }
  return {};
}

void Pool::published() {
  if (!frozen_amid_replay_) journal_.published();
  wake_record_waiters();
}

void Pool::stop_journal() {
  journal_.writer().stop();
  wake_record_waiters();
}

/// Those who wait for records have a list of their own: who waits for space must not be told of every record.
void Pool::wake_record_waiters() {
  for (Waiter* waiter : std::exchange(record_waiters_, {})) waiter->wake();
}

void Pool::settle() {
  for (auto& [number, device] : devices_) {
    for (Tree& tree : device->trees_) tree.settle();
  }
  for (auto& [number, grave] : graves_) grave.tree.settle();
  blocks_.references().settle();
}

bool Pool::settle_some(std::size_t budget) {
  if (!std::exchange(is_settling_, true)) {
    for (auto& [number, device] : devices_) {
      const auto is_unsettled = [](const Tree& tree) { return tree.root().slot.unsettled(); };
      if (std::ranges::any_of(device->trees_, is_unsettled)) unsettled_.push_back(number);
    }
  }
  for (; !unsettled_.empty(); unsettled_.pop_back()) {
    const auto device = devices_.find(unsettled_.back());
    if (device == devices_.end()) continue;
    for (Tree& tree : device->second->trees_) {
      if (!tree.settle_some(budget)) return false;
    }
  }
  for (auto& [number, grave] : graves_) {
    if (!grave.tree.settle_some(budget)) return false;
  }
  if (!blocks_.references().settle_some(budget)) return false;
  is_settling_ = false;
  return true;
}

void Pool::fill(std::uint32_t number, DeviceRecord& record) {
  if (const auto device = devices_.find(number); device != devices_.end()) {
    device->second->fill(record);
    return;
  }
  const auto& [tree, held, hold] = graves_.at(number);
  record.flags = DeviceRecord::in_use | DeviceRecord::dying;
  record.length = hold;
  record.share_generation = tree.share_generation();
  record.roots[0] = tree.root().slot;
  record.heights[0] = tree.root().height;
}

Outcome Pool::admit(Waiter& waiter, std::uint64_t record_bytes) {
  if (replaying_ || waiter.stage == Waiter::Stage::performing) return Outcome::ready();
  if (const Outcome health = check_health(waiter); !health.is_ready()) return health;
  if (journal_.has_room(record_bytes)) return Outcome::ready();
  journal_.work();
  if (journal_.has_room(record_bytes)) return Outcome::ready();
  if (checkpoint_.refused()) {
    waiter.message = "the journal is full, and no checkpoint could be made that would empty it";
    return Outcome::fail(Status::io_error);
  }
  checkpoint_.want();
  blocks_.wait_for_event(waiter);
  return Outcome::wait();
}

Outcome Pool::check_health(Waiter& waiter) const {
  if (read_only_) {
    waiter.message = "the store was opened for reading only";
    return Outcome::fail(Status::read_only);
  }
  if (blocks_.contradictory()) {
    waiter.message = "the maps of this store contradict each other; it takes no more writes: run `chimera check`";
    return Outcome::fail(Status::corrupt);
  }
  if (!failed()) return Outcome::ready();
  waiter.message = failure();
  return Outcome::fail(Status::io_error);
}

std::string Pool::failure() const {
  if (!failed()) return {};
  if (blocks_.contradictory()) return "the maps of this store contradict each other";
  const int error = checkpoint_.error();
  const bool is_full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  return fmt::format("{} ({}); the store takes no more writes until it is opened again{}",
                     is_full ? "there is no room for the store's file" : "the disk has failed", std::strerror(error),
                     is_full ? " with room for it" : "");
}

/// Of those that are held nothing can be freed before whoever holds them lets go.
bool Pool::too_many_open_graves() const {
  const auto held = std::count_if(graves_.begin(), graves_.end(), [](const auto& grave) { return grave.second.held; });
  return graves_.size() - static_cast<std::size_t>(held) > most_graves;
}

/// While too many graves are open, nobody digs another one.
Outcome Pool::wait_for_graves(Waiter& waiter) {
  const bool performing = waiter.stage == Waiter::Stage::performing;
  if (graves_.size() <= most_graves || !too_many_open_graves() || performing || (read_only_ && replaying_))
    return Outcome::ready();
  blocks_.wait_for_event(waiter);
  return Outcome::wait();
}

/// What a tree holds is to be freed in the background. The caller's tree must not be used any more.
std::uint32_t Pool::bury(const Tree& tree) {
  // A replay that only reads has nobody who would ever free it.
  if (read_only_ && replaying_) return 0;
  return dig({tree});
}

std::uint32_t Pool::dig(const Grave& grave) {
  const std::uint32_t number = manifest_.add();
  graves_.emplace(number, grave);
  return number;
}

Outcome Pool::create(Waiter& waiter, const Uuid& uuid, std::string_view name, std::span<const std::uint8_t> columns,
                     const CreateOptions& options, std::unique_ptr<PoolDevice>& made) {
  if (const Outcome admitted = admit(waiter); !admitted.is_ready()) return admitted;
  auto device = std::make_unique<PoolDevice>(*this, uuid, std::string(name));
  if (!columns.empty()) {
    if (const Outcome room = device->prepare(waiter, Plane::columns, 0, columns.size()); !room.is_ready()) return room;
  } else {
    const Needs needs{.blocks = Manifest::most_blocks_for(1)};
    const Outcome room = blocks_.provide(waiter, needs, BlockStore::Purpose::user);
    if (!room.is_ready()) return room;
  }
  device->number_ = manifest_.add();
  devices_[device->number_] = device.get();
  device->fixed_length_ = options.fixed_length;
  device->length_ = options.fixed_length ? options.length : 0;
  device->path_ = options.path;
  device->family_ = uuid;
  journal_.created(*device);
  if (!columns.empty()) {
    device->write(Plane::columns, 0, columns);
    device->set_columns_length(columns.size());
  }
  made = std::move(device);
  return Outcome::ready();
}

Outcome Pool::remove(Waiter& waiter, PoolDevice& device) {
  if (const Outcome admitted = admit(waiter); !admitted.is_ready()) return admitted;
  if (const Outcome room = wait_for_graves(waiter); !room.is_ready()) return room;
  const Needs needs{.blocks = Manifest::most_blocks_for(device.trees_.size())};
  const Outcome room = blocks_.provide(waiter, needs, BlockStore::Purpose::freeing);
  if (!room.is_ready() || waiter.stage == Waiter::Stage::rehearsing) return room;
  for (const Tree& tree : device.trees_) {
    if (!tree.empty()) bury(tree);
  }
  journal_.removed(device);
  devices_.erase(device.number_);
  manifest_.remove(device.number_);
  return Outcome::ready();
}

Outcome Pool::sync(Waiter& waiter) { return wait_until_durable(waiter, journal_.ticket()); }
Outcome Pool::checkpoint(Waiter& waiter) { return wait_until_durable(waiter, 0); }

/// Waits for this record to be durable (0: for none), or for a checkpoint that makes it superfluous.
Outcome Pool::wait_until_durable(Waiter& waiter, std::uint64_t record) {
  class Ticket final : public Progress {
   public:
    Ticket(std::uint64_t sequence, std::uint64_t number, std::uint64_t refused)
        : record(sequence), generation(number), refusals(refused) {}
    std::uint64_t record;
    std::uint64_t generation;
    std::uint64_t refusals;  ///< of checkpoints, before it was taken
  };
  if (read_only_) return Outcome::ready();
  if (waiter.progress == nullptr) {
    if (record != 0) journal_.asked();
    waiter.progress = std::make_unique<Ticket>(record, checkpoint_.ticket(), checkpoint_.refusals());
  }
  const auto& ticket = static_cast<const Ticket&>(*waiter.progress);
  const bool recorded = ticket.record != 0 && ticket.record <= journal_.durable();
  if ((recorded || ticket.generation <= checkpoint_.published()) && !blocks_.contradictory()) return Outcome::ready();
  if (const Outcome health = check_health(waiter); !health.is_ready()) return health;
  if (ticket.record != 0 && !journal_.broken()) {
    journal_.want(ticket.record);
    if (std::ranges::find(record_waiters_, &waiter) == record_waiters_.end()) record_waiters_.push_back(&waiter);
    return Outcome::wait();
  }
  if (ticket.refusals != checkpoint_.refusals()) {
    waiter.message = "there is no space for a checkpoint, or the map of free space could not be read";
    return Outcome::fail(Status::io_error);
  }
  checkpoint_.want();
  blocks_.wait_for_event(waiter);
  return Outcome::wait();
}

void Pool::release(Waiter& waiter) {
  blocks_.release_waiter(waiter);
  std::erase(record_waiters_, &waiter);
}

bool Pool::much_has_changed() const {
  const SpaceMap& space = blocks_.space();
  const auto enough_pending =
      std::clamp<std::uint64_t>(space.available() / most_pending_share, least_pending, most_pending);
  return space.pending_count() > enough_pending || space.pending_groups() > most_pending_groups ||
         manifest_.blocks_needed() > most_changed_pages;
}

bool Pool::work() {
  bool more = reap_some();
  blocks_.look_for_space();
  // Counts that have all come back to zero leave a tree of zeros behind.
  ReferenceCounts& references = blocks_.references();
  if (references.total() == 0 && !references.root().slot.empty() && may_change()) {
    bury(Tree(blocks_, references.root(), 0));
    references.open({}, 0);
    more = true;
  }
  // One that could not be made is tried again when somebody asks for it.
  if (much_has_changed() && !checkpoint_.refused()) checkpoint_.want();
  if (!may_change()) return more;
  if (!replaying_ && !blocks_.contradictory()) {
    if (journal_.wants_checkpoint() && !checkpoint_.refused()) checkpoint_.want();
    more = journal_.work() || more;
  }
  more = checkpoint_.work() || more;
  return give_back() || more;
}

bool Pool::at_rest() const {
  if (!may_change()) return !io_pending();
  return !io_pending() && !checkpoint_.wanted() && checkpoint_.ticket() <= checkpoint_.published() &&
         std::all_of(graves_.begin(), graves_.end(), [](const auto& grave) { return grave.second.held; });
}

bool Pool::io_pending() const {
  return !checkpoint_.at_rest() || !journal_.at_rest() || discards_.under_way() || blocks_.cache().any_loading() ||
         blocks_.space().any_loading();
}

StoreFigures Pool::figures(std::size_t device_count) const {
  const SpaceMap& space = blocks_.space();
  const BlockCache& cache = blocks_.cache();
  const std::uint64_t kept_back = std::min(blocks_.kept_back(), space.free_count());
  StoreFigures figures;
  figures.size = space.block_count() * block_size;
  figures.used = (space.block_count() - space.free_count()) * block_size;
  figures.free = (space.free_count() - kept_back) * block_size;
  figures.devices = device_count;
  figures.on_disk = {.uuid = checkpoint_.superblock().store,
                     .kept_back = kept_back * block_size,
                     .being_freed = graves_.size(),
                     .failure = failure(),
                     .cache = {.size = cache.frame_count() * block_size,
                               .dirty = (cache.dirty_count() + cache.frozen_count()) * block_size,
                               .misses = cache.misses()},
                     .journal = std::nullopt,
                     .given_back = discards_.blocks_given_back() * block_size,
                     .generation = checkpoint_.published(),
                     .checkpoints = checkpoint_.count()};
  if (const JournalWriter& writer = journal_.writer(); writer.exists()) {
    figures.on_disk->journal = {.size = writer.block_count() * block_size,
                                .used = writer.used_blocks() * block_size,
                                .last = writer.last(),
                                .durable = std::max(writer.durable(), checkpoint_.superblock().journal.sequence - 1)};
  }
  return figures;
}

void Pool::each_tree(const std::function<void(const std::string&, Tree&)>& visit) {
  static constexpr const char* planes[] = {"data", "metadata", "columns"};
  for (auto& [number, device] : devices_) {
    for (std::size_t plane = 0; plane < 3; ++plane) {
      visit(fmt::format("{} of \"{}\"", planes[plane], device->name()), device->trees_[plane]);
    }
  }
  for (auto& [number, grave] : graves_) visit(fmt::format("deleted device {}", number), grave.tree);
  Tree counts(blocks_, blocks_.references().root(), 0);
  visit("the reference counts", counts);
}

}  // namespace chimera::devices
