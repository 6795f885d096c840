#pragma once
// Whether a flush is about to be asked for. A client that flushes behind each write, or behind every few, is
// answered the last of them and then asks: meanwhile, which is a third of the time that a quick disk takes for a
// record, nothing happened. So where flushes have come behind the same number of writes time after time, the record is
// written as soon as so many are there again. Where something else comes first the forecast was wrong: then it takes
// longer until there is another one, twice as long each time, and what it has cost is a record that nobody has waited
// for.

#include <algorithm>
#include <cstdint>
#include <utility>

namespace chimera::devices {

class FlushForecast {
 public:
  /// A write, or whatever else a flush would cover, has been recorded. All of it counts, since what comes behind a
  /// record that was written ahead takes one of its own.
  void recorded() {
    ++writes_;
    is_due_ = is_certain() && writes_ == usual_;
    if (!is_certain() || writes_ <= usual_) return;
    same_ = 0;
    patience_ = std::min(2 * patience_, most_patience);
  }
  /// Somebody asks for all that has been written to be durable.
  void asked() {
    if (writes_ == 0) return;
    if (writes_ == usual_) {
      if (is_certain()) patience_ = std::max(patience_ - 1, least_patience);
      same_ = std::min(same_ + 1, most_patience);
    } else {
      usual_ = writes_;
      same_ = 1;
    }
    writes_ = 0;
    is_due_ = false;
  }
  /// Once for each time that a flush is to be expected now.
  [[nodiscard]] bool take_due() { return std::exchange(is_due_, false); }

  static constexpr std::uint64_t least_patience = 8;     ///< so often in a row behind as many writes
  static constexpr std::uint64_t most_writes = 4;        ///< of more nobody waits for the answer to the last one alone
  static constexpr std::uint64_t most_patience = 4'096;  ///< after wrong forecasts again and again

 private:
  [[nodiscard]] bool is_certain() const { return same_ >= patience_ && usual_ <= most_writes; }

  std::uint64_t writes_ = 0;  ///< since somebody asked
  std::uint64_t usual_ = 0;   ///< before somebody asked the last time
  std::uint64_t same_ = 0;    ///< so often in a row it was as many
  std::uint64_t patience_ = least_patience;
  bool is_due_ = false;
};

}  // namespace chimera::devices
