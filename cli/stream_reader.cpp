#include "cli/stream_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "isa/decoder.h"

namespace chimera::cli {
namespace {

constexpr std::size_t chunk = 1 << 20;

}  // namespace

/// Has so many bytes unread, if there are so many; more are read than that, so that there are few reads.
std::expected<bool, std::string> StreamReader::fill(std::uint64_t wanted) {
  if (unread().size() >= wanted) return true;
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(std::exchange(begin_, 0)));
  const std::size_t before = buffer_.size();
  std::size_t more = std::max<std::size_t>(wanted - before, chunk);
  if (!file_.is_stream()) more = std::min<std::uint64_t>(more, file_.length() - read_);
  buffer_.resize(before + more);
  const std::span<std::uint8_t> to = std::span(buffer_).subspan(before);
  if (file_.is_stream()) {
    const auto got = file_.read_next(to);
    if (!got) return std::unexpected(got.error());
    buffer_.resize(before + *got);
  } else if (auto got = file_.read(read_, to); !got) {
    return std::unexpected(got.error());
  }
  read_ += buffer_.size() - before;
  return buffer_.size() >= wanted;
}

std::expected<StreamReader::Next, std::string> StreamReader::next() {
  digest_.add(unread().first(taken_));
  begin_ += std::exchange(taken_, 0);
  Next next;
  for (std::uint64_t wanted = 1;;) {
    const auto filled = fill(wanted);
    if (!filled) return std::unexpected(filled.error());
    if (!*filled) return std::unexpected(fmt::format("The stream is cut off at its byte {}.", read_));
    const Decoded decoded = decode(unread(), next.instruction);
    if (decoded.kind == Decoded::Kind::incomplete) {
      wanted = decoded.size;
      continue;
    }
    if (decoded.kind != Decoded::Kind::complete) return std::unexpected(misplaced());
    taken_ = static_cast<std::size_t>(decoded.size);
    next.bytes = unread().first(taken_);
    if (next.instruction.operation == Operation::outcome_of_token) next.digest_before = digest_.value();
    return next;
  }
}

std::expected<bool, std::string> StreamReader::at_end() {
  const auto more = fill(taken_ + 1);
  if (!more) return std::unexpected(more.error());
  return !*more;
}

std::string StreamReader::misplaced() const {
  return fmt::format("The stream is damaged: at its byte {} stands what belongs in none.", read_ - unread().size());
}

}  // namespace chimera::cli
