#pragma once
// Trees as they lie on the disk, each block of the store read once, in the order of their addresses: for checking and
// salvaging stores, where nothing else goes on.

#include <cstdint>
#include <utility>
#include <vector>

#include "devices/io_buffer.h"
#include "devices/layout.h"
#include "io/disk.h"
#include "io/loop.h"

namespace chimera::devices {

/// Reads blocks in runs, as they lie on the disk.
class RunReader {
 public:
  RunReader(io::Loop& loop, io::Disk& disk);

  /// Calls visit(index in `slots`, bytes or null if it could not be read) for each; `slots` are sorted by address and
  /// inside the disk.
  template <typename Visit>
  void read(const std::vector<Slot>& slots, Visit&& visit) {
    for (std::size_t first = 0; first < slots.size();) {
      std::size_t last = first + 1;
      while (last < slots.size() && last - first < buffers_.size() &&
             slots[last].address() == slots[last - 1].address() + 1) {
        ++last;
      }
      const bool good = read_run(slots[first].address(), last - first);
      for (std::size_t n = first; n < last; ++n) visit(n, bytes_of(slots[n].address(), n - first, good));
      first = last;
    }
  }

 private:
  bool read_run(std::uint64_t address, std::size_t count);
  /// Which of several could not be read is found out by asking for them one by one.
  const Block* bytes_of(std::uint64_t address, std::size_t place, bool good);

  io::Loop& loop_;
  io::Disk& disk_;
  std::vector<BlockBuffer> buffers_;
};

class TreeScan {
 public:
  class Visitor {
   public:
    /// Whether what this slot (not a hole) names is to be read.
    virtual bool enter(const Slot& slot) = 0;
    /// The block, null if it could not be read; it is number `index` of its level. Whether its slots are to be
    /// followed, from level 1 on.
    virtual bool visit(const Slot& slot, unsigned level, std::uint64_t index, const Block* bytes) = 0;

   protected:
    ~Visitor() = default;
  };

  TreeScan(io::Loop& loop, io::Disk& disk, Visitor& visitor) : reader_(loop, disk), visitor_(visitor) {}
  void walk(const TreeRoot& root);

 private:
  using Numbered = std::pair<Slot, std::uint64_t>;
  void walk_level(std::vector<Numbered>& slots, unsigned level);

  RunReader reader_;
  Visitor& visitor_;
};

}  // namespace chimera::devices
