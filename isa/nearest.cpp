#include "isa/nearest.h"

#include <algorithm>
#include <vector>

namespace chimera {
namespace {

constexpr std::size_t longest_compared = 64;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

std::size_t edit_distance(std::string_view from, std::string_view to) {
  // Three rows of the usual table: two back, the one before, this one.
  std::vector<std::size_t> older(to.size() + 1);
  std::vector<std::size_t> old(to.size() + 1);
  std::vector<std::size_t> row(to.size() + 1);
  for (std::size_t j = 0; j <= to.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= from.size(); ++i) {
    std::swap(older, old);
    std::swap(old, row);
    row[0] = i;
    for (std::size_t j = 1; j <= to.size(); ++j) {
      const bool same = lower(from[i - 1]) == lower(to[j - 1]);
      row[j] = std::min({old[j] + 1, row[j - 1] + 1, old[j - 1] + (same ? 0 : 1)});
      const bool swapped =
          i > 1 && j > 1 && lower(from[i - 1]) == lower(to[j - 2]) && lower(from[i - 2]) == lower(to[j - 1]);
      if (swapped) row[j] = std::min(row[j], older[j - 2] + 1);
    }
  }
  return row[to.size()];
}

Nearest::Nearest(std::string_view word) : word_{word.substr(0, longest_compared)}, distance_{word_.size() / 4 + 2} {}

void Nearest::offer(std::string_view candidate) {
  const std::size_t distance = edit_distance(word_, candidate.substr(0, longest_compared));
  // Of two that are equally near the longer one: letters are left out more often than put in.
  const bool longer = distance == distance_ && !best_.empty() && candidate.size() > best_.size();
  if (distance < distance_ || longer) {
    distance_ = distance;
    best_ = candidate;
  }
}

}  // namespace chimera
