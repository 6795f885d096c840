#include "bench/workload.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>

#include "io/seeded_random.h"

namespace chimera::bench {
namespace {

Uuid random_uuid(std::uint64_t seed) {
  io::SeededRandom random(seed);
  Uuid uuid;
  for (auto& byte : uuid) byte = static_cast<std::uint8_t>(random.next());
  return uuid;
}

std::vector<std::uint8_t> random_bytes(std::size_t size, std::uint64_t seed) {
  io::SeededRandom random(seed);
  std::vector<std::uint8_t> bytes(size);
  for (std::size_t at = 0; at + sizeof(std::uint64_t) <= size; at += sizeof(std::uint64_t)) {
    const std::uint64_t number = random.next();
    std::memcpy(bytes.data() + at, &number, sizeof number);
  }
  return bytes;
}

}  // namespace

Shuffle::Shuffle(std::uint64_t count)
    : count_(count),
      mask_(std::bit_ceil(std::max<std::uint64_t>(count, 4)) - 1),
      shift_(static_cast<unsigned>(std::bit_width(mask_)) / 2) {}

/// A bijection: each step can be undone within the mask's bits.
std::uint64_t Shuffle::mix(std::uint64_t number) const {
  for (const std::uint64_t factor : {0x9E3779B97F4A7C15u, 0xBF58476D1CE4E5B9u, 0x94D049BB133111EBu}) {
    number = (number * factor + 0x632BE59BD9B4E019u) & mask_;
    number ^= number >> shift_;
  }
  return number;
}

std::uint64_t Shuffle::at(std::uint64_t place) const {
  // What falls outside goes on along its cycle, which ends inside.
  std::uint64_t number = place % count_;
  do number = mix(number);
  while (number >= count_);
  return number;
}

namespace hot {

Uuid uuid_of(std::uint32_t index) {
  Uuid uuid = random_uuid(1000 + index);
  uuid.data[14] = static_cast<std::uint8_t>(index);
  uuid.data[15] = static_cast<std::uint8_t>(index >> 8);
  return uuid;
}

std::vector<std::uint8_t> make_contents() { return random_bytes(std::size_t{device_count} * device_size, 1); }

void add_device(Program& program, std::uint32_t index, std::span<const std::uint8_t> contents) {
  const Uuid uuid = uuid_of(index);
  program.create_device("hot-" + std::to_string(index), {}, {}, uuid);
  program.write_bytes(uuid, 0, contents.subspan(std::size_t{index} * device_size, device_size));
}

namespace {

/// Calls `read` with `count` random devices and offsets.
template <typename Read>
void read_at_random(std::uint64_t count, Read&& read) {
  std::array<Uuid, device_count> uuids;
  for (std::uint32_t index = 0; index < device_count; ++index) uuids[index] = uuid_of(index);
  io::SeededRandom random(2);
  for (; count > 0; --count) {
    const std::uint64_t place = random.below(std::uint64_t{device_count} * device_size);
    read(uuids[place / device_size], place % device_size);
  }
}

}  // namespace

Program byte_reads(std::uint64_t count) {
  Program program;
  read_at_random(count, [&](const Uuid& uuid, std::uint64_t offset) { program.read_byte(uuid, offset); });
  return program;
}

Program block_reads(std::uint64_t count) {
  Program program;
  read_at_random(count, [&](const Uuid& uuid, std::uint64_t offset) {
    program.read_block(uuid, offset / block_size * block_size);
  });
  return program;
}

Program implied_byte_reads() {
  Program program;
  const Shuffle shuffle(device_count);
  for (std::uint32_t place = 0; place < device_count; ++place) {
    program.read_byte(uuid_of(static_cast<std::uint32_t>(shuffle.at(place))), 0);
    for (std::uint32_t i = 1; i < device_size; ++i) program.read_byte();
  }
  return program;
}

}  // namespace hot

namespace large {

Uuid uuid() { return random_uuid(3); }

std::vector<std::uint8_t> make_contents(std::size_t size) { return random_bytes(size, 4); }

Program block_reads(std::uint64_t device_bytes) {
  Program program;
  Shuffle shuffle(device_bytes / block_size);
  for (std::uint64_t i = 0; i < device_bytes / block_size; ++i) {
    program.read_block(uuid(), shuffle.next() * block_size);
  }
  return program;
}

}  // namespace large
}  // namespace chimera::bench
