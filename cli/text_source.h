#pragma once
// Text that is read from its beginning to its end, a piece at a time: a file, or a pipe.

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/progress.h"

namespace chimera::cli {

/// Errors are whole sentences.
class TextSource {
 public:
  /// Fills the front of a span; how many bytes, 0 at the end only.
  using Read = std::function<std::expected<std::size_t, std::string>(std::span<char>)>;

  /// A file that can be read; "-" is standard input.
  [[nodiscard]] static std::expected<TextSource, std::string> open(const std::string& path);
  /// `name` is how errors call it. `piece`: bytes that it begins with asking for.
  TextSource(std::string name, Read read, std::size_t piece = 1 << 20);

  [[nodiscard]] const std::string& name() const { return name_; }
  /// Of a regular file.
  [[nodiscard]] std::optional<std::uint64_t> length() const { return length_; }
  /// From now on shows how much has been taken, where standard error is a terminal.
  void show_progress(std::string label);
  /// Takes that away again, before something else is said.
  void hide_progress() { bar_.reset(); }
  /// Bytes that have been taken.
  [[nodiscard]] std::uint64_t taken() const { return taken_; }

  /// What has been read and not been taken; holds until `more`.
  [[nodiscard]] std::string_view unread() const { return {buffer_.data() + begin_, end_ - begin_}; }
  /// No more comes behind that.
  [[nodiscard]] bool has_ended() const { return has_ended_; }
  /// Reads on, at least a byte or up to the end. What is unread may stand elsewhere then.
  [[nodiscard]] std::expected<void, std::string> more();
  void take(std::size_t size);

  /// Of what is read at once: a row that is longer is refused.
  static constexpr std::size_t most_unread = 64 << 20;

 private:
  std::string name_;
  Read read_;
  std::optional<std::uint64_t> length_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0, end_ = 0;
  std::uint64_t taken_ = 0;
  std::unique_ptr<ProgressBar> bar_;
  bool has_ended_ = false;
};

}  // namespace chimera::cli
