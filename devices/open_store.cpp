#include "devices/open.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/uuid/random_generator.hpp>
#include <cstring>
#include <optional>

#include "devices/crc32c.h"
#include "devices/io_buffer.h"
#include "devices/journal_scan.h"
#include "devices/pool.h"
#include "devices/read_now.h"
#include "devices/safeguards.h"
#include "devices/salvage.h"

namespace chimera::devices {
namespace {

struct Found {
  Contents contents = Contents::blank;
  std::optional<Superblock> superblock;  ///< the newest good one
  unsigned place = 0;
  bool one_is_damaged = false;
};

Contents judge(const Superblock& superblock, const Block& bytes) {
  if (superblock.magic != Superblock::right_magic) {
    const bool blank = std::all_of(bytes.begin(), bytes.end(), [](std::byte byte) { return byte == std::byte{0}; });
    return blank ? Contents::blank : Contents::other;
  }
  if (safeguards::superblocks_are_verified &&
      superblock.checksum != crc32c(0, &superblock, offsetof(Superblock, checksum)))
    return Contents::damaged_store;
  const auto& version = superblock.version;
  const auto& known = Superblock::current_version;
  if (version[0] != known[0] || version[1] > known[1]) return Contents::newer_store;
  return Contents::store;
}

std::expected<Found, std::string> look(io::Loop& loop, io::Disk& disk) {
  Found found;
  const BlockBuffer buffer = make_block_buffer();
  std::array<Contents, 2> contents{Contents::blank, Contents::blank};
  for (unsigned place = 0; place < 2; ++place) {
    if (superblock_places[place] >= disk.block_count()) continue;
    if (!read_now(loop, disk, superblock_places[place], *buffer)) return std::unexpected("the disk could not be read");
    const auto& superblock = *reinterpret_cast<const Superblock*>(buffer.get());
    contents[place] = judge(superblock, *buffer);
    if (contents[place] != Contents::store) continue;
    if (found.superblock && found.superblock->generation > superblock.generation) continue;
    found.superblock = superblock;
    found.place = place;
  }
  const auto either = [&](Contents what) { return contents[0] == what || contents[1] == what; };
  if (either(Contents::newer_store)) {
    found.contents = Contents::newer_store;
  } else if (found.superblock) {
    found.contents = Contents::store;
    found.one_is_damaged = contents[0] != contents[1];
  } else if (either(Contents::damaged_store)) {
    found.contents = Contents::damaged_store;
  } else {
    found.contents = contents[0];
  }
  // A disk may begin with zeros and hold something all the same: file systems and partition tables leave room.
  for (std::uint64_t block = 1;
       found.contents == Contents::blank && block < std::min<std::uint64_t>(64, disk.block_count()); ++block) {
    if (!read_now(loop, disk, block, *buffer)) return std::unexpected("the disk could not be read");
    const bool zeros = std::all_of(buffer->begin(), buffer->end(), [](std::byte byte) { return byte == std::byte{0}; });
    if (!zeros && block != superblock_places[1]) found.contents = Contents::other;
  }
  return found;
}

}  // namespace

std::expected<void, std::string> settle_store(io::Loop& loop, Pool& pool) {
  class Nobody final : public Waiter {
   public:
    void wake() override {}
  } waiter;
  while (true) {
    const Outcome outcome = pool.checkpoint(waiter);
    if (!outcome.waits()) {
      waiter.progress.reset();
      pool.release(waiter);
      if (!outcome.is_ready()) return std::unexpected(waiter.message);
      if (pool.at_rest()) return {};
    }
    while (pool.work()) {
    }
    loop.step(pool.io_pending() ? io::Loop::forever : 0);
  }
}

std::expected<Contents, std::string> identify(io::Loop& loop, io::Disk& disk) {
  auto found = look(loop, disk);
  if (!found) return std::unexpected(found.error());
  return found->contents;
}

namespace {

/// Where the journal of a new store is to be: behind what is fixed in the first group.
std::expected<void, std::string> place_journal(Superblock& blank, std::uint64_t disk_blocks,
                                               const FormatOptions& options) {
  const std::uint64_t store_bytes = disk_blocks * block_size;
  const std::uint64_t most = std::min(limits::largest_journal, store_bytes / 4);
  const std::uint64_t usual = std::clamp<std::uint64_t>(store_bytes / 16, limits::smallest_journal, 64u << 20);
  const std::uint64_t bytes = options.journal_bytes.value_or(usual) / block_size * block_size;
  if (bytes == 0) return {};
  if (bytes < limits::smallest_journal || bytes > most) {
    return std::unexpected(fmt::format("a journal has {} to {} MiB in a store of {} MiB, or there is none",
                                       limits::smallest_journal >> 20, most >> 20, store_bytes >> 20));
  }
  blank.journal_first_block = SpaceMap::fixed_blocks(0);
  blank.journal_blocks = bytes / block_size;
  blank.journal.sequence = 1;
  // Nobody can guess it, so nothing that a user writes is ever taken for a record.
  const Uuid random = boost::uuids::random_generator()();
  blank.journal.epoch = crc32c(0, random.data, sizeof random.data);
  return {};
}

}  // namespace

namespace {

std::expected<void, std::string> make_empty(io::Loop& loop, Pool& pool, const Superblock& blank) {
  if (const std::string error = pool.make(blank); !error.empty()) return std::unexpected(error);
  // Twice, so that both places hold a superblock from the first day.
  for (int n = 0; n < 2; ++n) {
    pool.blocks().space().touch();
    if (const auto settled = settle_store(loop, pool); !settled) return settled;
  }
  return {};
}

}  // namespace

std::expected<void, std::string> format(io::Loop& loop, io::Disk& disk, const FormatOptions& options) {
  if (disk.block_count() < smallest_store_blocks) {
    return std::unexpected(fmt::format("a store needs at least {} MiB, and there are {} KiB",
                                       smallest_store_blocks * block_size >> 20,
                                       disk.block_count() * block_size >> 10));
  }
  const BlockBuffer zeros = make_block_buffer();
  for (const std::uint64_t place : superblock_places) {
    if (!write_now(loop, disk, place, zeros.get())) return std::unexpected("the disk could not be written");
  }
  Superblock blank{};
  blank.magic = Superblock::right_magic;
  blank.version = Superblock::version_without_files;
  blank.store = boost::uuids::random_generator()();
  blank.options = options.keeps_space ? Superblock::keeps_space : 0;
  if (const auto placed = place_journal(blank, disk.block_count(), options); !placed) return placed;
  const OwnedPool pool(new Pool(loop, disk, limits::smallest_cache));
  return pool->amid_operation([&] { return make_empty(loop, *pool, blank); });
}

namespace {

std::expected<std::unique_ptr<Store>, std::string> open_pool(OwnedPool& pool, const Found& found,
                                                             const OpenOptions& options) {
  const Superblock& superblock = *found.superblock;
  if (options.read_only) pool->set_read_only();
  if (options.without_journal) pool->leave_journal();
  if (options.salvage) pool->set_salvaging();
  if (const std::string error = pool->open(superblock, found.place); !error.empty()) return std::unexpected(error);
  if (pool->may_change() && (superblock.options & Superblock::keeps_space) == 0)
    pool->enable_discards(options.discards);
  // The damaged place is the next one's: from then on there are two again. Behind a replay there is a checkpoint
  // anyway, and in its middle only between two instructions.
  const bool wants_two = found.one_is_damaged || options.salvage;
  if (wants_two && pool->may_change() && !pool->replaying()) pool->want_checkpoint();
  return std::make_unique<Store>(std::move(pool), MemoryOptions{.most_bytes = options.most_memory_bytes, .make = {}},
                                 options.folder);
}

}  // namespace

std::expected<std::unique_ptr<Store>, std::string> open_store(io::Loop& loop, io::Disk& disk,
                                                              const OpenOptions& options) {
  if (options.salvage) {
    if (const auto salvaged = salvage_maps(loop, disk); !salvaged) return std::unexpected(salvaged.error());
  }
  const auto found = look(loop, disk);
  if (!found) return std::unexpected(found.error());
  switch (found->contents) {
    case Contents::blank:
      if (disk.block_count() == 0) return std::unexpected("this is no Chimera store: it has less than a block");
      return std::unexpected("there is no store here yet, it is blank; make one with `chimera format`");
    case Contents::other: return std::unexpected("this is not a Chimera store");
    case Contents::damaged_store: return std::unexpected("both superblocks of this store are damaged");
    case Contents::newer_store: return std::unexpected("this store was written by a newer version of Chimera; upgrade");
    case Contents::store: break;
  }
  const Superblock& superblock = *found->superblock;
  if (superblock.block_count > disk.block_count()) {
    return std::unexpected(fmt::format("the store has {} blocks, but its disk only {}: it was cut short",
                                       superblock.block_count, disk.block_count()));
  }
  if (options.cache_bytes < limits::smallest_cache && !options.any_cache) {
    return std::unexpected(fmt::format("the cache must have at least {} MiB", limits::smallest_cache >> 20));
  }
  OwnedPool pool(new Pool(loop, disk, options.cache_bytes));
  return pool->amid_operation([&] { return open_pool(pool, *found, options); });
}

std::expected<std::uint64_t, std::string> trim(io::Loop& loop, Store& store) {
  Pool* const pool = store.pool();
  if (pool == nullptr) return std::unexpected("a store in memory has no free space to give back");
  if (!pool->may_change()) return std::unexpected("the store was opened for reading only");
  if (const auto settled = settle_store(loop, *pool); !settled) return std::unexpected(settled.error());
  pool->enable_discards({.least_blocks = 1});
  const std::uint64_t before = pool->discards().blocks_given_back();
  pool->discard_all_free();
  while (pool->is_giving_back()) {
    while (pool->work()) {
    }
    if (!pool->io_pending()) break;
    loop.step(io::Loop::forever);
  }
  if (const int error = pool->discards().refusal(); error != 0) {
    return std::unexpected(fmt::format("free space cannot be given back here: {}", std::strerror(error)));
  }
  if (const auto settled = settle_store(loop, *pool); !settled) return std::unexpected(settled.error());
  return (pool->discards().blocks_given_back() - before) * block_size;
}

std::expected<WaitingJournal, std::string> read_journal(io::Loop& loop, Store& store) {
  WaitingJournal journal;
  Pool* const pool = store.pool();
  if (pool == nullptr) return journal;
  const Superblock& superblock = pool->checkpoint().superblock();
  journal.size = superblock.journal_blocks * block_size;
  journal.generation = superblock.generation;
  if (journal.size == 0) return journal;
  auto log = scan_journal(loop, pool->disk(), superblock);
  if (!log) return std::unexpected(log.error());
  for (JournalRecord& record : log->records) {
    const std::uint64_t block = superblock.journal_first_block + record.position.block % superblock.journal_blocks;
    journal.records.push_back({.sequence = record.position.sequence,
                               .offset = block * block_size,
                               .size = record.blocks * block_size,
                               .instructions = std::move(record.instructions)});
  }
  return journal;
}

std::expected<void, std::string> grow(io::Loop& loop, Store& store) {
  Pool* const pool = store.pool();
  if (pool == nullptr) return std::unexpected("a store in memory does not grow");
  if (pool->read_only()) return std::unexpected("the store was opened for reading only");
  if (pool->disk().block_count() > most_store_blocks) return std::unexpected("the disk is larger than a store can be");
  SpaceMap& space = pool->blocks().space();
  const std::uint64_t since = space.failures();
  while (true) {
    const SpaceMap::Reserved ready = space.prepare_grow(since);
    if (ready == SpaceMap::Reserved::failed) return std::unexpected("the map of free space could not be read");
    if (ready == SpaceMap::Reserved::ready) break;
    loop.step(io::Loop::forever);
  }
  if (pool->disk().block_count() < space.block_count()) return std::unexpected("the disk has become smaller");
  if (pool->disk().block_count() > space.block_count()) space.grow(pool->disk().block_count());
  return settle_store(loop, *pool);
}

}  // namespace chimera::devices
