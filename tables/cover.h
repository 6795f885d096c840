#pragma once
// Which of very many numbered things have been seen, in little memory where they come in runs: for checks.

#include <bitset>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>

namespace chimera::tables {

class Cover {
 public:
  /// Adds `count` things from `first` on. False if one of them was there already; all are there now.
  bool add(std::uint64_t first, std::uint64_t count);
  /// How many of the first `end` are not there, and the first of them.
  struct Missing {
    std::uint64_t count = 0, first = 0;
  };
  [[nodiscard]] Missing missing(std::uint64_t end) const;

 private:
  static constexpr std::uint64_t chunk_size = 1 << 16;
  struct Chunk {
    std::uint32_t count = 0;                           ///< that are there
    std::unique_ptr<std::bitset<chunk_size>> members;  ///< none if all are there
    [[nodiscard]] std::pair<std::uint64_t, std::uint64_t> within(std::uint64_t size) const;
  };
  std::unordered_map<std::uint64_t, Chunk> chunks_;
};

}  // namespace chimera::tables
