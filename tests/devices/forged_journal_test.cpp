// Records whose checksums are right, and which no machine has written.

#include "tests/devices/forged_store.h"

#include <doctest/doctest.h>

#include <array>
#include <boost/uuid/uuid_io.hpp>

#include <expected>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tests/devices/planted.h"
#include "vm/salvage.h"

namespace chimera::devices::testing {
namespace {

constexpr std::uint8_t data_plane = 0;

/// With one of the flags that are zeros on the disk.
Slot flagged_slot(std::uint64_t address) {
  Slot slot(address, 1, 0);
  std::uint64_t words[2];
  std::memcpy(words, &slot, sizeof words);
  words[0] |= std::uint64_t{1} << 41;
  std::memcpy(&slot, words, sizeof words);
  return slot;
}

Bytes placing(const Slot& slot) {
  return Operands().put(table).put(data_plane).put(JournalEntry{0, slot}).of(JournalOpcode::place_blocks);
}

Bytes copying(std::uint64_t offset, std::uint64_t number, std::uint64_t from_offset, std::uint64_t count) {
  return Operands().put(table).put(offset).put(number).put(from_offset).put(count).of(JournalOpcode::copy_held);
}

Bytes cut_short() {
  Bytes bytes = bytes_of(Program().write_bytes(table, 0, pattern(1, 100)));
  bytes.resize(50);
  return bytes;
}

Bytes followed_by(Bytes bytes, const Bytes& more) {
  bytes.insert(bytes.end(), more.begin(), more.end());
  return bytes;
}

/// A device that is not on the disk, and then an instruction that only those on the disk have.
Bytes in_memory(const Bytes& instruction) {
  return followed_by(bytes_of(Program().create_device("m", {}, "kind=memory", unknown)), instruction);
}

Bytes twice_rolled_back() {
  return followed_by(Operands().put(table).put(unknown).put(std::uint16_t{1}).text("c").of(JournalOpcode::clone_as),
                     Operands().put(table).put(unknown).put(table).put(unknown).of(JournalOpcode::roll_back_all));
}

struct Forgery {
  const char* what;
  Bytes record;
  const char* reason;
};

constexpr const char* no_operands = "operands that cannot be";
constexpr const char* no_device = "device that is not there";

std::vector<Forgery> forgeries() {
  using enum JournalOpcode;
  const auto of_table = [] { return Operands().put(table); };
  constexpr std::uint64_t much = limits::largest_transfer;
  return {
      {"no device to place blocks in", Operands().of(place_blocks), no_device},
      {"half of one", Operands().put(std::uint64_t{1}).of(place_blocks), no_device},
      {"one that is not there", Operands().put(unknown).put(data_plane).of(place_blocks), no_device},
      {"one in memory", in_memory(Operands().put(unknown).put(std::uint64_t{1}).put(std::uint64_t{1}).of(set_lengths)),
       no_device},
      {"no plane", of_table().of(place_blocks), no_operands},
      {"a plane that there is not", of_table().put(std::uint8_t{3}).of(place_blocks), no_operands},
      {"half an entry", of_table().put(data_plane).put(std::uint64_t{0}).of(place_blocks), no_operands},
      {"a hole", placing(Slot()), no_operands},
      {"a slot with a flag", placing(flagged_slot(3000)), no_operands},
      {"a slot that was never born", placing(Slot(3000, 0, 1)), no_operands},
      {"no clone", of_table().of(clone_as), no_operands},
      {"a clone without a name", of_table().put(unknown).of(clone_as), no_operands},
      {"a name that is cut off", of_table().put(unknown).put(std::uint16_t{9}).text("short").of(clone_as), no_operands},
      {"a clone with an empty name", of_table().put(unknown).put(std::uint16_t{0}).of(clone_as), no_operands},
      {"a name that is too long",
       of_table().put(unknown).put(std::uint16_t{300}).text(std::string(300, 'n')).of(clone_as), no_operands},
      {"a name that is no text", of_table().put(unknown).put(std::uint16_t{1}).text("\x80").of(clone_as), no_operands},
      {"a name that is taken", of_table().put(unknown).put(std::uint16_t{5}).text("other").of(clone_as), "other"},
      {"a UUID that is taken", of_table().put(other).put(std::uint16_t{3}).text("new").of(clone_as), "already"},
      {"columns of no offset", of_table().of(write_columns), no_operands},
      {"columns that are too far away", of_table().put(much).put(std::uint8_t{1}).of(write_columns), no_operands},
      {"columns behind all offsets", of_table().put(~std::uint64_t{0}).put(much).of(write_columns), no_operands},
      {"no length", of_table().of(set_lengths), no_operands},
      {"no length of columns", of_table().put(std::uint64_t{1}).of(set_lengths), no_operands},
      {"a length that is too great", of_table().put(limits::greatest_length + 1).put(std::uint64_t{0}).of(set_lengths),
       no_operands},
      {"columns that are too long", of_table().put(std::uint64_t{0}).put(much + 1).of(set_lengths), no_operands},
      {"half a token", Operands().put(std::uint64_t{0}).of(keep_outcome), no_operands},
      {"a token without a sequence", of_table().of(keep_outcome), no_operands},
      {"a token with more than a sequence", of_table().put(std::uint64_t{1}).put(data_plane).of(keep_outcome),
       no_operands},
      {"a sequence of 0", of_table().put(std::uint64_t{0}).of(keep_outcome), no_operands},
      {"half a device", Operands().put(std::uint64_t{1}).of(roll_back_all), no_device},
      {"half a pair of devices", of_table().of(roll_back_all), no_device},
      {"a roll back of what is not there", Operands().put(unknown).put(table).of(roll_back_all), no_device},
      {"a roll back to what is not there", of_table().put(unknown).of(roll_back_all), no_device},
      {"a roll back of one in memory", in_memory(Operands().put(unknown).put(table).of(roll_back_all)), no_device},
      {"two roll backs of one device", twice_rolled_back(), "twice, or to itself"},
      {"a roll back to a stranger", of_table().put(other).of(roll_back_all), "neither a clone nor an origin"},
      {"a roll back to itself", of_table().put(table).of(roll_back_all), "twice, or to itself"},
      {"no number of what is held", of_table().of(hold), no_operands},
      {"more than its number", of_table().put(std::uint64_t{1}).put(data_plane).of(hold), no_operands},
      {"a copy without a count", of_table().put(std::uint64_t{1}).of(copy_held), no_operands},
      {"a copy with more than a count", Operands().put(table).put(std::array<std::uint64_t, 5>{}).of(copy_held),
       no_operands},
      {"a copy of too much", copying(4096, 1, 0, limits::greatest_length), no_operands},
      {"the number 0", of_table().put(std::uint64_t{0}).of(hold), "under this number"},
      {"a copy of what is not held", copying(0, 1, 0, limits::block_size), "nothing is held"},
      {"a copy of nothing", copying(0, 1, 0, 0), no_operands},
      {"a copy of a part of a block", copying(0, 1, 0, 5), no_operands},
      {"a copy to a part of a block", copying(5, 1, 0, limits::block_size), no_operands},
      {"a copy that goes too far", copying(limits::greatest_length, 1, 0, limits::block_size), no_operands},
      {"a copy of what is too far", copying(0, 1, limits::greatest_length, limits::block_size), no_operands},
      {"half a number", Operands().put(std::uint32_t{1}).of(let_go), no_operands},
      {"more than a number", Operands().put(std::uint64_t{1}).put(data_plane).of(let_go), no_operands},
      {"a cut of what is no file", of_table().put(std::uint64_t{1}).of(cut_file), no_operands},
      {"an instruction that is none", of_table().of(static_cast<JournalOpcode>(0x8A)), no_operands},
      {"half an instruction", cut_short(), "no instruction"},
      {"a write to a device that is not there", bytes_of(Program().write_byte(unknown, 0, 1)), "write byte"},
      {"a device that is there", bytes_of(Program().create_device("d")), "create device"},
  };
}

TEST_CASE("a record that cannot be, and was durable, is refused; a salvage leaves out what it says") {
  const io::DiskImage good = good_store();
  for (const Forgery& forgery : forgeries()) {
    CAPTURE(std::string(forgery.what));
    ForgedJournal forged(good);
    forged.add_durable(forgery.record);
    for (const bool read_only : {true, false}) {
      const Recovered refused(forged.image(), read_only);
      CAPTURE(refused.error);
      CHECK_FALSE(refused.store);
      CHECK_NE(refused.error.find(forgery.reason), std::string::npos);
    }
    io::SimulatedLoop loop(1);
    io::SimulatedDisk disk(loop, forged.image());
    // Without losses there is nothing to salvage: who opens it so all the same leaves out what cannot be done.
    auto opened = vm::open_store(loop, disk, {.cache_bytes = limits::smallest_cache, .salvage = true});
    REQUIRE_MESSAGE(opened.has_value(), error_of(opened));
    CHECK_EQ(vm::Machine(loop, std::move(*opened)).sync(), Status::ok);
    REQUIRE(salvage_disk(loop, disk).has_value());
    check_first_content(disk.content());
  }
}

// ── Blocks that records name ─────────────────────────────────────────────────────────────────────────────────────

constexpr std::uint64_t free_block = 3500;

/// A record that gives a device a block of its own, which lies there.
struct Placed {
  ForgedJournal forged;
  std::vector<std::uint8_t> bytes = pattern(7, block_size);
  Slot slot;

