#include "cli/aside.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "cli/render.h"

namespace chimera::cli {
namespace {

constexpr std::size_t most_told = 20;

}  // namespace

Aside::Done Aside::check() const {
  if (!is_wanted() || ::access(path_.c_str(), F_OK) != 0) return {};
  return std::unexpected(fmt::format("{} exists: rows are set aside in a new file only.", path_));
}

Aside::Done Aside::add(std::string_view line, const std::string& why) {
  if (!file_) {
    file_.reset(std::fopen(path_.c_str(), "wx"));
    if (!file_) return failure();
    if (!header_.empty()) fmt::print(file_.get(), "{}\n", header_);
  }
  fmt::print(file_.get(), "{}\n", line);
  if (std::ferror(file_.get()) != 0) return failure();
  if (++count_ <= most_told) fmt::print(stderr, "{}\n", why);
  return {};
}

Aside::Done Aside::close() {
  if (count_ > most_told) fmt::print(stderr, "… and {} more\n", grouped(count_ - most_told));
  if (!file_) return {};
  const bool is_durable = std::fflush(file_.get()) == 0 && ::fsync(::fileno(file_.get())) == 0;
  return is_durable ? Done() : failure();
}

std::unexpected<std::string> Aside::failure() const {
  return std::unexpected(fmt::format("Cannot write {}: {}.", path_, std::strerror(errno)));
}

}  // namespace chimera::cli
