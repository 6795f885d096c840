#pragma once
// What NBD clients of one server have asked for, all of them together.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace chimera::nbd {

struct Statistics {
  /// By the number of the command; whatever has none is the last.
  static constexpr std::array<std::string_view, 9> commands{"read",  "write",        "disconnect",   "flush", "trim",
                                                            "cache", "write zeroes", "block status", "other"};

  std::array<std::uint64_t, commands.size()> requests{};

  void count(std::size_t command) { ++requests[command < commands.size() ? command : commands.size() - 1]; }
};

}  // namespace chimera::nbd
