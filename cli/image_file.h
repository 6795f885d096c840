#pragma once
// A disk image outside of any store: a regular file or a block device, read or written with its holes; or a stream
// from standard input or to standard output, whose holes are zeros.

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace chimera::cli {

struct Range {
  std::uint64_t begin, end;
};

/// Owns the descriptor. Errors are whole sentences that name the file.
class ImageFile {
 public:
  template <typename Value = void>
  using Result = std::expected<Value, std::string>;

  /// For reading; "-" is standard input.
  [[nodiscard]] static Result<ImageFile> open_source(const std::string& path);
  /// For writing an image of `length` bytes. A file that exists is replaced, and a block device written, only with
  /// `force`, and never a file that holds a store; a block device has to be long enough. A file is written beside its
  /// place, as NAME.partial, until `keep`. "-" is standard output, unless that is a terminal.
  [[nodiscard]] static Result<ImageFile> open_target(const std::string& path, std::uint64_t length, bool force);
  ImageFile(ImageFile&& other) noexcept;
  ImageFile& operator=(ImageFile&&) = delete;
  ~ImageFile();

  /// A stream: it is written from its beginning to its end, and read by `read_next`; a source has no length.
  [[nodiscard]] bool is_stream() const { return kind_ == Kind::stream; }
  [[nodiscard]] bool is_block_device() const { return kind_ == Kind::block_device; }
  /// Of the image: of a source all that is there, of a target what it was opened for.
  [[nodiscard]] std::uint64_t length() const { return length_; }
  /// Whether it was all holes when it was opened as a target: then zeros need not be written.
  [[nodiscard]] bool starts_empty() const { return kind_ == Kind::file; }
  /// The next stretch at or behind `offset` that is not a hole; nothing where only holes are left.
  [[nodiscard]] Result<std::optional<Range>> next_data(std::uint64_t offset) const;
  /// Fills `out` from `offset`; the end of the file within it is an error.
  [[nodiscard]] Result<> read(std::uint64_t offset, std::span<std::uint8_t> out) const;
  /// Fills `out` from a stream; returns how many bytes there were, fewer than asked for at its end only.
  [[nodiscard]] Result<std::size_t> read_next(std::span<std::uint8_t> out) const;
  /// Whether a source begins with these bytes. Of a stream they are still to be read.
  [[nodiscard]] Result<bool> begins_with(std::span<const std::uint8_t> bytes) const;
  [[nodiscard]] Result<> write(std::uint64_t offset, std::span<const std::uint8_t> bytes) const;
  /// Makes a stretch of a target read as zeros; nothing is to be done in a file that is all hole at first.
  [[nodiscard]] Result<> write_zeros(std::uint64_t offset, std::uint64_t count) const;
  /// Everything written is durable.
  [[nodiscard]] Result<> sync() const;
  /// Puts the file that open_target made in its place.
  [[nodiscard]] Result<> keep() const;
  /// Where it is until then, and stays unless it is kept or discarded.
  [[nodiscard]] std::string place_before() const { return kind_ == Kind::file ? partial_path() : path_; }
  /// Removes it instead; what was in its place before is still there. Leaves a block device.
  void discard() const;

 private:
  enum class Kind : std::uint8_t { file, block_device, stream };
  ImageFile(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  [[nodiscard]] Result<> measure();
  [[nodiscard]] static Result<ImageFile> open_standard_output(std::uint64_t length);
  [[nodiscard]] Result<> write_stream(std::span<const std::uint8_t> bytes) const;
  [[nodiscard]] bool holds_store() const;
  [[nodiscard]] std::unexpected<std::string> failure(const char* what, int error) const;

  [[nodiscard]] std::string partial_path() const { return path_ + ".partial"; }

  std::string path_;
  int descriptor_;
  std::uint64_t length_ = 0;
  Kind kind_ = Kind::file;
  mutable std::vector<std::uint8_t> looked_at_;  ///< of a stream, and not yet read
};

/// Stands for standard input or output.
inline constexpr const char* standard_stream = "-";

/// Whether both paths lead to one file that exists.
[[nodiscard]] bool is_same_file(const std::string& one, const std::string& other);

/// Calls `found` for each stretch of whole blocks of 4096 bytes (the last may be shorter) that are not all zeros.
void for_each_data_run(std::span<const std::uint8_t> bytes,
                       const std::function<void(std::size_t offset, std::span<const std::uint8_t> run)>& found);

}  // namespace chimera::cli
