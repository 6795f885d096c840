#include "vm/fast_path.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "isa/bytes.h"
#include "isa/limits.h"

namespace chimera::vm {
namespace {

using devices::Device;

constexpr std::uint64_t block_size = limits::block_size;
/// Reads of more bytes are the dispatcher's, so that no answer is longer than this and its status.
constexpr std::uint32_t largest_read = limits::block_size;
/// Answers of one run, so that the room made for them stays small.
constexpr std::size_t most_answer_bytes = 64 << 10;
constexpr std::uint8_t check_bytes_opcode = 0x1B;

constexpr bool is_hot(std::uint8_t opcode) {
  return opcode <= 0x03 || (opcode >= 0x10 && opcode <= 0x13) || (opcode >= 0x20 && opcode <= 0x22) || opcode == 0x24 ||
         opcode == check_bytes_opcode;
}

/// One run over a stream. Each `read_…` runs the instruction at `at` and moves behind it, or returns false with
/// nothing changed but the current device, which the dispatcher will set again.
class Runner {
 public:
  Runner(std::span<const std::uint8_t> stream, Registers& registers, std::uint8_t* out)
      : registers_(registers),
        current_(registers.current()),
        begin_(stream.data()),
        at_(begin_),
        end_(begin_ + stream.size()),
        out_(out) {}

  void run(const std::uint8_t* out_limit, std::uint32_t& instructions) {
    while (instructions > 0 && at_ < end_ && out_ < out_limit) {
      const std::size_t row = *at_ == check_bytes_opcode ? 3 : *at_ >> 4;
      const std::uint32_t left = instructions;
      if (!read_one(out_limit, instructions)) break;
      --instructions;
      ran_[row] += left - instructions;
    }
    if (current_ != nullptr) registers_.make_current(current_);
  }

  [[nodiscard]] std::size_t consumed() const { return static_cast<std::size_t>(at_ - begin_); }
  [[nodiscard]] const std::uint8_t* out() const { return out_; }
  /// Tells how many instructions have been run. For all of them together: one by one it would be felt.
  void count(Statistics& statistics) const {
    constexpr std::array operations{Operation::read_byte, Operation::read_bytes, Operation::read_block,
                                    Operation::check_bytes};
    for (std::size_t row = 0; row < operations.size(); ++row) {
      statistics.instructions_of(operations[row]) += ran_[row];
      statistics.short_reads += ran_[row];
      statistics.found_blocks += ran_[row];
    }
  }

 private:
  bool read_one(const std::uint8_t* out_limit, std::uint32_t& instructions) {
    switch (*at_) {
      case 0x00: return read_bytes_one_by_one(out_limit, instructions);
      case 0x01: return read_byte<true, false>();
      case 0x02: return read_byte<false, true>();
      case 0x03: return read_side_by_side<0x03, 1>(out_limit, instructions);
      case 0x10: return read_bytes<false, false>();
      case 0x11: return read_bytes<true, false>();
      case 0x12: return read_bytes<false, true>();
      case 0x13: return read_bytes<true, true>();
      case check_bytes_opcode: return check_bytes();
      case 0x20: return read_side_by_side<0x20, block_size>(out_limit, instructions);
      case 0x21: return read_block<true, false>();
      case 0x22: return read_block<false, true>();
      case 0x24: return read_block<false, false>();
      default: return false;
    }
  }

  template <bool has_device, bool has_offset>
  static constexpr std::size_t addressed_size = 1 + (has_device ? sizeof(Uuid) : 0) +
                                                (has_offset ? sizeof(std::uint64_t) : 0);

  /// The instruction's device, made current, and its offset. A missing cursor is an offset past every length.
  template <bool has_device, bool has_offset>
  bool address(std::size_t size, std::uint64_t& offset) {
    if (static_cast<std::size_t>(end_ - at_) < size) return false;
    if constexpr (has_device) {
      Handle* const handle = registers_.find(at_ + 1);
      if (handle == nullptr) return false;
      current_ = handle;
    } else {
      if (current_ == nullptr) return false;
    }
    if constexpr (has_offset) {
      offset = load<std::uint64_t>(at_ + 1 + (has_device ? sizeof(Uuid) : 0));
    } else {
      offset = current_->cursor;
    }
    return true;
  }

