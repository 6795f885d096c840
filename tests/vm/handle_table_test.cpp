// The table of handles against a map; the queue of bytes against a vector.

#include <doctest/doctest.h>

#include <map>
#include <vector>

#include "devices/memory_device.h"
#include "io/seeded_random.h"
#include "vm/byte_queue.h"
#include "vm/handle_table.h"

namespace chimera::vm {
namespace {

TEST_CASE("the handle table holds what a map holds") {
  io::SeededRandom random(7);
  devices::MemoryBudget budget;
  std::vector<std::unique_ptr<devices::MemoryDevice>> devices;
  for (int i = 0; i < 300; ++i) {
    Uuid uuid{};
    // Few bits, so that places collide.
    uuid.data[0] = static_cast<std::uint8_t>(i);
    uuid.data[9] = static_cast<std::uint8_t>(i >> 8);
    devices.push_back(std::make_unique<devices::MemoryDevice>(uuid, "d", budget));
  }
  HandleTable table;
  std::map<Uuid, std::uint64_t> expected;
  for (int step = 0; step < 20000; ++step) {
    devices::MemoryDevice& device = *devices[random.below(step < 10000 ? 300 : 20)];
    Handle* const handle = table.find(device.uuid());
    REQUIRE_EQ(handle != nullptr, expected.contains(device.uuid()));
    if (handle == nullptr) {
      const auto cursor = random.next();
      table.insert(device)->cursor = cursor;
      expected[device.uuid()] = cursor;
    } else {
      REQUIRE_EQ(handle->device, &device);
      REQUIRE_EQ(handle->cursor, expected[device.uuid()]);
      if (random.chance(60)) {
        table.erase(handle);
        expected.erase(device.uuid());
      }
    }
    REQUIRE_EQ(table.size(), expected.size());
  }
  for (const auto& [uuid, cursor] : expected) REQUIRE_EQ(table.find(uuid)->cursor, cursor);
}

TEST_CASE("the byte queue gives what was put in, in order") {
  io::SeededRandom random(8);
  ByteQueue queue;
  std::vector<std::uint8_t> expected;
  std::uint8_t next = 0;
  for (int step = 0; step < 3000; ++step) {
    if (random.chance(55)) {
      const std::size_t size = random.below(random.chance(2) ? 600'000 : 5000);
      std::uint8_t* const room = queue.room(size);
      REQUIRE_GE(queue.room_size(), size);
      for (std::size_t i = 0; i < size; ++i) expected.push_back(room[i] = next++);
      queue.commit(size);
    } else {
      const std::size_t size = random.chance(30) ? queue.size() : random.below(queue.size() + 1);
      queue.drop(size);
      expected.erase(expected.begin(), expected.begin() + static_cast<std::ptrdiff_t>(size));
    }
    REQUIRE(std::ranges::equal(queue.bytes(), expected));
  }
}

}  // namespace
}  // namespace chimera::vm
