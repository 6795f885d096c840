#pragma once
// How many rows a chunk looks at, where of some that cannot be read the others are to be.

#include <algorithm>
#include <cstddef>

namespace chimera::tables {

/// Behind a chunk that could not be read it is halved, from where that began, until the row is alone that is why: so
/// all rows in front of it come first.
class ChunkSize {
 public:
  ChunkSize() = default;
  /// `first`: of the first chunk.
  ChunkSize(std::size_t first, std::size_t most_ever) : most_(first), most_ever_(most_ever) {}

  [[nodiscard]] std::size_t most() const { return most_; }
  /// A chunk of so many rows was read.
  void pass(std::size_t rows) {
    narrow_ -= std::min(narrow_, rows);
    if (narrow_ == 0) most_ = std::min(most_ * 2, most_ever_);
  }
  /// One of `reached` rows could not be read; 0: which they are is not known. False: it was one, if any.
  [[nodiscard]] bool halve(std::size_t reached) {
    const std::size_t wanted = reached == 0 ? most_ : reached;
    if (wanted <= 1) return false;
    most_ = wanted / 2;
    narrow_ = std::max(narrow_, wanted);
    return true;
  }
  /// The row that could not be read is behind. Those that follow may be fine.
  void pass_one() {
    narrow_ = 0;
    most_ = 1;
  }
  /// No chunk may be as large again as this one was. False: it was of one row.
  [[nodiscard]] bool shrink() {
    if (most_ <= 1) return false;
    most_ever_ = most_ = most_ / 2;
    return true;
  }

 private:
  std::size_t most_ = 0;
  std::size_t most_ever_ = 0;
  std::size_t narrow_ = 0;  ///< of the next rows one could not be read: so many are read in small chunks
};

}  // namespace chimera::tables
