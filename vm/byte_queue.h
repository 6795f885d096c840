#pragma once
// Bytes that come at one end and go at the other, always in one piece: a session's unread input and untaken answers.

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

namespace chimera::vm {

class ByteQueue {
 public:
  [[nodiscard]] std::size_t size() const { return end_ - begin_; }
  [[nodiscard]] bool empty() const { return end_ == begin_; }
  [[nodiscard]] std::span<const std::uint8_t> bytes() const { return {storage_.get() + begin_, size()}; }

  /// Room for at least `size` bytes behind the last one; `commit` says how many were put there.
  /// What `bytes` gave before is no longer valid.
  [[nodiscard]] std::uint8_t* room(std::size_t size) {
    if (capacity_ - end_ < size) make_room(size);
    return storage_.get() + end_;
  }
  /// What the last `room` gave.
  [[nodiscard]] std::size_t room_size() const { return capacity_ - end_; }
  void commit(std::size_t size) {
    assert(size <= capacity_ - end_);
    end_ += size;
  }

  void append(std::span<const std::uint8_t> bytes) {
    if (bytes.empty()) return;
    std::memcpy(room(bytes.size()), bytes.data(), bytes.size());
    commit(bytes.size());
  }

  void drop(std::size_t size) {
    assert(size <= this->size());
    begin_ += size;
    if (begin_ != end_) return;
    begin_ = end_ = 0;
    if (capacity_ > kept_capacity) {
      storage_.reset();
      capacity_ = 0;
    }
  }
  /// Only so many bytes stay, the first ones.
  void truncate(std::size_t size) {
    assert(size <= this->size());
    end_ = begin_ + size;
  }
  void clear() { drop(size()); }
  /// Gives back what storage is left over from more than there is now. What `bytes` gave before is no longer valid.
  void fit() {
    const std::size_t capacity = std::max(kept_capacity, size());
    if (capacity_ > 2 * capacity) move_to(capacity);
  }

 private:
  /// An empty queue gives larger storage back, or thousands of sessions would each keep what one transfer took. A
  /// server sees to it that the C library keeps some of it at hand: cleared anew by the kernel each time it would be
  /// felt.
  static constexpr std::size_t kept_capacity = 16 << 10;
  static constexpr std::size_t smallest_capacity = 4096;

  void make_room(std::size_t size) {
    const std::size_t held = this->size();
    // Moving what is held to the front pays only where that is little beside what becomes free.
    if (begin_ >= held && capacity_ - held >= size) {
      std::memcpy(storage_.get(), storage_.get() + begin_, held);
      begin_ = 0;
      end_ = held;
    } else {
      move_to(std::max({smallest_capacity, held + size, 2 * held}));
    }
  }

  void move_to(std::size_t capacity) {
    const std::size_t held = size();
    auto storage = std::make_unique_for_overwrite<std::uint8_t[]>(capacity);
    if (held > 0) std::memcpy(storage.get(), storage_.get() + begin_, held);
    storage_ = std::move(storage);
    capacity_ = capacity;
    begin_ = 0;
    end_ = held;
  }

  std::unique_ptr<std::uint8_t[]> storage_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0, end_ = 0;
};

}  // namespace chimera::vm
