#pragma once
// What is read and written: the same for a subject and its reference, since everything comes from fixed seeds.

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "isa/builder.h"
#include "isa/limits.h"
#include "isa/uuid.h"

namespace chimera::bench {

inline constexpr std::uint64_t block_size = limits::block_size;

/// The numbers below `count` in an order that looks random, each once; then all over again.
class Shuffle {
 public:
  explicit Shuffle(std::uint64_t count);
  [[nodiscard]] std::uint64_t at(std::uint64_t place) const;
  std::uint64_t next() { return at(place_++); }

 private:
  [[nodiscard]] std::uint64_t mix(std::uint64_t number) const;

  std::uint64_t count_;
  std::uint64_t mask_;
  unsigned shift_;
  std::uint64_t place_ = 0;
};

/// The hot working set: 1,024 devices of 64 KiB.
namespace hot {
inline constexpr std::uint32_t device_count = 1024;
inline constexpr std::uint32_t device_size = 64 << 10;
/// Random, but for the last two bytes: they are the index (little-endian), so that a reference needs no table.
[[nodiscard]] Uuid uuid_of(std::uint32_t index);
/// The contents of all devices, one behind the other.
[[nodiscard]] std::vector<std::uint8_t> make_contents();
/// Creates and fills this device.
void add_device(Program& program, std::uint32_t index, std::span<const std::uint8_t> contents);

/// `read byte D O`, `count` times, each of a random device and offset.
[[nodiscard]] Program byte_reads(std::uint64_t count);
/// `read block D O`, the same.
[[nodiscard]] Program block_reads(std::uint64_t count);
/// Every byte of every device once, devices in random order: `read byte D O` for the first, one-byte forms from there.
[[nodiscard]] Program implied_byte_reads();
}  // namespace hot

/// One large device, each of whose blocks begins with its own number (u64), for whatever does not fit a cache.
namespace large {
inline constexpr char name[] = "large";
[[nodiscard]] Uuid uuid();
/// Random bytes, different in every block.
[[nodiscard]] std::vector<std::uint8_t> make_contents(std::size_t size);
/// `read block D O` of every block once, in random order.
[[nodiscard]] Program block_reads(std::uint64_t device_bytes);
}  // namespace large

/// Bytes of an instruction with device and offset, before its count and payload.
inline constexpr std::size_t addressed_size = 1 + sizeof(Uuid) + sizeof(std::uint64_t);
/// Where its offset stands.
inline constexpr std::size_t offset_place = 1 + sizeof(Uuid);

}  // namespace chimera::bench
