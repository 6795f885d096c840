#pragma once
// A terminal that shows one screen, over and over, until it is told to end. What it was before comes back, however
// the program ends short of SIGKILL.

#include <cstdint>
#include <string>
#include <vector>

namespace chimera::cli {

class LiveTerminal {
 public:
  /// Standard input and output have to be terminals. There is one at a time in a process.
  LiveTerminal();
  ~LiveTerminal();
  LiveTerminal(const LiveTerminal&) = delete;
  LiveTerminal& operator=(const LiveTerminal&) = delete;

  struct Size {
    std::size_t columns;
    std::size_t rows;
  };
  [[nodiscard]] static Size size();

  /// Shows these lines in place of what was there; each has to fit the width. Lines beyond the height are left out.
  void show(const std::vector<std::string>& lines);

  enum class Event : std::uint8_t { none, resized, ended };
  /// Waits so long at most: ended by `q`, by an end of the input, or by a signal that asks to end.
  [[nodiscard]] Event wait(std::uint64_t milliseconds);
};

}  // namespace chimera::cli
