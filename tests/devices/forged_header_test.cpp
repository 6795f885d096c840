// Headers of records, and superblocks, that say of the journal what cannot be, with right checksums.

#include <doctest/doctest.h>

#include <functional>
#include <string>

#include "tests/devices/forged_store.h"

namespace chimera::devices::testing {
namespace {

TEST_CASE("a header that does not continue the ring, or says more than there can be, is no record") {
  const io::DiskImage good = good_store();
  const Bytes write = bytes_of(Program().write_byte(table, 0, 1));
  const std::function<void(JournalHeader&, const Superblock&)> changes[] = {
      [](JournalHeader& header, const Superblock&) { ++header.chain; },
      [](JournalHeader& header, const Superblock&) { --header.sequence; },
      [](JournalHeader& header, const Superblock& at) { header.length = (at.journal_blocks - 1) * block_size + 1; },
      [](JournalHeader& header, const Superblock&) { header.length = ~std::uint64_t{0}; },
      [](JournalHeader& header, const Superblock&) { ++header.content; },
  };
  for (const auto& change : changes) {
    ForgedJournal forged(good);
    JournalHeader header = journal_header(forged.next, 0, forged.place_of(forged.next.block), write);
    change(header, forged.superblock);
    header.checksum = header_checksum(header, forged.place_of(forged.next.block));
    forged.put(header, write);
    check_first_content(forged.image());
  }
  // Two records that are longer than the ring.
  ForgedJournal forged(good);
  forged.add(write);
  JournalHeader header = journal_header(forged.next, 0, forged.place_of(forged.next.block), write);
  header.length = (forged.superblock.journal_blocks - 1) * block_size;
  header.checksum = header_checksum(header, forged.place_of(forged.next.block));
  forged.put(header, write);
  CHECK_EQ(records_of(forged.image()).size(), 1);
}

TEST_CASE("a superblock that has more done of a record than there is is damaged, and a salvage goes on") {
  ForgedJournal forged(good_store());
  forged.add_durable(bytes_of(Program().write_byte(other, 0, 1)));
  forged.superblock.flags = Superblock::amid_replay;
  forged.superblock.journal_done = 1000;
  forged.publish();
  CHECK_EQ(Recovered(forged.image(), false).error, "the superblock of this store is damaged");
  io::SimulatedLoop loop(1);
  io::SimulatedDisk disk(loop, forged.image());
  const auto salvaged = vm::open_store(loop, disk, {.cache_bytes = limits::smallest_cache, .salvage = true});
  CHECK_EQ(error_of(salvaged), "");
}

TEST_CASE("a journal where none can be is a damaged superblock; a salvage goes on without it") {
  const io::DiskImage good = good_store();
  const std::function<void(Superblock&)> changes[] = {
      [](Superblock& s) { s.journal_blocks = 0; },
      [](Superblock& s) { s.journal_blocks = s.journal_first_block = 0, s.flags = 1; },
      [](Superblock& s) { s.journal_first_block = 2; },
      [](Superblock& s) { s.journal_first_block = s.block_count; },
      [](Superblock& s) { s.journal_blocks = s.block_count; },
      [](Superblock& s) { s.journal_blocks = 1; },
      [](Superblock& s) { s.journal.sequence = 0; },
      [](Superblock& s) { s.flags = 2; },
  };
  for (const auto& change : changes) {
    ForgedJournal forged(good);
    change(forged.superblock);
    forged.publish();
    CHECK_EQ(Recovered(forged.image(), false).error, "the superblock of this store is damaged");
    io::SimulatedLoop loop(1);
    io::SimulatedDisk disk(loop, forged.image());
    REQUIRE(salvage_disk(loop, disk).has_value());
    check_first_content(disk.content());
  }
}

}  // namespace
}  // namespace chimera::devices::testing
