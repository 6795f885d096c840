#include "cli/image_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>
#include <vector>

#include "cli/output.h"
#include "devices/layout.h"
#include "isa/limits.h"

namespace chimera::cli {
namespace {

constexpr mode_t new_file_mode = 0666;  // less the umask

bool is_all_zeros(std::span<const std::uint8_t> bytes) {
  return bytes.empty() || (bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

}  // namespace

ImageFile::ImageFile(ImageFile&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      length_(other.length_),
      kind_(other.kind_),
      looked_at_(std::move(other.looked_at_)) {}

ImageFile::~ImageFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

std::unexpected<std::string> ImageFile::failure(const char* what, int error) const {
  return std::unexpected(fmt::format("Cannot {} {}: {}.", what, path_, std::strerror(error)));
}

ImageFile::Result<> ImageFile::measure() {
  struct stat status {};
  if (fstat(descriptor_, &status) != 0) return failure("look at", errno);
  if (S_ISBLK(status.st_mode)) kind_ = Kind::block_device;
  if (!is_block_device() && !S_ISREG(status.st_mode)) {
    return std::unexpected(fmt::format("{} is neither a file nor a block device.", path_));
  }
  length_ = static_cast<std::uint64_t>(status.st_size);
  if (is_block_device() && ioctl(descriptor_, BLKGETSIZE64, &length_) != 0) return failure("measure", errno);
  return {};
}

ImageFile::Result<ImageFile> ImageFile::open_source(const std::string& path) {
  if (path == standard_stream) {
    ImageFile input("standard input", fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0));
    if (input.descriptor_ < 0) return input.failure("open", errno);
    // A file that was redirected, and is at its beginning, has its holes and its length.
    const bool is_at_begin = lseek(input.descriptor_, 0, SEEK_CUR) == 0;
    if (!is_at_begin || !input.measure()) input.kind_ = Kind::stream;
    return input;
  }
  ImageFile file(path, open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.descriptor_ < 0) return file.failure("open", errno);
  if (auto measured = file.measure(); !measured) return std::unexpected(measured.error());
  return file;
}

ImageFile::Result<ImageFile> ImageFile::open_standard_output(std::uint64_t length) {
  if (isatty(STDOUT_FILENO) == 1) {
    return std::unexpected("Standard output is a terminal: send it to a file or to another command.");
  }
  ImageFile output("standard output", -1);
  output.kind_ = Kind::stream;
  output.length_ = length;
  return output;
}

ImageFile::Result<ImageFile> ImageFile::open_target(const std::string& path, std::uint64_t length, bool force) {
  if (path == standard_stream) return open_standard_output(length);
  struct stat status {};
  const bool exists = stat(path.c_str(), &status) == 0;
  if (exists && !force) {
    return std::unexpected(fmt::format("{} exists already: with --force it is overwritten.", path));
  }
  if (exists) {
    ImageFile file(path, open(path.c_str(), O_RDWR | O_CLOEXEC));
    if (file.descriptor_ < 0) return file.failure("open", errno);
    if (auto measured = file.measure(); !measured) return std::unexpected(measured.error());
    if (file.is_block_device()) {
      if (file.length_ < length) {
        return std::unexpected(fmt::format("{} has {} bytes, but {} are to be written.", path, file.length_, length));
      }
      file.length_ = length;
      return file;
    }
    if (file.holds_store()) {
      return std::unexpected(fmt::format("{} holds a store: remove it first, if it is to be overwritten.", path));
    }
  }
  // What a link leads to is replaced, not the link.
  std::error_code ignored;
  ImageFile file(exists ? std::filesystem::canonical(path, ignored).string() : path, -1);
  // One is left from an export that was killed.
  unlink(file.partial_path().c_str());
  file.descriptor_ = open(file.partial_path().c_str(), O_RDWR | O_CLOEXEC | O_CREAT | O_EXCL, new_file_mode);
  if (file.descriptor_ < 0) return file.failure("open", errno);
  if (exists) static_cast<void>(fchmod(file.descriptor_, status.st_mode & 07777));
  if (ftruncate(file.descriptor_, static_cast<off_t>(length)) != 0) {
    const int error = errno;
    file.discard();
    return file.failure("size", error);
  }
  file.length_ = length;
  return file;
}

bool ImageFile::holds_store() const {
  std::array<char, sizeof devices::Superblock::right_magic> start{};
  const ssize_t got = pread(descriptor_, start.data(), start.size(), 0);
  return got == static_cast<ssize_t>(start.size()) && start == devices::Superblock::right_magic;
}

ImageFile::Result<std::optional<Range>> ImageFile::next_data(std::uint64_t offset) const {
  if (offset >= length_) return std::nullopt;
  if (is_block_device()) return Range{offset, length_};
  const off_t begin = lseek(descriptor_, static_cast<off_t>(offset), SEEK_DATA);
  if (begin < 0 && errno == ENXIO) return std::nullopt;
  if (begin < 0) return Range{offset, length_};  // a file system that does not tell
  const off_t end = lseek(descriptor_, begin, SEEK_HOLE);
  const std::uint64_t known_end = end < 0 ? length_ : std::min(static_cast<std::uint64_t>(end), length_);
  if (static_cast<std::uint64_t>(begin) >= known_end) return std::nullopt;
  return Range{static_cast<std::uint64_t>(begin), known_end};
}

ImageFile::Result<> ImageFile::read(std::uint64_t offset, std::span<std::uint8_t> out) const {
  while (!out.empty()) {
    const ssize_t got = pread(descriptor_, out.data(), out.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failure("read", errno);
    if (got == 0) return std::unexpected(fmt::format("{} became shorter while it was being read.", path_));
    out = out.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
  return {};
}

ImageFile::Result<std::size_t> ImageFile::read_next(std::span<std::uint8_t> out) const {
  std::size_t done = std::min(looked_at_.size(), out.size());
  std::copy_n(looked_at_.begin(), done, out.begin());
  looked_at_.erase(looked_at_.begin(), looked_at_.begin() + static_cast<std::ptrdiff_t>(done));
  while (done < out.size()) {
    const ssize_t got = ::read(descriptor_, out.data() + done, out.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failure("read", errno);
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

ImageFile::Result<bool> ImageFile::begins_with(std::span<const std::uint8_t> bytes) const {
  std::vector<std::uint8_t> start(bytes.size());
  if (is_stream()) {
    const auto got = read_next(start);
    if (!got) return std::unexpected(got.error());
    start.resize(*got);
    looked_at_.insert(looked_at_.begin(), start.begin(), start.end());
  } else if (length_ < bytes.size()) {
    return false;
  } else if (auto got = read(0, start); !got) {
    return std::unexpected(got.error());
  }
  return std::ranges::equal(start, bytes);
}

/// Through stdout, which knows what to do when its reader has gone.
ImageFile::Result<> ImageFile::write_stream(std::span<const std::uint8_t> bytes) const {
  const bool is_written = std::fwrite(bytes.data(), 1, bytes.size(), stdout) == bytes.size();
  if (!is_written || output_is_closed()) return failure("write", output_is_closed() ? EPIPE : errno);
  return {};
}

ImageFile::Result<> ImageFile::write(std::uint64_t offset, std::span<const std::uint8_t> bytes) const {
  if (is_stream()) return write_stream(bytes);
  while (!bytes.empty()) {
    const ssize_t put = pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return failure("write", put < 0 ? errno : EIO);
    bytes = bytes.subspan(static_cast<std::size_t>(put));
    offset += static_cast<std::uint64_t>(put);
  }
  return {};
}

ImageFile::Result<> ImageFile::write_zeros(std::uint64_t offset, std::uint64_t count) const {
  if (starts_empty() || count == 0) return {};
  for (const int mode : {FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE}) {
    if (is_block_device() && fallocate(descriptor_, mode, static_cast<off_t>(offset), static_cast<off_t>(count)) == 0)
      return {};
  }
  const std::vector<std::uint8_t> zeros(std::min<std::uint64_t>(count, 1 << 20));
  for (std::uint64_t done = 0; done < count;) {
    const auto piece = std::span(zeros).first(std::min<std::uint64_t>(zeros.size(), count - done));
    if (auto written = write(offset + done, piece); !written) return written;
    done += piece.size();
  }
  return {};
}

ImageFile::Result<> ImageFile::sync() const {
  if (is_stream()) {
    if (std::fflush(stdout) != 0) return failure("write", errno);
    return {};
  }
  if (fsync(descriptor_) != 0) return failure("write", errno);
  return {};
}

ImageFile::Result<> ImageFile::keep() const {
  if (kind_ == Kind::file && ::rename(partial_path().c_str(), path_.c_str()) != 0) return failure("replace", errno);
  return {};
}

void ImageFile::discard() const {
  if (kind_ == Kind::file) unlink(partial_path().c_str());
}

bool is_same_file(const std::string& one, const std::string& other) {
  struct stat first {};
  struct stat second {};
  return stat(one.c_str(), &first) == 0 && stat(other.c_str(), &second) == 0 && first.st_dev == second.st_dev &&
         first.st_ino == second.st_ino;
}

void for_each_data_run(std::span<const std::uint8_t> bytes,
                       const std::function<void(std::size_t offset, std::span<const std::uint8_t> run)>& found) {
  std::size_t run_begin = 0;
  bool in_run = false;
  for (std::size_t at = 0; at < bytes.size(); at += limits::block_size) {
    const auto block = bytes.subspan(at, std::min<std::size_t>(limits::block_size, bytes.size() - at));
    const bool is_data = !is_all_zeros(block);
    if (is_data && !in_run) run_begin = at;
    if (!is_data && in_run) found(run_begin, bytes.subspan(run_begin, at - run_begin));
    in_run = is_data;
  }
  if (in_run) found(run_begin, bytes.subspan(run_begin));
}

}  // namespace chimera::cli
