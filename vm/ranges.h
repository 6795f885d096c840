#pragma once
// A set of ranges of offsets, both ends inclusive (the metadata reaches to 2^64 - 1), kept apart and as few as can be.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>

namespace chimera::vm {

class Ranges {
 public:
  void add(std::uint64_t first, std::uint64_t last) {
    auto at = ranges_.upper_bound(last);
    // What overlaps or adjoins becomes one with it.
    if (at != ranges_.end() && last != ~std::uint64_t{0} && at->first == last + 1) ++at;
    while (at != ranges_.begin()) {
      const auto before = std::prev(at);
      const bool apart = before->second < first && first - before->second > 1;
      if (apart) break;
      first = std::min(first, before->first);
      last = std::max(last, before->second);
      at = ranges_.erase(before);
    }
    ranges_.emplace_hint(at, first, last);
    if (ranges_.size() > most_ranges) coarsen();
  }

  [[nodiscard]] std::size_t size() const { return ranges_.size(); }
  static constexpr std::size_t bytes_each = 64;

  /// What lies between the ranges counts too from now on: the set may only be too large.
  void coarsen() {
    if (ranges_.size() < 2) return;
    const std::uint64_t first = ranges_.begin()->first;
    const std::uint64_t last = ranges_.rbegin()->second;
    ranges_.clear();
    ranges_.emplace(first, last);
  }

  [[nodiscard]] bool touches(std::uint64_t first, std::uint64_t last) const {
    const auto after = ranges_.upper_bound(last);
    return after != ranges_.begin() && std::prev(after)->second >= first;
  }

 private:
  static constexpr std::size_t most_ranges = 16384;

  std::map<std::uint64_t, std::uint64_t> ranges_;
};

}  // namespace chimera::vm
