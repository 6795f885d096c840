#pragma once
// Reading a block and waiting for it: for opening and checking stores, where nothing else goes on.

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <vector>

#include "devices/layout.h"
#include "io/disk.h"
#include "io/loop.h"

namespace chimera::devices {

/// Steps until what the caller has under way has ended: its memory may go then, and not before. What is thrown
/// meanwhile (no memory for somebody else) is thrown on after that.
template <typename HasEnded>
void step_until(io::Loop& loop, const HasEnded& has_ended) {
  std::exception_ptr thrown;
  while (!has_ended()) {
    try {
      loop.step(io::Loop::forever);
    } catch (...) {
      thrown = std::current_exception();
    }
  }
  if (thrown != nullptr) std::rethrow_exception(thrown);
}

/// False if it could not be read. `bytes` must be aligned to a block.
[[nodiscard]] bool read_now(io::Loop& loop, io::Disk& disk, std::uint64_t address, Block& bytes);
/// The same for many blocks, of which a number is asked for at a time. Calls take(index in `addresses`, bytes, null if
/// it could not be read), in any order.
void read_many(io::Loop& loop, io::Disk& disk, const std::vector<std::uint64_t>& addresses,
               const std::function<void(std::size_t index, const Block* bytes)>& take);
/// The same for neighbours, in few, large requests.
void read_stretch(io::Loop& loop, io::Disk& disk, std::uint64_t first, std::uint64_t count,
                  const std::function<void(std::uint64_t address, const Block* bytes)>& take);
/// Reads neighbours, in few, large requests, and writes them again as they are. False if one of those fails.
[[nodiscard]] bool write_again(io::Loop& loop, io::Disk& disk, std::uint64_t first, std::uint64_t count);
/// The same as read_now for a write; with no bytes, a flush.
[[nodiscard]] bool write_now(io::Loop& loop, io::Disk& disk, std::uint64_t address, Block* bytes);

}  // namespace chimera::devices
