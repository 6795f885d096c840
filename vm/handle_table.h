#pragma once
// The devices that a session has open, found by UUID. An open-addressing table of 32-byte entries, because a look-up
// is most of what a small access costs.

#include <cassert>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "devices/device.h"
#include "isa/uuid.h"

namespace chimera::vm {

struct Handle {
  static constexpr std::uint64_t no_cursor = ~std::uint64_t{0};

  Uuid uuid{};
  devices::Device* device = nullptr;  ///< null: the entry is free
  std::uint64_t cursor = 0;           ///< or no_cursor, which is past every length
};
static_assert(sizeof(Handle) == 32);

class HandleTable {
 public:
  HandleTable() : entries_(smallest) {}

  [[nodiscard]] std::size_t size() const { return size_; }

  [[nodiscard]] Handle* find(const Uuid& uuid) noexcept { return find(uuid.data); }
  /// The same for 16 bytes of a stream.
  [[nodiscard]] Handle* find(const std::uint8_t* uuid) noexcept {
    std::uint64_t low = 0, high = 0;
    std::memcpy(&low, uuid, 8);
    std::memcpy(&high, uuid + 8, 8);
    for (std::size_t i = place(low, high);; i = next(i)) {
      Handle& entry = entries_[i];
      if (entry.device == nullptr) return nullptr;
      std::uint64_t entry_low = 0, entry_high = 0;
      std::memcpy(&entry_low, entry.uuid.data, 8);
      std::memcpy(&entry_high, entry.uuid.data + 8, 8);
      if (((entry_low ^ low) | (entry_high ^ high)) == 0) return &entry;
    }
  }

  /// Opens a device that is not in the table, with its cursor at 0. Handles may move.
  Handle* insert(devices::Device& device) {
    assert(find(device.uuid()) == nullptr);
    if (2 * (size_ + 1) > entries_.size()) grow();
    ++size_;
    Handle* const entry = free_entry(device.uuid());
    *entry = {device.uuid(), &device, 0};
    return entry;
  }

  /// Handles may move.
  void erase(Handle* handle) {
    assert(handle->device != nullptr);
    --size_;
    auto hole = static_cast<std::size_t>(handle - entries_.data());
    // What follows the hole moves up where the hole would otherwise cut it off from its place.
    for (std::size_t i = next(hole); entries_[i].device != nullptr; i = next(i)) {
      const std::size_t wanted = place(entries_[i].uuid);
      const bool cut_off = ((i - wanted) & mask()) >= ((i - hole) & mask());
      if (!cut_off) continue;
      entries_[hole] = entries_[i];
      hole = i;
    }
    entries_[hole] = Handle{};
  }

 private:
  static constexpr std::size_t smallest = 16;

  [[nodiscard]] std::size_t mask() const { return entries_.size() - 1; }
  [[nodiscard]] std::size_t next(std::size_t i) const { return (i + 1) & mask(); }
  [[nodiscard]] std::size_t place(std::uint64_t low, std::uint64_t high) const {
    // UUIDs may be chosen by the user, so every bit counts.
    const std::uint64_t mixed = (low ^ (high * 0x9E3779B97F4A7C15u)) * 0xD6E8FEB86659FD93u;
    return static_cast<std::size_t>(mixed >> 32) & mask();
  }
  [[nodiscard]] std::size_t place(const Uuid& uuid) const {
    std::uint64_t halves[2];
    std::memcpy(halves, uuid.data, sizeof halves);
    return place(halves[0], halves[1]);
  }
  Handle* free_entry(const Uuid& uuid) {
    std::size_t i = place(uuid);
    while (entries_[i].device != nullptr) i = next(i);
    return &entries_[i];
  }
  void grow() {
    std::vector<Handle> old(2 * entries_.size());
    old.swap(entries_);
    for (const Handle& handle : old) {
      if (handle.device != nullptr) *free_entry(handle.uuid) = handle;
    }
  }

  std::vector<Handle> entries_;  ///< a power of two, at most half of them used
  std::size_t size_ = 0;
};

}  // namespace chimera::vm
