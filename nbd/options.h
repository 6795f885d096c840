#pragma once
// What is offered to NBD clients, and how.

#include <cstdint>
#include <optional>

namespace chimera::nbd {

struct Options {
  bool read_only = false;                    ///< every export
  std::optional<std::uint64_t> create_size;  ///< a name that no device has makes one of so many bytes
};

}  // namespace chimera::nbd