  explicit Placed(const io::DiskImage& good) : forged(good) {
    forged.write_block(free_block, std::span(bytes).first<block_size>());
    const std::uint64_t generation = forged.superblock.generation + 1;
    slot = Slot(free_block, generation, block_checksum(free_block, generation, bytes.data()));
  }
};

TEST_CASE("a record that is not durable counts if the blocks that it names are there") {
  const io::DiskImage good = good_store();
  Placed placed(good);
  placed.forged.add(placing(placed.slot));
  {
    PoolRig rig(placed.forged.image());
    rig.run_well(Program().check_bytes(table, 0, placed.bytes));
    CHECK_EQ(first_problem(rig.check()), "");
  }
  const Bytes half = Operands()
                         .put(table)
                         .put(data_plane)
                         .put(JournalEntry{0, placed.slot})
                         .text("half")
                         .of(JournalOpcode::place_blocks);
  Bytes two = placing(moved(placed.slot, free_block + 1));
  const Bytes second = placing(placed.slot);
  two.insert(two.end(), second.begin(), second.end());
  Bytes holes = placing(Slot());
  const Bytes hole = holes;
  holes.insert(holes.end(), hole.begin(), hole.end());
  for (const Bytes& record : {holes, placing(moved(placed.slot, free_block + 1)), placing(moved(placed.slot, beyond)),
                              placing(Slot()), placing(flagged_slot(free_block)), half, two, cut_short()}) {
    ForgedJournal forged(placed.forged);
    forged.next = forged.superblock.journal;
    forged.add(record);
    check_first_content(forged.image());
  }
}

TEST_CASE("a record that says nothing does nothing") {
  const io::DiskImage good = good_store();
  for (const Bytes& record : {Operands().put(table).put(data_plane).of(JournalOpcode::place_blocks),
                              Operands().put(table).put(std::uint64_t{7}).of(JournalOpcode::write_columns), Bytes()}) {
    ForgedJournal forged(good);
    forged.add_durable(record);
    check_first_content(forged.image());
  }
}

/// One block cannot be read; it may be that of a device, or one that a record names.
class BadDisk final : public io::Disk {
 public:
  BadDisk(io::SimulatedDisk& below, std::uint64_t block) : below_(below), block_(block) {}
  [[nodiscard]] std::uint64_t block_count() const noexcept override { return below_.block_count(); }
  [[nodiscard]] int grow(std::uint64_t block_count) override { return below_.grow(block_count); }
  void start(io::DiskRequest& request) override {
    const bool hits = request.first_block <= block_ && block_ < request.first_block + request.buffers.size();
    if (hits && request.kind == io::DiskRequest::Kind::read) below_.inject({request.kind});
    below_.start(request);
  }

