#include "cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "cli/terminal.h"

namespace chimera::cli {
namespace {

constexpr auto time_between_drawings = std::chrono::milliseconds(100);
constexpr std::size_t columns_beside_bar = 30;  ///< percentage, rate and blanks

}  // namespace

ProgressBar::ProgressBar(std::string label, std::uint64_t all, std::uint64_t unit_bytes)
    : label_(std::move(label)), all_(all), unit_bytes_(unit_bytes), enabled_(isatty(STDERR_FILENO) == 1) {}

ProgressBar::~ProgressBar() {
  if (shown_) std::fputs("\r\x1b[K", stderr);
}

void ProgressBar::show(std::uint64_t done) {
  if (!enabled_) return;
  const auto now = Clock::now();
  if (now < next_) return;
  next_ = now + time_between_drawings;
  const double seconds = std::chrono::duration<double>(now - started_).count();
  const auto bytes = static_cast<double>(done) * static_cast<double>(unit_bytes_);
  const auto rate = static_cast<std::uint64_t>(seconds > 0 ? bytes / seconds : 0);
  shown_ = true;
  if (all_ == 0) {
    fmt::print(stderr, "\r{} {}B  {}B/s\x1b[K", label_, human_size(done * unit_bytes_), human_size(rate));
    std::fflush(stderr);
    return;
  }
  const double share = std::min(1.0, static_cast<double>(done) / static_cast<double>(all_));
  const std::size_t taken = columns_beside_bar + display_width(label_);
  const std::size_t width = std::max<std::size_t>(terminal_width(STDERR_FILENO), taken + 10) - taken;
  const auto filled = static_cast<std::size_t>(share * static_cast<double>(width));
  fmt::print(stderr, "\r{} [{}{}] {:3.0f} %  {}B/s\x1b[K", label_, std::string(filled, '#'),
             std::string(width - filled, '.'), share * 100, human_size(rate));
  std::fflush(stderr);
}

}  // namespace chimera::cli
