#pragma once
// Rows that are left aside: what there is of them goes into a new file, a line each, and why is told.

#include <cstdint>
#include <cstdio>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

namespace chimera::cli {

/// The file is made when the first comes. Errors are whole sentences.
class Aside {
 public:
  using Done = std::expected<void, std::string>;

  /// An empty path: nothing is wanted here. `header`: a line in front of all, unless it is empty.
  Aside(std::string path, std::string_view header) : path_(std::move(path)), header_(header) {}

  [[nodiscard]] bool is_wanted() const { return !path_.empty(); }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::uint64_t count() const { return count_; }

  /// That there is no such file yet.
  [[nodiscard]] Done check() const;
  /// The first few are told on standard error.
  [[nodiscard]] Done add(std::string_view line, const std::string& why);
  /// Makes the file durable.
  [[nodiscard]] Done close();

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  [[nodiscard]] std::unexpected<std::string> failure() const;

  std::string path_, header_;
  std::unique_ptr<std::FILE, Close> file_;
  std::uint64_t count_ = 0;
};

}  // namespace chimera::cli
