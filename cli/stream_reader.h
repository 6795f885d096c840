#pragma once
// The instructions of a stream, one after the other, checked as bytes from outside are.

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <vector>

#include "cli/image_file.h"
#include "cli/stream_format.h"
#include "isa/instruction.h"

namespace chimera::cli {

class StreamReader {
 public:
  explicit StreamReader(const ImageFile& file) : file_(file) {}

  struct Next {
    Instruction instruction;              ///< a view, until the next call
    std::span<const std::uint8_t> bytes;  ///< its encoding
    StreamDigest::Value digest_before{};  ///< of all instructions before; of `outcome of token` only
  };
  /// The next instruction. The end, which is for `at_end`, and bytes that are none are errors.
  [[nodiscard]] std::expected<Next, std::string> next();
  /// Whether nothing follows.
  [[nodiscard]] std::expected<bool, std::string> at_end();
  /// Says that the last instruction is none that belongs there.
  [[nodiscard]] std::string misplaced() const;

 private:
  [[nodiscard]] std::expected<bool, std::string> fill(std::uint64_t wanted);
  [[nodiscard]] std::span<const std::uint8_t> unread() const { return std::span(buffer_).subspan(begin_); }

  const ImageFile& file_;
  std::vector<std::uint8_t> buffer_;
  std::size_t begin_ = 0;   ///< of what is unread in it
  std::size_t taken_ = 0;   ///< bytes of the last instruction, at the front of what is unread
  std::uint64_t read_ = 0;  ///< bytes of the file
  StreamDigest digest_;
};

}  // namespace chimera::cli
