#pragma once
// The memory that a ring knows beforehand ("fixed buffers"), which spares the kernel pinning pages on each transfer.

#include <liburing.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace chimera::io {

class RegisteredMemory {
 public:
  /// Registers as much of the range as the kernel and the locked-memory limit allow, in pieces of at most 1 GiB.
  /// Failure is silent: what is not registered is just slower. The range stays mapped as long as the ring.
  void add(io_uring& ring, void* base, std::size_t size);

  /// The kernel's index of the piece that holds all of this span, if one does.
  [[nodiscard]] std::optional<std::uint16_t> find(const void* start, std::size_t size) const;

 private:
  struct Piece {
    std::uintptr_t start;
    std::size_t size;
    std::uint16_t index;
  };
  enum class Table : std::uint8_t { none, made, refused };

  std::vector<Piece> pieces_;  ///< sorted by start
  Table table_ = Table::none;
};

}  // namespace chimera::io