  /// The bytes of a block of the current device that begins below its length, or null.
  const std::uint8_t* bytes_of(std::uint64_t block) {
    if (window_bytes_ != nullptr && block == window_block_ && current_->device == window_device_) return window_bytes_;
    window_device_ = current_->device;
    window_block_ = block;
    window_bytes_ = window_device_->peek(block);
    return window_bytes_;
  }

  template <bool has_device, bool has_offset>
  bool read_byte() {
    constexpr std::size_t size = addressed_size<has_device, has_offset>;
    std::uint64_t offset = 0;
    if (!address<has_device, has_offset>(size, offset) || offset >= current_->device->length()) return false;
    const std::uint8_t* const bytes = bytes_of(offset / block_size);
    if (bytes == nullptr) return false;
    out_[0] = 0;
    out_[1] = bytes[offset % block_size];
    out_ += 2;
    current_->device->count_read(1);
    current_->cursor = offset + 1;
    at_ += size;
    return true;
  }

  /// A run of the one-byte instruction within one block. Counts all of them but one.
  bool read_bytes_one_by_one(const std::uint8_t* out_limit, std::uint32_t& instructions) {
    if (current_ == nullptr || current_->cursor >= current_->device->length()) return false;
    const std::uint64_t offset = current_->cursor;
    const std::uint8_t* const bytes = bytes_of(offset / block_size);
    if (bytes == nullptr) return false;
    const std::uint64_t most = std::min<std::uint64_t>(
        {instructions, static_cast<std::uint64_t>(end_ - at_), static_cast<std::uint64_t>(out_limit - out_ + 1) / 2,
         block_size - offset % block_size, current_->device->length() - offset});
    const std::uint8_t* const from = bytes + offset % block_size;
    std::size_t ran = 0;
    for (; ran < most && at_[ran] == 0x00; ++ran) {
      out_[2 * ran] = 0;
      out_[2 * ran + 1] = from[ran];
    }
    out_ += 2 * ran;
    at_ += ran;
    current_->device->count_read(ran, ran);
    current_->cursor = offset + ran;
    instructions -= static_cast<std::uint32_t>(ran - 1);
    return true;
  }

  /// A run of the fullest form of read byte or read block (`result_size` tells which), whose look-ups miss the
  /// processor's caches: they are done step by step for a batch, so that the misses overlap. Counts all of them but
  /// one.
  template <std::uint8_t opcode, std::size_t result_size>
  bool read_side_by_side(const std::uint8_t* out_limit, std::uint32_t& instructions) {
    constexpr std::size_t size = addressed_size<true, true>;
    constexpr std::size_t answer_size = 1 + result_size;
    constexpr std::size_t most = result_size == 1 ? 32 : 16;
    const std::size_t fits =
        std::min<std::size_t>({most, instructions, static_cast<std::size_t>(end_ - at_) / size,
                               (static_cast<std::size_t>(out_limit - out_) + answer_size - 1) / answer_size});
    Handle* handles[most];
    std::size_t count = 0;
    for (; count < fits && at_[count * size] == opcode; ++count) {
      handles[count] = registers_.find(at_ + count * size + 1);
      if (handles[count] == nullptr) break;
    }
    const std::uint8_t* sources[most];
    std::uint64_t offsets[most];
    for (std::size_t i = 0; i < count; ++i) offsets[i] = load<std::uint64_t>(at_ + i * size + 1 + sizeof(Uuid));
    if constexpr (result_size == block_size) {
      Device::Place places[most];
      for (std::size_t i = 0; i < count; ++i) places[i] = handles[i]->device->locate(offsets[i] / block_size);
      for (std::size_t i = 0; i < count; ++i) handles[i]->device->approach(places[i]);
    }
    for (std::size_t i = 0; i < count; ++i) {
      sources[i] = source_of(*handles[i]->device, offsets[i], result_size);
      if (sources[i] == nullptr) count = i;
    }
    if (count == 0) return false;
    std::size_t counted = 0;
    for (std::size_t i = 0; i < count; ++i) {
      out_[0] = 0;
      std::memcpy(out_ + 1, sources[i], result_size);
      out_ += answer_size;
      handles[i]->cursor = offsets[i] + result_size;
      // Together for those of one device that follow each other: one by one it would be felt.
      if (i + 1 < count && handles[i + 1] == handles[i]) continue;
      handles[i]->device->count_read((i + 1 - counted) * result_size, i + 1 - counted);
      counted = i + 1;
    }
    current_ = handles[count - 1];
    at_ += count * size;
    instructions -= static_cast<std::uint32_t>(count - 1);
    return true;
  }

