#pragma once
// A file or block device that is served in place: not a store's disk, but somebody's bytes, of any length. KernelFile
// is one on the kernel's loop; tests have one on a simulated disk.

#include <cstdint>
#include <expected>
#include <memory>
#include <string>

#include "io/disk.h"
#include "isa/status.h"

namespace chimera::io {

class File {
 public:
  virtual ~File() = default;
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  /// Bytes, when it was opened.
  [[nodiscard]] virtual std::uint64_t length() const noexcept = 0;
  /// It cannot become longer than this.
  [[nodiscard]] virtual std::uint64_t most_length() const noexcept = 0;
  /// A block device: it never grows or shrinks.
  [[nodiscard]] virtual bool fixed_length() const noexcept = 0;
  /// As Disk::start, but the file ends at byte `end`: of a write what lies behind that is left out, of a read it is
  /// zeros. A write past the present end makes the file longer. EIO for bytes that were there and are gone.
  virtual void start(DiskRequest& request, std::uint64_t end) = 0;

  // At once, while no request is under way.
  /// Cuts the file off, or makes it longer by a hole. 0 or an errno.
  [[nodiscard]] virtual int set_length(std::uint64_t length) = 0;
  /// Makes a range of whole blocks a hole. 0 or an errno; EOPNOTSUPP where there are no holes.
  [[nodiscard]] virtual int punch(std::uint64_t offset, std::uint64_t count) = 0;

  /// From an offset to `end` the file holds data, or is a hole.
  struct Run {
    std::uint64_t end = 0;
    bool is_hole = false;
  };
  /// The run that begins at this offset; it may be told in several, and a file that does not know holds data.
  [[nodiscard]] virtual Run run_at(std::uint64_t offset) = 0;

 protected:
  File() = default;
};

/// Where files are served from, named by the operator. Nothing outside of it can be reached.
class Folder {
 public:
  virtual ~Folder() = default;
  struct Refusal {
    Status status;        ///< not_found, denied, unsupported, busy or io_error
    std::string message;  ///< a sentence without its stop
  };
  /// Opens a file by its path below the folder, and locks it for as long as it is open: for itself, or to be read by
  /// several. The loop that the folder was made with must outlive the file.
  [[nodiscard]] virtual std::expected<std::unique_ptr<File>, Refusal> open(const std::string& path, bool read_only) = 0;
  // For whoever was interrupted amid an operation by a lack of memory, and leaves its files as they are. Nothing may be
  // started in them any more.
  /// Nobody is told any more of what ends in files from here.
  virtual void forget() noexcept {}
  /// The same; waits for what is under way in them in the kernel, and gives up their locks.
  virtual void abandon() noexcept {}
};

}  // namespace chimera::io
