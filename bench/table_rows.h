#pragma once
// The rows of tables that are compared: the same for ours and for others.

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "bench/subject.h"
#include "bench/workload.h"

namespace chimera::bench {

enum class KeyOrder { rising, random };

inline KeyOrder order_of(const std::string& text) {
  if (text == "rising") return KeyOrder::rising;
  if (text == "random") return KeyOrder::random;
  fail("order is rising or random");
}

/// Each key below `rows` once, with bytes that no compression would shorten.
class KeyedValues {
 public:
  KeyedValues(std::uint64_t rows, KeyOrder order, std::size_t size)
      : rows_(rows), order_(order), shuffle_(rows), value_(size, '\0') {}

  [[nodiscard]] std::uint64_t left() const { return rows_ - done_; }
  /// The bytes stay until the next one.
  std::pair<std::int64_t, std::string_view> next() {
    const std::uint64_t key = order_ == KeyOrder::rising ? done_ : shuffle_.at(done_);
    ++done_;
    for (std::size_t at = 0; at < value_.size(); at += sizeof state_) {
      state_ = state_ * 6364136223846793005u + 1442695040888963407u;
      std::memcpy(value_.data() + at, &state_, std::min(sizeof state_, value_.size() - at));
    }
    return {static_cast<std::int64_t>(key), value_};
  }

 private:
  const std::uint64_t rows_;
  const KeyOrder order_;
  Shuffle shuffle_;
  std::string value_;
  std::uint64_t done_ = 0;
  std::uint64_t state_ = 1;
};

// Rows of numbers: half of them are chosen, in no order that a processor could guess.
inline constexpr std::int64_t chosen_limit = 500'000;
inline std::int64_t chosen_of(std::uint64_t key) {
  return static_cast<std::int64_t>((key * 0x9E3779B97F4A7C15u >> 20) % 1'000'000);
}
inline std::int64_t added_of(std::uint64_t key) { return static_cast<std::int64_t>(key % 1000); }
inline std::int64_t expected_sum(std::uint64_t rows) {
  std::int64_t sum = 0;
  for (std::uint64_t key = 0; key < rows; ++key) {
    if (chosen_of(key) < chosen_limit) sum += added_of(key);
  }
  return sum;
}

}  // namespace chimera::bench
