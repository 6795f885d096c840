#include "devices/crc32c.h"

#include <array>
#include <cstring>

#include "devices/crc32c_folding.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace chimera::devices {
namespace {

constexpr std::uint32_t polynomial = 0x82F63B78;

constexpr std::array<std::array<std::uint32_t, 256>, 8> make_slices() {
  std::array<std::array<std::uint32_t, 256>, 8> tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? polynomial : 0);
    tables[0][byte] = crc;
  }
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    for (std::size_t slice = 1; slice < 8; ++slice) {
      const std::uint32_t before = tables[slice - 1][byte];
      tables[slice][byte] = (before >> 8) ^ tables[0][before & 0xFF];
    }
  }
  return tables;
}

constexpr auto slices = make_slices();

std::uint64_t load64(const std::uint8_t* bytes) {
  std::uint64_t word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

#if defined(__x86_64__)

// Three streams hide the three cycles that the instruction takes. Each lane of a block is this long; what is left of
// the 4096 bytes is done word by word.
constexpr std::size_t lane = 1360;

/// How a CRC changes when `lane` zero bytes follow: a linear map, tabulated by the bytes of its argument.
using Shift = std::array<std::array<std::uint32_t, 256>, 4>;

constexpr Shift make_shift(std::size_t zero_bytes) {
  std::array<std::uint32_t, 32> images{};
  for (std::size_t bit = 0; bit < 32; ++bit) {
    std::uint32_t crc = 1u << bit;
    for (std::size_t n = 0; n < zero_bytes; ++n) crc = (crc >> 8) ^ slices[0][crc & 0xFF];
    images[bit] = crc;
  }
  Shift shift{};
  for (std::size_t byte = 0; byte < 4; ++byte) {
    for (std::uint32_t value = 0; value < 256; ++value) {
      std::uint32_t image = 0;
      for (std::size_t bit = 0; bit < 8; ++bit) {
        if ((value >> bit & 1) != 0) image ^= images[byte * 8 + bit];
      }
      shift[byte][value] = image;
    }
  }
  return shift;
}

const Shift& lane_shift() {
  static const Shift shift = make_shift(lane);
  return shift;
}

std::uint32_t shifted(const Shift& shift, std::uint32_t crc) {
  return shift[0][crc & 0xFF] ^ shift[1][crc >> 8 & 0xFF] ^ shift[2][crc >> 16 & 0xFF] ^ shift[3][crc >> 24];
}

__attribute__((target("sse4.2"))) std::uint32_t by_instruction(std::uint32_t start, const std::uint8_t* bytes,
                                                               std::size_t size) {
  std::uint64_t crc = start;
  while (size >= 3 * lane) {
    std::uint64_t second = 0;
    std::uint64_t third = 0;
    for (std::size_t at = 0; at < lane; at += 8) {
      crc = _mm_crc32_u64(crc, load64(bytes + at));
      second = _mm_crc32_u64(second, load64(bytes + lane + at));
      third = _mm_crc32_u64(third, load64(bytes + 2 * lane + at));
    }
    const Shift& shift = lane_shift();
    crc = shifted(shift, static_cast<std::uint32_t>(crc)) ^ second;
    crc = shifted(shift, static_cast<std::uint32_t>(crc)) ^ third;
    bytes += 3 * lane;
    size -= 3 * lane;
  }
  for (; size >= 8; size -= 8, bytes += 8) crc = _mm_crc32_u64(crc, load64(bytes));
  auto narrow = static_cast<std::uint32_t>(crc);
  for (; size > 0; --size, ++bytes) narrow = _mm_crc32_u8(narrow, *bytes);
  return narrow;
}

const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;

#endif

}  // namespace

std::uint32_t crc32c_portable(std::uint32_t crc, const void* data, std::size_t size) noexcept {
  const auto* bytes = static_cast<const std::uint8_t*>(data);
  crc = ~crc;
  for (; size >= 8; size -= 8, bytes += 8) {
    const std::uint64_t word = load64(bytes) ^ crc;
    crc = 0;
    for (std::size_t byte = 0; byte < 8; ++byte) crc ^= slices[7 - byte][word >> (8 * byte) & 0xFF];
  }
  for (; size > 0; --size, ++bytes) crc = (crc >> 8) ^ slices[0][(crc ^ *bytes) & 0xFF];
  return ~crc;
}

std::uint32_t crc32c(std::uint32_t crc, const void* data, std::size_t size) noexcept {
#if defined(__x86_64__)
  const auto* bytes = static_cast<const std::uint8_t*>(data);
  if (has_folding() && size >= folding_step) {
    const std::size_t whole = size / folding_step * folding_step;
    crc = ~fold(~crc, bytes, whole);
    bytes += whole;
    size -= whole;
  }
  if (has_instruction) return ~by_instruction(~crc, bytes, size);
#endif
  return crc32c_portable(crc, data, size);
}

namespace {

std::uint32_t birth_checksum(std::uint64_t address, std::uint64_t generation) {
  const std::uint64_t birth[2] = {address, generation};
  return crc32c(0, birth, sizeof birth);
}

}  // namespace

std::uint32_t block_checksum(std::uint64_t address, std::uint64_t generation, const void* block) noexcept {
  return crc32c(birth_checksum(address, generation), block, 4096);
}

std::uint32_t copy_block(std::uint64_t address, std::uint64_t generation, const void* source, void* target) noexcept {
  const std::uint32_t birth = birth_checksum(address, generation);
  if (has_folding()) {
    return ~fold_and_copy(~birth, static_cast<const std::uint8_t*>(source), 4096, static_cast<std::uint8_t*>(target));
  }
  std::memcpy(target, source, 4096);
  return crc32c(birth, target, 4096);
}

}  // namespace chimera::devices
