#include "io/registered_memory.h"

#include <doctest/doctest.h>

#include "tests/io/scratch.h"

using namespace chimera::io;
using namespace chimera::io::testing;

TEST_CASE("spans are found in the piece that holds all of them, and in no other") {
  io_uring ring{};
  if (io_uring_queue_init(8, &ring, 0) < 0) {
    MESSAGE("skipped: io_uring is refused");
    return;
  }
  RegisteredMemory memory;
  const Blocks blocks(6);
  CHECK(!memory.find(blocks.at(0), 4096));
  memory.add(ring, blocks.at(4), 4096);
  memory.add(ring, blocks.at(1), 2 * 4096);
  const auto later = memory.find(blocks.at(4), 4096);
  const auto earlier = memory.find(blocks.at(1), 2 * 4096);
  if (!later || !earlier) {
    MESSAGE("skipped: the kernel registers no memory");
  } else {
    CHECK(*later != *earlier);
    CHECK(memory.find(blocks.at(2), 4096) == earlier);
    CHECK(memory.find(blocks.at(2) + 4095, 1) == earlier);
    CHECK(!memory.find(blocks.at(2), 4097));
    CHECK(!memory.find(blocks.at(0), 4096));
    CHECK(!memory.find(blocks.at(1) - 1, 2));
    CHECK(!memory.find(blocks.at(3), 1));
    CHECK(!memory.find(blocks.at(4), std::size_t{0} - 4096));
    CHECK(!memory.find(blocks.at(5), 1));
  }
  io_uring_queue_exit(&ring);
}
