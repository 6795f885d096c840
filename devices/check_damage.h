#pragma once
// Damaged blocks of a store: which devices hold them, and where.

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "devices/io_buffer.h"
#include "devices/layout.h"
#include "io/disk.h"
#include "io/loop.h"

namespace chimera::devices {

/// `data of "disk", at offset 8192: 4096 bytes do not match their checksum`. `owner` names a device's plane. A map that
/// is damaged hides all that it leads to: `the map of 1048576 bytes does not match its checksum`.
[[nodiscard]] std::string describe_damage(std::string_view owner, std::uint64_t offset, std::uint64_t size, bool is_map,
                                          bool is_readable);

/// A damaged block, where one of its holders has it.
struct DamagePlace {
  std::string owner;
  std::uint64_t offset;
  std::uint64_t size;
  bool is_map;
  bool is_readable;
  std::uint64_t address;
};

/// Blocks are shared by clones and copies, so a damaged one may have many holders. Once all damage is known, `look_in`
/// each tree: what that costs is that every map of the store is read once more.
class DamageHolders {
 public:
  /// `block_count`: of the store.
  DamageHolders(io::Loop& loop, io::Disk& disk, std::uint64_t block_count)
      : loop_(loop), disk_(disk), block_count_(block_count) {}

  /// A damaged block; `is_readable`: its bytes came, and are not those that its checksum was made of.
  void add(std::uint64_t address, bool is_readable) { damaged_.emplace(address, is_readable); }
  [[nodiscard]] bool any() const { return !damaged_.empty(); }

  /// Notes what is damaged in the tree with this root, which is `height` levels of nodes above its blocks.
  void look_in(const std::string& owner, const Slot& root, unsigned height);
  /// By device, plane and offset, at most `most`.
  [[nodiscard]] std::vector<DamagePlace> places(std::size_t most);
  /// The same, a line each.
  [[nodiscard]] std::vector<std::string> lines(std::size_t most);
  /// How many there are in all.
  [[nodiscard]] std::uint64_t count() const { return count_; }

 private:
  struct Place {
    std::string owner;
    std::uint64_t offset;
    unsigned level;
    std::uint64_t address;
  };
  struct Branch {
    std::uint64_t child;  ///< in its node
    std::uint64_t address;
  };

  bool find(const Slot& slot, unsigned level);
  void note(const std::string& owner, std::uint64_t address, std::uint64_t index, unsigned level);

  io::Loop& loop_;
  io::Disk& disk_;
  std::uint64_t block_count_;
  std::unordered_map<std::uint64_t, bool> damaged_;                 ///< by address: whether it is readable
  std::unordered_map<std::uint64_t, std::vector<Branch>> leading_;  ///< nodes that lead to damage, and by which slots
  std::vector<bool> searched_;                                      ///< nodes whose entry in `leading_` is final
  std::vector<Place> places_;
  std::uint64_t count_ = 0;
};

}  // namespace chimera::devices
