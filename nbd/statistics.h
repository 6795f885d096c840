#pragma once
// What NBD clients of one server have asked for, all of them together, and how long it took.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "io/histogram.h"

namespace chimera::nbd {

struct Statistics {
  /// By the number of the command; whatever has none is the last.
  static constexpr std::array<std::string_view, 9> commands{"read",  "write",        "disconnect",   "flush", "trim",
                                                            "cache", "write zeroes", "block status", "other"};

  std::array<std::uint64_t, commands.size()> requests{};

  /// What durations are told apart by.
  static constexpr std::array<std::string_view, 4> groups{"read", "write", "flush", "other"};
  using Groups = std::array<std::size_t, groups.size()>;  ///< a number for each

  /// From when a request had come whole until its reply was made; of a disconnect there is none.
  std::array<io::Histogram, groups.size()> durations{};

  /// Bytes that reads and writes, the first two of the commands, have moved: of those that have gone well.
  std::array<std::uint64_t, 2> bytes{};

  void count(std::size_t command) { ++requests[command < commands.size() ? command : commands.size() - 1]; }
  /// Of a request that has gone well.
  void count_bytes(std::size_t command, std::uint64_t size) {
    if (command < bytes.size()) bytes[command] += size;
  }
  [[nodiscard]] static constexpr std::size_t group_of(std::size_t command) {
    constexpr std::size_t flush = 3;
    return command < 2 ? command : command == flush ? 2 : 3;
  }
};

}  // namespace chimera::nbd
