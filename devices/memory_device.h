#pragma once
// A device held in RAM, gone at restart. All that it is asked for is ready at once; clones and copies share blocks
// until one side changes them.

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "devices/device.h"
#include "devices/memory_tree.h"

namespace chimera::devices {

class MemoryDevice : public Device {
 public:
  /// Empty. The budget is the store's, for all its devices in memory; beyond it `prepare` answers no_space.
  MemoryDevice(const Uuid& uuid, std::string name, MemoryBudget& budget);

  Outcome fetch(Waiter&, Plane, std::uint64_t offset, std::uint64_t count) override;
  Outcome prepare(Waiter&, Plane, std::uint64_t offset, std::uint64_t count) override;

  void read(Plane, std::uint64_t offset, std::span<std::uint8_t> out) override;
  [[nodiscard]] bool equal(Plane, std::uint64_t offset, std::span<const std::uint8_t> bytes) override;
  void write(Plane, std::uint64_t offset, std::span<const std::uint8_t> bytes) override;
  void set_columns_length(std::uint64_t length) override;
  [[nodiscard]] const std::uint8_t* peek(std::uint64_t block) const noexcept override;

  Outcome clear(Waiter&, Plane, std::uint64_t offset, std::uint64_t count) override;
  Outcome set_length(Waiter&, std::uint64_t length) override;
  Outcome extents(Waiter&, Plane, std::uint64_t offset, std::uint64_t count, std::vector<Extent>& out) override;
  Outcome differences(Waiter&, Device& other, std::uint64_t offset, std::uint64_t count,
                      std::vector<Extent>& out) override;
  Outcome share(Waiter&, std::uint64_t offset, Device& from, std::uint64_t from_offset, std::uint64_t count) override;
  Outcome digest(Waiter&, std::uint64_t offset, std::uint64_t count, std::span<std::uint8_t, 32> out) override;

  /// Takes the data, metadata, columns and length of another memory device of the same store; shares the blocks.
  void adopt(const MemoryDevice& content);

 private:
  [[nodiscard]] MemoryTree& tree(Plane plane) { return trees_[static_cast<std::size_t>(plane)]; }
  [[nodiscard]] const MemoryTree& tree(Plane plane) const { return trees_[static_cast<std::size_t>(plane)]; }
  [[nodiscard]] Outcome have_room(Waiter&, std::uint64_t bytes) const;
  void zero_in_block(Plane, std::uint64_t offset, std::uint64_t count);

  MemoryBudget* budget_;
  std::array<MemoryTree, 3> trees_;  ///< one a Plane
};

}  // namespace chimera::devices