  /// Where one byte or a whole block at the offset is in memory, on its way into the processor's caches; or null.
  static const std::uint8_t* source_of(const Device& device, std::uint64_t offset, std::size_t size) {
    if (offset >= device.length() || offset % size != 0) return nullptr;
    const std::uint8_t* const bytes = device.peek(offset / block_size);
    if (bytes == nullptr) return nullptr;
    const std::uint8_t* const source = bytes + offset % block_size;
    __builtin_prefetch(source);
    return source;
  }

  template <bool has_device, bool has_offset>
  bool read_bytes() {
    constexpr std::size_t size = addressed_size<has_device, has_offset> + sizeof(std::uint32_t);
    std::uint64_t offset = 0;
    if (!address<has_device, has_offset>(size, offset)) return false;
    const auto count = load<std::uint32_t>(at_ + size - sizeof(std::uint32_t));
    const std::uint64_t length = current_->device->length();
    if (count == 0 || count > largest_read || offset > length || count > length - offset) return false;
    const std::size_t in_block = offset % block_size;
    const std::size_t first_part = std::min<std::size_t>(count, block_size - in_block);
    const std::uint8_t* const first = bytes_of(offset / block_size);
    if (first == nullptr) return false;
    if (first_part < count) {
      const std::uint8_t* const second = bytes_of(offset / block_size + 1);
      if (second == nullptr) return false;
      std::memcpy(out_ + 1 + first_part, second, count - first_part);
    }
    out_[0] = 0;
    std::memcpy(out_ + 1, first + in_block, first_part);
    out_ += 1 + count;
    current_->device->count_read(count);
    current_->cursor = offset + count;
    at_ += size;
    return true;
  }

  /// In its fullest form, within one block: who reads a few places at one moment has one in front and one behind.
  bool check_bytes() {
    constexpr std::size_t front = addressed_size<true, true> + sizeof(std::uint32_t);
    std::uint64_t offset = 0;
    if (!address<true, true>(front, offset)) return false;
    const auto count = load<std::uint32_t>(at_ + front - sizeof(std::uint32_t));
    const std::uint64_t length = current_->device->length();
    if (count == 0 || offset > length || count > length - offset) return false;
    if (count > block_size - offset % block_size || static_cast<std::size_t>(end_ - at_) - front < count) return false;
    const std::uint8_t* const bytes = bytes_of(offset / block_size);
    if (bytes == nullptr || std::memcmp(bytes + offset % block_size, at_ + front, count) != 0) return false;
    *out_++ = 0;
    current_->device->count_read(count);
    current_->cursor = offset + count;
    at_ += front + count;
    return true;
  }

  template <bool has_device, bool has_offset>
  bool read_block() {
    constexpr std::size_t size = addressed_size<has_device, has_offset>;
    std::uint64_t offset = 0;
    if (!address<has_device, has_offset>(size, offset)) return false;
    if (offset % block_size != 0 || offset >= current_->device->length()) return false;
    const std::uint8_t* const bytes = bytes_of(offset / block_size);
    if (bytes == nullptr) return false;
    out_[0] = 0;
    std::memcpy(out_ + 1, bytes, block_size);
    out_ += 1 + block_size;
    current_->device->count_read(block_size);
    current_->cursor = offset + block_size;
    at_ += size;
    return true;
  }

  Registers& registers_;
  Handle* current_;
  const std::uint8_t* begin_;
  const std::uint8_t* at_;
  const std::uint8_t* end_;
  std::uint8_t* out_;
  std::array<std::uint64_t, 4> ran_{};  ///< instructions, by the upper half of their opcode; checks are the last
  /// The block that was last looked up. Only reads run here, so it stays where it is.
  const Device* window_device_ = nullptr;
  std::uint64_t window_block_ = 0;
  const std::uint8_t* window_bytes_ = nullptr;
};

}  // namespace

std::size_t FastPath::run(std::span<const std::uint8_t> stream, std::size_t answer_bytes, std::uint32_t& instructions) {
  if (stream.empty() || !is_hot(stream.front())) return 0;
  const std::size_t limit = std::min(answer_bytes, most_answer_bytes);
  std::uint8_t* const out = answers_.room(limit + 1 + largest_read);
  Runner runner(stream, registers_, out);
  runner.run(out + limit, instructions);
  runner.count(statistics_);
  answers_.commit(static_cast<std::size_t>(runner.out() - out));
  return runner.consumed();
}

}  // namespace chimera::vm
