#pragma once
// The frames of a cache that hold nothing. They are given out in the order of memory, round and round, whatever the
// order in which they came back: blocks that are written one after the other shall lie side by side in memory too,
// since then a request for many of them has few parts. A disk takes twice as long for parts of 4096 bytes.

#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace chimera::devices {

using FrameId = std::uint32_t;
inline constexpr FrameId no_frame = ~FrameId{0};

class FreeFrames {
 public:
  /// Of a cache with so many frames; none of them is free.
  explicit FreeFrames(std::size_t frame_count = 0)
      : frames_((frame_count + 63) / 64), words_((frames_.size() + 63) / 64) {}

  [[nodiscard]] bool empty() const { return count_ == 0; }
  void add(FrameId id) {
    frames_[id / 64] |= bit(id);
    words_[id / 64 / 64] |= bit(id / 64);
    ++count_;
  }
  /// The first one behind the last that was taken, or the first of all. There must be one.
  FrameId take() {
    assert(!empty());
    FrameId id = first_from(next_);
    if (id == no_frame) id = first_from(0);
    next_ = id + 1;
    frames_[id / 64] &= ~bit(id);
    if (frames_[id / 64] == 0) words_[id / 64 / 64] &= ~bit(id / 64);
    --count_;
    return id;
  }

 private:
  static std::uint64_t bit(std::size_t number) { return std::uint64_t{1} << number % 64; }
  /// The first bit that is set from this one on; no_frame if there is none.
  static FrameId first_bit(const std::vector<std::uint64_t>& bits, std::size_t from) {
    for (std::size_t word = from / 64; word < bits.size(); from = ++word * 64) {
      const std::uint64_t rest = bits[word] >> from % 64;
      if (rest != 0) return static_cast<FrameId>(from + static_cast<unsigned>(std::countr_zero(rest)));
    }
    return no_frame;
  }
  [[nodiscard]] FrameId first_from(FrameId from) const {
    if (from / 64 >= frames_.size()) return no_frame;
    const std::uint64_t rest = frames_[from / 64] >> from % 64;
    if (rest != 0) return from + static_cast<FrameId>(std::countr_zero(rest));
    const FrameId word = first_bit(words_, from / 64 + 1);
    return word == no_frame ? no_frame : first_bit(frames_, std::size_t{word} * 64);
  }

  std::vector<std::uint64_t> frames_;  ///< a bit a frame
  std::vector<std::uint64_t> words_;   ///< a bit a word of `frames_` that is not 0
  std::size_t count_ = 0;
  FrameId next_ = 0;
};

}  // namespace chimera::devices
