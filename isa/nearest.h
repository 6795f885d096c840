#pragma once
// "Did you mean …?"

#include <cstddef>
#include <string_view>

namespace chimera {

/// The fewest insertions, removals, replacements and swaps of neighbours that turn one into the other, case apart.
[[nodiscard]] std::size_t edit_distance(std::string_view from, std::string_view to);

/// Remembers the candidate nearest to a word, as long as it is near enough to be a slip.
class Nearest {
 public:
  /// `word` must outlive this.
  explicit Nearest(std::string_view word);
  /// `candidate` must outlive this.
  void offer(std::string_view candidate);
  /// Empty if no candidate was near enough.
  [[nodiscard]] std::string_view best() const { return best_; }

 private:
  std::string_view word_;
  std::string_view best_;
  std::size_t distance_;
};

}  // namespace chimera
