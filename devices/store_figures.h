#pragma once
// How a store is: what `describe store` and the figures of a server tell of it.

#include <cstdint>
#include <optional>
#include <string>

#include "isa/json_text.h"
#include "isa/uuid.h"

namespace chimera::devices {

/// Sizes are in bytes.
struct StoreFigures {
  std::uint64_t size = 0, used = 0, free = 0;  ///< free for users
  std::uint64_t devices = 0;
  /// Of a store on a disk.
  struct OnDisk {
    Uuid uuid;
    std::uint64_t kept_back = 0;    ///< from users
    std::uint64_t being_freed = 0;  ///< deleted devices whose blocks are not free yet
    std::string failure;            ///< what has failed, for people: only reads go on; empty while nothing has
    struct Cache {
      std::uint64_t size, dirty, misses;
    } cache;
    struct Journal {
      std::uint64_t size, used, last, durable;
    };
    std::optional<Journal> journal;
    std::uint64_t given_back = 0;
    std::uint64_t generation = 0, checkpoints = 0;  ///< the latter since it was opened
  };
  std::optional<OnDisk> on_disk;  ///< else in memory

  /// `describe store` has more behind it.
  [[nodiscard]] JsonObject to_json() const;
};

}  // namespace chimera::devices
