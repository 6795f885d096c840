#pragma once
// The answers to a script, in one buffer. Used again and again it allocates nothing.

#include <cassert>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "isa/answer.h"
#include "isa/bytes.h"
#include "tables/link.h"
#include "tables/script.h"

namespace chimera::tables {

class Answers {
 public:
  using Bytes = std::span<const std::uint8_t>;

  /// Answers that there are: as many as the script has instructions, unless the other side went away.
  [[nodiscard]] std::size_t size() const { return ends_.size(); }
  [[nodiscard]] Status status(std::size_t instruction) const {
    return static_cast<Status>(stream_[begin_of(instruction)]);
  }
  [[nodiscard]] bool ok(std::size_t instruction) const { return status(instruction) == Status::ok; }
  /// The result of an instruction that succeeded (asserted): a view that holds until the answers are used again.
  [[nodiscard]] Bytes bytes(std::size_t instruction) const {
    const std::size_t begin = begin_of(instruction);
    assert(stream_[begin] == 0);
    return Bytes(stream_).subspan(begin + 1, ends_[instruction] - begin - 1);
  }
  /// A result of 8 bytes, or the first 8 of it.
  [[nodiscard]] std::uint64_t u64(std::size_t instruction) const {
    const Bytes result = bytes(instruction);
    assert(result.size() >= sizeof(std::uint64_t));
    return load<std::uint64_t>(result.data());
  }
  /// As isa's functions pick it apart (uuid_of, extents_of, text_of, …).
  [[nodiscard]] Answer operator[](std::size_t instruction) const;

  // For those who implement Link.

  /// Empties it: the answers to a script are appended to this.
  [[nodiscard]] std::vector<std::uint8_t>& start() {
    stream_.clear();
    ends_.clear();
    return stream_;
  }
  /// Finds the answers to `script` in what has been appended, of which there may be fewer if the stream has ended.
  [[nodiscard]] Result<> finish(const Script& script);
  /// Takes answers to `script` that have not been taken yet from the front of `stream`, as far as they are whole. How
  /// many bytes that were; none if what stands there is no answer.
  [[nodiscard]] std::optional<std::size_t> take(const Script& script, Bytes stream);
  /// All is well, and all results are zeros.
  [[nodiscard]] Result<> pretend(const Script& script);
  /// When all of them have been taken, or no more come.
  [[nodiscard]] Result<> outcome(const Script& script) const;

 private:
  [[nodiscard]] std::size_t begin_of(std::size_t instruction) const {
    assert(instruction < ends_.size());
    return instruction == 0 ? 0 : ends_[instruction - 1];
  }

  std::vector<std::uint8_t> stream_;
  std::vector<std::size_t> ends_;
};

/// "Not found: no device is called "disk0"." and, where there is a note, what the instruction was for.
[[nodiscard]] Failure failure_of(const Script& script, std::size_t instruction, const Answer& answer);

/// Of a read of a device that has come upon damage: the same with the device's name. Others as they are.
[[nodiscard]] Failure damage_of(std::string_view device, Failure failure);

}  // namespace chimera::tables
