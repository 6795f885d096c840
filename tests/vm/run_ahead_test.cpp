// Running ahead: what is prefetched, in what order, how far, and that it is done once.

#include <map>
#include <vector>

#include "isa/limits.h"
#include "tests/vm/conversation.h"
#include "vm/run_ahead.h"

namespace chimera::vm::testing {
namespace {

/// A device whose blocks have to be fetched, one at a time, when the loop steps.
class SlowDisk {
 public:
  struct Prefetch {
    devices::Plane plane;
    std::uint64_t offset, count;
    devices::Device::Depth depth = devices::Device::Depth::blocks;
    bool operator==(const Prefetch&) const = default;
  };
  std::vector<Prefetch> prefetches;
  devices::Waiter* waiter = nullptr;
  bool loaded = false;
  bool map_is_missing = false;  ///< a prefetch has to be repeated
};

class SlowDevice final : public devices::MemoryDevice {
 public:
  SlowDevice(const Uuid& uuid, std::string name, devices::MemoryBudget& budget, SlowDisk& disk)
      : MemoryDevice(uuid, std::move(name), budget), disk_(disk) {}

  devices::Outcome fetch(devices::Waiter& waiter, devices::Plane, std::uint64_t, std::uint64_t) override {
    if (disk_.loaded) {
      disk_.loaded = false;
      return devices::Outcome::ready();
    }
    disk_.waiter = &waiter;
    return devices::Outcome::wait();
  }
  bool prefetch(devices::Plane plane, std::uint64_t offset, std::uint64_t count, Depth depth) override {
    disk_.prefetches.push_back({plane, offset, count, depth});
    return !disk_.map_is_missing;
  }
  [[nodiscard]] const std::uint8_t* peek(std::uint64_t) const noexcept override { return nullptr; }

 private:
  SlowDisk& disk_;
};

struct Track {
  Track()
      : machine(loop, std::make_unique<devices::Store>(devices::MemoryOptions{
                          .make =
                              [this](const Uuid& uuid, std::string name, devices::MemoryBudget& budget) {
                                return std::make_unique<SlowDevice>(uuid, std::move(name), budget, disk);
                              }})),
        one(machine) {
    a = one.ask(Program().create_device("a").write_length(implied, 1 << 30).open_device("a")).uuid();
    b = one.ask(Program().create_device("b").write_length(implied, 1 << 30).open_device("b")).uuid();
  }
  /// Lets the instruction that waits go on.
  void load() {
    REQUIRE_NE(disk.waiter, nullptr);
    disk.loaded = true;
    disk.waiter->wake();
    machine.run_ready();
  }

  SlowDisk disk;
  QuietLoop loop;
  Machine machine;
  Conversation one;
  Uuid a{}, b{};
};

using devices::Plane;

TEST_CASE("the reads behind a waiting instruction are started once, in order, where the cursors will be") {
  Track track;
  Program program;
  program.read_bytes(track.a, 100, 50).read_byte();                     // waits; then at 150
  program.open_device("b").select_offset(8192).read_block();            // 8192
  program.read_bytes(track.a, implied, 10);                             // 151
  program.write_bytes(track.b, 5000, std::vector<std::uint8_t>(9000));  // both ends are cut
  program.write_block(track.b, 4096, std::span<const std::uint8_t, 4096>(std::vector<std::uint8_t>(4096).data(), 4096));
  program.read_metadata(track.b, 77).append_bytes(track.a, bytes("x")).read_byte();  // where it lands is not known
  program.swap_byte(track.a, 99, 1);
  track.one.session().feed(program.bytes());
  track.machine.run_ready();
  constexpr auto maps = devices::Device::Depth::maps;
  const std::vector<SlowDisk::Prefetch> expected = {
      {Plane::data, 150, 1},           {Plane::data, 8192, 4096}, {Plane::data, 151, 10},
      {Plane::data, 5000, 9000, maps}, {Plane::data, 5000, 1},    {Plane::data, 13999, 1},
      {Plane::data, 4096, 4096, maps}, {Plane::metadata, 77, 1},  {Plane::data, 99, 1},
  };
  CHECK(track.disk.prefetches == expected);
  track.load();
  CHECK(track.disk.prefetches == expected);
  while (!track.one.session().idle()) track.load();
  CHECK(track.disk.prefetches == expected);
}

TEST_CASE("it runs so many instructions ahead, and on as the session does") {
  Track track;
  Program program;
  for (std::uint64_t i = 0; i < 1000; ++i) program.read_byte(track.a, 4096 * i);
  track.one.session().feed(program.bytes());
  track.machine.run_ready();
  CHECK_EQ(track.disk.prefetches.size(), RunAhead::most_instructions);
  track.load();
  CHECK_EQ(track.disk.prefetches.size(), RunAhead::most_instructions + 1);
  CHECK_EQ(track.disk.prefetches.back().offset, 4096 * (RunAhead::most_instructions + 1));
}

TEST_CASE("reads whose map is missing are started again, until they are under way or have run") {
  Track track;
  track.disk.map_is_missing = true;
  Program program;
  for (std::uint64_t i = 0; i < 10; ++i) program.read_byte(track.a, 4096 * i);
  track.one.session().feed(program.bytes());
  track.machine.run_ready();
  CHECK_EQ(track.disk.prefetches.size(), 9);
  track.load();
  CHECK_EQ(track.disk.prefetches.size(), 9 + 8);
  track.disk.map_is_missing = false;
  track.load();
  CHECK_EQ(track.disk.prefetches.size(), 9 + 8 + 7);
  while (!track.one.session().idle()) track.load();
  CHECK_EQ(track.disk.prefetches.size(), 9 + 8 + 7);
}

TEST_CASE("it runs so many bytes ahead") {
  Track track;
  Program program;
  for (std::uint64_t i = 0; i < 100; ++i) program.read_bytes(track.a, i << 20, 1 << 20);
  track.one.session().feed(program.bytes());
  track.machine.run_ready();
  CHECK_EQ(track.disk.prefetches.size(), RunAhead::most_bytes >> 20);
}

TEST_CASE("it stops at what it cannot foresee, and goes on behind it") {
  Track track;
  track.one.session().feed(Program()
                               .read_byte(track.a, 0)
                               .create_device("c")
                               .append_bytes(implied, bytes("xy"))
                               .read_byte(track.a, 5)
                               .bytes());
  track.machine.run_ready();
  CHECK(track.disk.prefetches.empty());
  track.load();
  CHECK(track.disk.prefetches.empty());  // nothing is left behind the read that waits now
  CHECK_EQ(track.one.session().unread_input(), 25);
  track.load();
  CHECK(track.one.session().idle());
}

}  // namespace
}  // namespace chimera::vm::testing