 private:
  io::SimulatedDisk& below_;
  std::uint64_t block_;
};

TEST_CASE(
    "a block that a replay needs and that cannot be read: it is refused, and a salvage ends with the journal before") {
  Placed placed(good_store());
  ForgedJournal forged(placed.forged);
  forged.add(placing(placed.slot));
  {
    io::SimulatedLoop loop(1);
    io::SimulatedDisk below(loop, forged.image());
    BadDisk disk(below, free_block);
    const auto opened = vm::open_store(loop, disk, {.cache_bytes = limits::smallest_cache});
    CHECK_NE(error_of(opened).find("names could not be read"), std::string::npos);
    const auto losses = find_losses(loop, disk, [](std::uint64_t, std::uint64_t) {});
    REQUIRE_MESSAGE(losses.has_value(), error_of(losses));
    CHECK_EQ(losses->first_lost_record, forged.superblock.journal.sequence);
    REQUIRE(vm::salvage(loop, disk, *losses, limits::smallest_cache).has_value());
    check_first_content(below.content());
  }
  ForgedJournal durable(placed.forged);
  durable.add(placing(placed.slot));
  durable.add(bytes_of(Program().write_byte(table, 1, 1)), durable.superblock.journal.sequence);
  durable.add({}, durable.superblock.journal.sequence + 1);
  io::SimulatedLoop loop(1);
  io::SimulatedDisk below(loop, durable.image());
  BadDisk disk(below, free_block);
  const auto opened = vm::open_store(loop, disk, {.cache_bytes = limits::smallest_cache});
  CHECK_NE(error_of(opened).find("could not be replayed: write byte"), std::string::npos);
}

TEST_CASE("a durable record that names what cannot be its own is refused, and its like are given up by a salvage") {
  const io::DiskImage good = good_store();
  const Placed placed(good);
  const std::uint64_t used = [&] {
    PoolRig rig(good);
    std::uint64_t address = 0;
    rig.pool().each_tree([&](const std::string& name, Tree& tree) {
      if (name == "data of \"d\"") address = tree.root().slot.address();
    });
    return address;
  }();
  struct Named {
    std::uint64_t address;
    std::uint8_t flags;
  };
  for (const auto& [address, flags] : {Named{used, 0}, {beyond, 0}, {33, 0}, {33, Superblock::amid_replay}}) {
    CAPTURE(address);
    ForgedJournal forged(placed.forged);
    forged.add_durable(placing(moved(placed.slot, address)));
    forged.superblock.flags = flags;
    forged.publish();
    const Recovered refused(forged.image(), false);
    CHECK_NE(refused.error.find("hold something else"), std::string::npos);
    io::SimulatedLoop loop(1);
    io::SimulatedDisk disk(loop, forged.image());
    const auto losses = find_losses(loop, disk, [](std::uint64_t, std::uint64_t) {});
    REQUIRE_MESSAGE(losses.has_value(), error_of(losses));
    CHECK_EQ(losses->first_lost_record, forged.superblock.journal.sequence);
    CHECK_EQ(losses->last_lost_record, losses->first_lost_record + 1);
    CHECK_EQ(losses->lost_records.size(), 2);
    CHECK_EQ(losses->waiting_records, 0);
    const auto salvaged = vm::salvage(loop, disk, *losses, limits::smallest_cache);
    REQUIRE_MESSAGE(salvaged.has_value(), error_of(salvaged));
    check_first_content(disk.content());
  }
}

TEST_CASE("durable records that name a block twice are refused, and given up by a salvage") {
  Placed placed(good_store());
  placed.forged.add(placing(placed.slot));
  placed.forged.add(bytes_of(Program().clear_extents(table, 0, block_size)));
  placed.forged.add_durable(placing(placed.slot));
  const Recovered refused(placed.forged.image(), false);
  CHECK_NE(refused.error.find("hold something else"), std::string::npos);
  io::SimulatedLoop loop(1);
  io::SimulatedDisk disk(loop, placed.forged.image());
  REQUIRE(salvage_disk(loop, disk).has_value());
  check_first_content(disk.content());
}

TEST_CASE("what durable records lack is told before they are replayed: blocks, and devices") {
  using enum JournalOpcode;
  const io::DiskImage good = good_store();
  const Placed placed(good);
  const Slot damaged = moved(placed.slot, free_block + 1);
  const auto place_in = [&](const Uuid& device, std::uint8_t plane) {
    return Operands().put(device).put(plane).put(JournalEntry{0, damaged}).of(place_blocks);
  };
  Bytes cloned = Operands().put(table).put(unknown).put(std::uint16_t{1}).text("c").of(clone_as);
  const Bytes write = bytes_of(Program().write_byte(unknown, 0, 1));
  cloned.insert(cloned.end(), write.begin(), write.end());
  struct Lack {
    Bytes record;
    std::string device;  ///< that loses a block
    bool has_devices;
  };
  const Lack lacks[] = {
      {place_in(table, 0), "d", true},
      {place_in(table, 9), "d", true},
      {place_in(unknown, 0), to_string(unknown), false},
      {write, "", false},
      {bytes_of(Program().copy_bytes(table, 0, other, 0, 10)), "", true},
      {bytes_of(Program().copy_bytes(table, 0, unknown, 0, 10)), "", false},
      {bytes_of(Program().create_device("new", {}, {}, unknown).write_byte(unknown, 0, 1)), "", true},
      {cloned, "", true},
      {Operands().put(table).of(clone_as), "", true},
      {Operands().put(std::uint64_t{1}).of(set_lengths), "", false},
      {Operands().put(table).put(std::uint64_t{1}).of(keep_outcome), "", true},
      {Operands().put(std::uint64_t{1}).of(let_go), "", true},
      {Operands().put(table).put(unknown).of(roll_back_all), "", false},
      {Operands().put(table).put(std::uint64_t{1}).of(roll_back_all), "", false},
      {Operands().put(table).put(table).of(roll_back_all), "", true},
      {cut_short(), "", true},
  };
  for (const Lack& lack : lacks) {
    CAPTURE(&lack - lacks);
    ForgedJournal forged(good);
    forged.add_durable(lack.record);
    io::SimulatedLoop loop(1);
    io::SimulatedDisk disk(loop, forged.image());
    const auto losses = find_losses(loop, disk, [](std::uint64_t, std::uint64_t) {});
    REQUIRE_MESSAGE(losses.has_value(), error_of(losses));
    const bool told = std::ranges::any_of(
        losses->repairs, [](const std::string& line) { return line.find("not there") != std::string::npos; });
    CHECK_EQ(told, !lack.has_devices);
    CHECK_EQ(losses->lost_range_count, lack.device.empty() ? 0 : 1);
    if (!losses->ranges.empty()) CHECK_EQ(losses->ranges.front().device, lack.device);
    const auto salvaged = vm::salvage(loop, disk, *losses, limits::smallest_cache);
    REQUIRE_MESSAGE(salvaged.has_value(), error_of(salvaged));
    if (lack.device.empty()) CHECK(find_losses(loop, disk, [](std::uint64_t, std::uint64_t) {}).has_value());
  }
}

/// Counts that cannot be are counted again, which is no reason to give up what is in the journal.
TEST_CASE("a salvage amid a replay keeps what the records name") {
  Placed placed(good_store());
  placed.forged.add_durable(placing(placed.slot));
  placed.forged.superblock.flags = Superblock::amid_replay;
  placed.forged.superblock.shared_references = 7;
  placed.forged.publish();
  io::SimulatedLoop loop(1);
  io::SimulatedDisk disk(loop, placed.forged.image());
  REQUIRE(salvage_disk(loop, disk).has_value());
  PoolRig rig(disk.content());
  rig.run_well(Program().check_bytes(table, 0, placed.bytes));
  CHECK_EQ(first_problem(rig.check()), "");
}

TEST_CASE("a replay goes on beside a map of free space that is damaged") {
  Placed placed(good_store());
  placed.forged.add_durable(placing(placed.slot));
  const Planted structures(placed.forged.image());
  io::DiskImage image = placed.forged.image();
  image.flip_bit(SpaceMap::home(0, 0, structures.summary[0].home()), 20'000);
  Recovered recovered(image, false);
  REQUIRE_EQ(recovered.error, "");
  CHECK_GT(check(recovered.loop, *recovered.store, [](std::uint64_t, std::uint64_t) {}).problem_count, 0);
}

TEST_CASE("who cannot read or write while the journal is read is refused, and the next one is not") {
  using Kind = io::DiskRequest::Kind;
  Placed placed(good_store());
  placed.forged.add(bytes_of(Program().write_bytes(table, 5000, pattern(3, 9000))));
  placed.forged.add(placing(placed.slot));
  for (const Kind kind : {Kind::read, Kind::write, Kind::flush}) {
    CAPTURE(static_cast<int>(kind));
    unsigned refused = 0;
    for (std::uint64_t nth = 1;; ++nth) {
      io::SimulatedLoop loop(1);
      io::SimulatedDisk disk(loop, placed.forged.image());
      disk.inject({.kind = kind, .nth = nth});
      const auto opened = open_store(loop, disk, {.cache_bytes = limits::smallest_cache});
      const bool has_failed = disk.started(kind) >= nth;
      if (opened && !has_failed) break;
      refused += !opened;
      if (!opened) CHECK_FALSE(opened.error().empty());
      // A stretch is read again block by block.
      if (opened) CHECK_EQ(kind, Kind::read);
      disk.clear_faults();
      PoolRig rig(disk.content());
      rig.run_well(Program().check_bytes(table, 0, placed.bytes).check_bytes(table, 5000, pattern(3, 9000)));
      CHECK_EQ(first_problem(rig.check()), "");
    }
    CHECK_GE(refused, 2);
  }
}

}  // namespace
}  // namespace chimera::devices::testing
