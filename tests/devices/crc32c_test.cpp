#include "devices/crc32c.h"

#include <doctest/doctest.h>

#include <cstring>
#include <string_view>
#include <vector>

#include "devices/io_buffer.h"
#include "devices/layout.h"
#include "io/seeded_random.h"

namespace chimera::devices {
namespace {

std::vector<std::uint8_t> random_bytes(io::SeededRandom& random, std::size_t size) {
  std::vector<std::uint8_t> bytes(size);
  for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random.next());
  return bytes;
}

TEST_CASE("CRC-32C of known texts, by tables and by whatever the processor has") {
  // The check value of the CRC catalogue, and the vectors of RFC 3720, B.4.
  CHECK(crc32c(0, "123456789", 9) == 0xE3069283);
  CHECK(crc32c_portable(0, "123456789", 9) == 0xE3069283);
  const std::vector<std::uint8_t> zeros(32, 0);
  const std::vector<std::uint8_t> ones(32, 0xFF);
  CHECK(crc32c(0, zeros.data(), zeros.size()) == 0x8A9136AA);
  CHECK(crc32c(0, ones.data(), ones.size()) == 0x62A8AB43);
}

TEST_CASE("every way to the checksum gives the same, at every length, alignment and start") {
  io::SeededRandom random(1);
  const std::vector<std::uint8_t> bytes = random_bytes(random, 9000);
  for (std::size_t size = 0; size < 1100; ++size) {
    const std::size_t from = random.below(64);
    const auto start = static_cast<std::uint32_t>(random.next());
    REQUIRE(crc32c(start, bytes.data() + from, size) == crc32c_portable(start, bytes.data() + from, size));
  }
  for (int n = 0; n < 500; ++n) {
    const std::size_t from = random.below(64);
    const std::size_t size = random.below(bytes.size() - from);
    const auto start = static_cast<std::uint32_t>(random.next());
    REQUIRE(crc32c(start, bytes.data() + from, size) == crc32c_portable(start, bytes.data() + from, size));
  }
}

TEST_CASE("a block that is copied with its checksum is the same block, with the checksum that it had") {
  io::SeededRandom random(2);
  const BlockBuffer target = make_block_buffer();
  for (int n = 0; n < 100; ++n) {
    const std::vector<std::uint8_t> source = random_bytes(random, block_size + 64);
    const std::uint8_t* const from = source.data() + random.below(64);
    const std::uint64_t address = random.next();
    const std::uint64_t generation = random.next();
    REQUIRE(copy_block(address, generation, from, target.get()) == block_checksum(address, generation, from));
    REQUIRE(std::memcmp(target.get(), from, block_size) == 0);
  }
}

}  // namespace
}  // namespace chimera::devices
