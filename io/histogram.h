#pragma once
// How long things took, counted in fixed buckets: two for each doubling, from 1 microsecond to 16.8 seconds.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace chimera::io {

class Histogram {
 public:
  /// The last one has no upper bound.
  static constexpr std::size_t bucket_count = 50;

  /// The most nanoseconds that belong to a bucket: 1, 1.5, 2, 3, 4, 6, 8, 12 … microseconds. Not of the last one.
  [[nodiscard]] static constexpr std::uint64_t bound_ns(std::size_t bucket) {
    const std::uint64_t doubling = std::uint64_t{1000} << (bucket / 2);
    return bucket % 2 == 0 ? doubling : doubling + doubling / 2;
  }
  [[nodiscard]] static constexpr std::size_t bucket_of(std::uint64_t nanoseconds) {
    // In halves of a microsecond the bounds are 2, 3, 4, 6, 8, 12: the highest bit and the one below tell the bucket.
    const std::uint64_t halves = (nanoseconds - (nanoseconds > 0 ? 1 : 0)) / 500;
    if (halves < 2) return 0;
    const auto doublings = static_cast<std::size_t>(std::bit_width(halves)) - 1;
    const std::size_t bucket = 2 * doublings - 1 + ((halves >> (doublings - 1)) & 1);
    return bucket < bucket_count ? bucket : bucket_count - 1;
  }

  void add(std::uint64_t nanoseconds) {
    ++buckets_[bucket_of(nanoseconds)];
    ++count_;
    sum_ns_ += nanoseconds;
  }

  [[nodiscard]] const std::array<std::uint64_t, bucket_count>& buckets() const { return buckets_; }
  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] std::uint64_t sum_ns() const { return sum_ns_; }

 private:
  std::array<std::uint64_t, bucket_count> buckets_{};
  std::uint64_t count_ = 0;
  std::uint64_t sum_ns_ = 0;
};

}  // namespace chimera::io
