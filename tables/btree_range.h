#pragma once
// Ranges of a B+tree's keys, and what is found in them.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace chimera::tables {

/// Keys from `low` on, below `high`; as bytes, in the order of memcmp, the shorter first.
struct BTreeRange {
  std::span<const std::uint8_t> low{};                  ///< empty: from the first on
  bool after_low = false;                               ///< `low` itself is not meant
  std::optional<std::span<const std::uint8_t>> high{};  ///< none: to the last
  bool through_high = false;                            ///< `high` itself is meant
  bool backwards = false;                               ///< from the greatest down
};

/// Keys and values that a range has found, in its order.
class Entries {
 public:
  using Bytes = std::span<const std::uint8_t>;
  [[nodiscard]] std::size_t size() const { return items_.size(); }
  [[nodiscard]] bool empty() const { return items_.empty(); }
  [[nodiscard]] Bytes key(std::size_t i) const { return Bytes(bytes_).subspan(items_[i].at, items_[i].key_size); }
  [[nodiscard]] Bytes value(std::size_t i) const {
    return Bytes(bytes_).subspan(items_[i].at + items_[i].key_size, items_[i].value_size);
  }
  void clear() {
    bytes_.clear();
    items_.clear();
  }
  void add(Bytes key, Bytes value) {
    items_.push_back({bytes_.size(), static_cast<std::uint16_t>(key.size()), static_cast<std::uint16_t>(value.size())});
    bytes_.insert(bytes_.end(), key.begin(), key.end());
    bytes_.insert(bytes_.end(), value.begin(), value.end());
  }

 private:
  struct Item {
    std::size_t at;
    std::uint16_t key_size, value_size;
  };
  std::vector<std::uint8_t> bytes_;
  std::vector<Item> items_;
};

}  // namespace chimera::tables
