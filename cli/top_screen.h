#pragma once
// What `chimera top` shows: figures of two moments as lines of text.

#include <cstddef>
#include <string>
#include <vector>

#include "cli/figures.h"

namespace chimera::cli {

struct TopView {
  std::string address;
  const Figures& before;
  const Figures& now;
  double seconds;  ///< between the two; 0: there is only `now`, and what is shown goes back to the server's begin
  std::size_t columns = 100;
  bool colours = false;
};

/// As many lines as there are things to tell, most important first; each fits the columns.
[[nodiscard]] std::vector<std::string> top_lines(const TopView& view);

}  // namespace chimera::cli
