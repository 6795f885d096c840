#pragma once
// A progress bar on standard error, where that is a terminal: how far it is, or how much where nobody knows of how
// much.

#include <chrono>
#include <cstdint>
#include <string>

namespace chimera::cli {

class ProgressBar {
 public:
  /// `all`: bytes (or blocks) that make the whole, 0 where that is not known; `unit_bytes`: how many bytes one of them
  /// stands for.
  ProgressBar(std::string label, std::uint64_t all, std::uint64_t unit_bytes = 1);
  /// Takes the bar away again.
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void show(std::uint64_t done);
  void set_all(std::uint64_t all) { all_ = all; }

 private:
  using Clock = std::chrono::steady_clock;

  std::string label_;
  std::uint64_t all_;
  std::uint64_t unit_bytes_;
  bool enabled_;
  bool shown_ = false;
  Clock::time_point started_ = Clock::now();
  Clock::time_point next_ = started_;
};

}  // namespace chimera::cli
