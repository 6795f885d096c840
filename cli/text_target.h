#pragma once
// Where bytes go, one piece behind the other: a file, or standard output.

#include <cstdint>
#include <cstdio>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "cli/image_file.h"

namespace chimera::cli {

/// Errors are whole sentences.
class TextTarget {
 public:
  /// A file is written beside its place, and overwritten only with `force`; "-" is standard output. `nowhere`: what
  /// comes is dropped.
  [[nodiscard]] static std::expected<TextTarget, std::string> open(const std::string& path, bool force, bool nowhere);

  /// False where nobody reads it any more.
  [[nodiscard]] std::expected<bool, std::string> append(std::string_view text);
  /// Puts the file in its place, durable.
  [[nodiscard]] std::expected<void, std::string> keep();
  /// Leaves the file beside its place, durable, since it is not whole. Where that is; nothing of standard output.
  [[nodiscard]] std::expected<std::string, std::string> leave();
  void discard();
  /// Where a report goes that is not to be mixed with it.
  [[nodiscard]] std::FILE* report() const { return is_output_ ? stderr : stdout; }

 private:
  std::optional<ImageFile> file_;
  bool is_output_ = false;
  std::uint64_t offset_ = 0;
};

}  // namespace chimera::cli
