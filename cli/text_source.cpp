#include "cli/text_source.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "cli/image_file.h"

namespace chimera::cli {
namespace {

/// Closes what is not standard input.
struct Descriptor {
  int number;
  ~Descriptor() {
    if (number != STDIN_FILENO) ::close(number);
  }
};

std::string cannot_read(const std::string& name) {
  return fmt::format("Cannot read {}: {}.", name, std::strerror(errno));
}

}  // namespace

TextSource::TextSource(std::string name, Read read, std::size_t piece)
    : name_(std::move(name)), read_(std::move(read)), buffer_(piece) {}

std::expected<TextSource, std::string> TextSource::open(const std::string& path) {
  const bool is_input = path == standard_stream;
  const std::string name = is_input ? "standard input" : path;
  const int number = is_input ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (number < 0) return std::unexpected(cannot_read(name));
  const auto descriptor = std::shared_ptr<Descriptor>(new Descriptor{number});
  struct stat status {};
  if (::fstat(number, &status) != 0) return std::unexpected(cannot_read(name));
  if (S_ISDIR(status.st_mode)) return std::unexpected(fmt::format("{} is a folder.", name));
  TextSource source(name, [descriptor, name](std::span<char> room) -> std::expected<std::size_t, std::string> {
    for (;;) {
      const ssize_t size = ::read(descriptor->number, room.data(), room.size());
      if (size >= 0) return static_cast<std::size_t>(size);
      if (errno != EINTR) return std::unexpected(cannot_read(name));
    }
  });
  if (S_ISREG(status.st_mode)) source.length_ = static_cast<std::uint64_t>(status.st_size);
  return source;
}

void TextSource::show_progress(std::string label) {
  bar_ = std::make_unique<ProgressBar>(std::move(label), length_.value_or(0));
}

std::expected<void, std::string> TextSource::more() {
  if (has_ended_) return {};
  if (bar_) bar_->show(taken_);
  const std::size_t unread = end_ - begin_;
  if (unread >= most_unread) {
    return std::unexpected(fmt::format("A row of {} is longer than {} MiB.", name_, most_unread >> 20));
  }
  if (begin_ > 0) std::memmove(buffer_.data(), buffer_.data() + begin_, unread);
  begin_ = 0;
  end_ = unread;
  if (end_ == buffer_.size()) buffer_.resize(2 * buffer_.size());
  const auto size = read_(std::span(buffer_).subspan(end_));
  if (!size) return std::unexpected(size.error());
  end_ += *size;
  has_ended_ = *size == 0;
  return {};
}

void TextSource::take(std::size_t size) {
  begin_ += size;
  taken_ += size;
}

}  // namespace chimera::cli
