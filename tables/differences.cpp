#include "tables/differences.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace chimera::tables {
namespace {

/// An instruction has 29 bytes in front of its payload, and takes its time.
constexpr std::size_t gap_worth_an_instruction = 64;

/// The first byte at or behind `at` that differs; the end if there is none.
std::size_t next_difference(std::span<const std::uint8_t> before, std::span<const std::uint8_t> after, std::size_t at) {
  constexpr std::size_t stride = 64;
  while (at + stride <= before.size() && std::memcmp(&before[at], &after[at], stride) == 0) at += stride;
  while (at < before.size() && before[at] == after[at]) ++at;
  return at;
}

}  // namespace

void write_differences(Script& script, const Uuid& device, std::uint64_t offset, std::span<const std::uint8_t> before,
                       std::span<const std::uint8_t> after) {
  assert(before.size() == after.size());
  std::size_t begin = next_difference(before, after, 0);
  while (begin < before.size()) {
    std::size_t end = begin + 1;  // behind the last byte of this write that differs
    std::size_t next = next_difference(before, after, end);
    while (next < before.size() && next - end < gap_worth_an_instruction) {
      end = next + 1;
      next = next_difference(before, after, end);
    }
    script.write_bytes(device, offset + begin, after.subspan(begin, end - begin));
    begin = next;
  }
}

}  // namespace chimera::tables
