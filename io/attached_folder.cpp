#include "io/attached_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "io/file_lock.h"
#include "io/kernel_file.h"

namespace chimera::io {
namespace {

/// A descriptor that is closed with it.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

using Refusal = Folder::Refusal;

/// A server goes on meanwhile only after that.
constexpr int most_lock_tries = 10;

class AttachedFolder final : public Folder {
 public:
  AttachedFolder(KernelLoop& loop, Descriptor folder, std::string path)
      : loop_(loop), folder_(std::move(folder)), path_(std::move(path)) {}

  std::expected<std::unique_ptr<File>, Refusal> open(const std::string& path, bool read_only) override;
  void forget() noexcept override {
    for (KernelFile* const file : *opened_) file->forget();
  }
  void abandon() noexcept override {
    forget();
    for (KernelFile* const file : *opened_) file->abandon();
  }

 private:
  [[nodiscard]] std::string below(const std::string& path) const { return fmt::format("{} below {}", path, path_); }
  [[nodiscard]] std::unexpected<Refusal> refuse(int error, const std::string& path) const;
  [[nodiscard]] std::expected<Descriptor, Refusal> find(const std::string& path) const;

  KernelLoop& loop_;
  Descriptor folder_;
  std::string path_;
  std::shared_ptr<KernelFile::Opened> opened_ = std::make_shared<KernelFile::Opened>();
};

std::unexpected<Refusal> AttachedFolder::refuse(int error, const std::string& path) const {
  const auto because = [&](Status status, std::string_view what) {
    return std::unexpected(Refusal{status, fmt::format("{} {}", below(path), what)});
  };
  switch (error) {
    case ENOENT: return because(Status::not_found, "is not there");
    case ENOTDIR:
    case ELOOP: return because(Status::denied, "leads through a link, or through what is no folder");
    case EACCES:
    case EPERM:
    case EROFS: return because(Status::denied, fmt::format("may not be opened: {}", std::strerror(error)));
    case EBUSY: return because(Status::busy, "is mounted or in use by another process");
    default: return because(Status::io_error, fmt::format("cannot be opened: {}", std::strerror(error)));
  }
}

/// The place that a path leads to, marked and not opened.
std::expected<Descriptor, Refusal> AttachedFolder::find(const std::string& path) const {
  Descriptor at;
  std::string_view rest = path;
  for (bool more = true; more;) {
    const std::size_t slash = rest.find('/');
    const std::string name(rest.substr(0, slash));
    more = slash != std::string_view::npos;
    rest.remove_prefix(more ? slash + 1 : rest.size());
    if (name.empty() || name == "." || name == "..") {
      return std::unexpected(Refusal{Status::denied, fmt::format("\"{}\" is not a plain path below a folder", path)});
    }
    const int from = at.get() >= 0 ? at.get() : folder_.get();
    Descriptor next(::openat(from, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC | (more ? O_DIRECTORY : 0)));
    if (next.get() < 0) return refuse(errno, path);
    at = std::move(next);
  }
  return at;
}

std::expected<std::unique_ptr<File>, Refusal> AttachedFolder::open(const std::string& path, bool read_only) {
  auto place = find(path);
  if (!place) return std::unexpected(std::move(place.error()));
  struct stat found {};
  if (::fstat(place->get(), &found) != 0) return refuse(errno, path);
  if (S_ISLNK(found.st_mode)) return refuse(ELOOP, path);
  if (!S_ISREG(found.st_mode) && !S_ISBLK(found.st_mode)) {
    return std::unexpected(Refusal{Status::denied, below(path) + " is neither a file nor a block device"});
  }
  // On a block device O_EXCL asks the kernel for the whole device: it refuses one that is mounted, or a store.
  const int flags =
      (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY | (S_ISBLK(found.st_mode) && !read_only ? O_EXCL : 0);
  const std::string marked = fmt::format("/proc/self/fd/{}", place->get());
  Descriptor opened(::open(marked.c_str(), flags));
  if (opened.get() < 0) return refuse(errno, path);
  struct stat status {};
  if (::fstat(opened.get(), &status) != 0) return refuse(errno, path);
  if (status.st_dev != found.st_dev || status.st_ino != found.st_ino) return refuse(ELOOP, path);
  // The store's own file is under a lock already, and so is a file that another device serves.
  if (auto locked = lock_file(opened.get(), below(path), read_only, most_lock_tries); !locked) {
    const Status why = locked.error().is_busy ? Status::busy : Status::io_error;
    return std::unexpected(Refusal{why, std::move(locked.error().message)});
  }
  int error = 0;
  // The file's from now on, and closed by it where it could not be taken.
  auto file = KernelFile::take(loop_, opened.release(), opened_, error);
  if (file == nullptr) return refuse(error, path);
  return file;
}

}  // namespace

std::expected<std::shared_ptr<Folder>, std::string> attach_folder(KernelLoop& loop, const std::string& path) {
  Descriptor folder(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0) {
    return std::unexpected(fmt::format("'{}' cannot be attached as a folder: {}", path, std::strerror(errno)));
  }
  return std::make_shared<AttachedFolder>(loop, std::move(folder), path);
}

}  // namespace chimera::io
