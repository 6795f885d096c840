#pragma once
// The plainest sparse array of bytes: what the model keeps data and metadata in.

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

namespace chimera::vm::testing {

class ModelBytes {
 public:
  static constexpr std::uint64_t block_size = 4096;

  [[nodiscard]] std::uint8_t at(std::uint64_t offset) const {
    const auto block = blocks_.find(offset / block_size);
    return block == blocks_.end() ? std::uint8_t{0} : block->second[offset % block_size];
  }
  [[nodiscard]] std::vector<std::uint8_t> read(std::uint64_t offset, std::uint64_t count) const {
    std::vector<std::uint8_t> bytes(count);
    for (std::uint64_t i = 0; i < count; ++i) {
      // Holes are passed over block by block, or large reads would take for ever.
      if ((offset + i) % block_size == 0 && count - i >= block_size && !holds((offset + i) / block_size)) {
        i += block_size - 1;
      } else {
        bytes[i] = at(offset + i);
      }
    }
    return bytes;
  }
  void write(std::uint64_t offset, std::span<const std::uint8_t> bytes) {
    for (std::size_t done = 0; done < bytes.size();) {
      const std::uint64_t within = (offset + done) % block_size;
      const std::size_t size = std::min<std::size_t>(bytes.size() - done, block_size - within);
      std::copy_n(&bytes[done], size, &blocks_[(offset + done) / block_size][within]);
      done += size;
    }
  }
  /// The range may end at 2^64.
  void clear(std::uint64_t offset, std::uint64_t count) {
    if (count == 0) return;
    const std::uint64_t last = offset + (count - 1);
    for (auto it = blocks_.lower_bound(offset / block_size); it != blocks_.end() && it->first <= last / block_size;) {
      const std::uint64_t base = it->first * block_size;
      const std::uint64_t from = base < offset ? offset - base : 0;
      const std::uint64_t to = last - base < block_size ? last - base : block_size - 1;
      if (from == 0 && to == block_size - 1) {
        it = blocks_.erase(it);
        continue;
      }
      for (std::uint64_t i = from; i <= to; ++i) it->second[i] = 0;
      ++it;
    }
  }
  /// `count` bytes of `from`, as if all were read first; all three are multiples of the block size.
  void copy_blocks(std::uint64_t offset, const ModelBytes& from, std::uint64_t from_offset, std::uint64_t count) {
    std::map<std::uint64_t, Block> taken;
    for (auto it = from.blocks_.lower_bound(from_offset / block_size);
         it != from.blocks_.end() && it->first < (from_offset + count) / block_size; ++it) {
      taken[it->first - from_offset / block_size + offset / block_size] = it->second;
    }
    clear(offset, count);
    for (const auto& [number, block] : taken) blocks_[number] = block;
  }
  /// Something has been written there since it was last cleared as a whole.
  [[nodiscard]] bool holds(std::uint64_t block) const { return blocks_.contains(block); }

  /// True if the range is nothing but zeros.
  [[nodiscard]] bool is_zero(std::uint64_t offset, std::uint64_t count) const {
    return same(offset, count, ModelBytes());
  }
  [[nodiscard]] bool same(std::uint64_t offset, std::uint64_t count, const ModelBytes& other) const {
    return covered_by(offset, count, *this, other) && covered_by(offset, count, other, *this);
  }

  using Block = std::array<std::uint8_t, block_size>;
  [[nodiscard]] const std::map<std::uint64_t, Block>& blocks() const { return blocks_; }

 private:
  /// True if all that `a` holds in the range stands in `b` too.
  static bool covered_by(std::uint64_t offset, std::uint64_t count, const ModelBytes& a, const ModelBytes& b) {
    if (count == 0) return true;
    const std::uint64_t last = offset + (count - 1);
    for (auto it = a.blocks_.lower_bound(offset / block_size); it != a.blocks_.end() && it->first <= last / block_size;
         ++it) {
      for (std::uint64_t i = 0; i < block_size; ++i) {
        const std::uint64_t place = it->first * block_size + i;
        if (place >= offset && place <= last && it->second[i] != b.at(place)) return false;
      }
    }
    return true;
  }

  std::map<std::uint64_t, Block> blocks_;
};

}  // namespace chimera::vm::testing
