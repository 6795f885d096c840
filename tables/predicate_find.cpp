// Which rows a predicate finds, a block of rows at a time: each term fills two masks, of the rows for which it is true
// and of those for which it is false. For the rest it is neither, because something is null.

#include <algorithm>
#include <cstring>
#include <memory>

#include "tables/predicate.h"

namespace chimera::tables {
namespace {

/// So many rows' masks stay in the processor's nearest cache.
constexpr std::size_t most_at_once = 4096;

struct Truth {
  std::uint8_t yes[most_at_once];
  std::uint8_t no[most_at_once];
};

class Finder {
 public:
  Finder(const RowsInView& rows, std::size_t first, std::size_t count) : rows_(rows), first_(first), count_(count) {}

  void judge(const Term& term, Truth& truth) {
    switch (term.kind) {
      case Term::Kind::both: return combine(term, truth, true);
      case Term::Kind::either: return combine(term, truth, false);
      case Term::Kind::negated:
        judge(term.parts[0], truth);
        for (std::size_t i = 0; i < count_; ++i) std::swap(truth.yes[i], truth.no[i]);
        return;
      case Term::Kind::constant: std::memset(truth.yes, term.holds ? 1 : 0, count_); return except_null(term, truth);
      case Term::Kind::null: return judge_null(term, truth);
      case Term::Kind::scalar:
        compare_entries(term.as, entries_of(term), count_, term.comparison, term.literal.data(), truth.yes);
        return except_null(term, truth);
      case Term::Kind::content:
      case Term::Kind::prefix: return judge_contents(term, truth);
    }
  }

 private:
  [[nodiscard]] ColumnEntries entries_of(const Term& term) const {
    ColumnEntries entries = rows_.columns[term.column].entries;
    entries.bytes += first_ * entries.stride;
    return entries;
  }

  /// `all`: true where all parts are, false where one is; otherwise the other way round.
  void combine(const Term& term, Truth& truth, bool all) {
    judge(term.parts[0], truth);
    const auto part = std::make_unique<Truth>();
    for (std::size_t n = 1; n < term.parts.size(); ++n) {
      judge(term.parts[n], *part);
      std::uint8_t* const meet = all ? truth.yes : truth.no;
      std::uint8_t* const join = all ? truth.no : truth.yes;
      const std::uint8_t* const part_meet = all ? part->yes : part->no;
      const std::uint8_t* const part_join = all ? part->no : part->yes;
      for (std::size_t i = 0; i < count_; ++i) meet[i] &= part_meet[i];
      for (std::size_t i = 0; i < count_; ++i) join[i] |= part_join[i];
    }
  }

  /// no = not yes; where there is no value neither is.
  void except_null(const Term& term, Truth& truth) {
    for (std::size_t i = 0; i < count_; ++i) truth.no[i] = truth.yes[i] ^ 1;
    const ColumnEntries entries = entries_of(term);
    if (!entries.slots && !entries.nullable) return;
    std::uint8_t there[most_at_once];
    find_values(entries, count_, there);
    for (std::size_t i = 0; i < count_; ++i) truth.yes[i] &= there[i];
    for (std::size_t i = 0; i < count_; ++i) truth.no[i] &= there[i];
  }

  void judge_null(const Term& term, Truth& truth) {
    find_values(entries_of(term), count_, truth.no);
    for (std::size_t i = 0; i < count_; ++i) truth.yes[i] = truth.no[i] ^ 1;
  }

  void judge_contents(const Term& term, Truth& truth) {
    const ColumnEntries entries = entries_of(term);
    for (std::size_t i = 0; i < count_; ++i) {
      const types::Slot slot = types::read_slot(entries.bytes + i * entries.stride);
      truth.yes[i] = truth.no[i] = 0;
      if (slot.is_null()) continue;
      const bool yes = is_so(term, slot, first_ + i);
      truth.yes[i] = yes;
      truth.no[i] = !yes;
    }
  }

  [[nodiscard]] bool is_so(const Term& term, const types::Slot& slot, std::size_t row) const {
    const bool begins = term.kind == Term::Kind::prefix;
    int order = compare_slot(slot, term.literal, begins);
    if (order == undecided) {
      const bool equality = term.comparison == Comparison::equal || term.comparison == Comparison::unequal;
      if (!begins && equality && !slot.is_long() && slot.length != term.literal.size()) {
        return term.comparison == Comparison::unequal;
      }
      std::span<const std::uint8_t> content = rows_.columns[term.column].contents[row];
      if (begins) content = content.first(std::min(content.size(), term.literal.size()));
      order = compare_bytes(content, term.literal);
    }
    switch (term.comparison) {
      case Comparison::equal: return order == 0;
      case Comparison::unequal: return order != 0;
      case Comparison::less: return order < 0;
      case Comparison::less_equal: return order <= 0;
      case Comparison::greater: return order > 0;
      case Comparison::greater_equal: return order >= 0;
    }
    return false;
  }

  const RowsInView& rows_;
  std::size_t first_, count_;
};

}  // namespace

void Predicate::find(const RowsInView& rows, std::size_t count, std::uint8_t* found) const {
  if (is_everything_) return;
  const auto truth = std::make_unique<Truth>();
  for (std::size_t first = 0; first < count; first += most_at_once) {
    const std::size_t some = std::min(most_at_once, count - first);
    if (std::memchr(found + first, 1, some) == nullptr) continue;
    Finder(rows, first, some).judge(root_, *truth);
    for (std::size_t i = 0; i < some; ++i) found[first + i] &= truth->yes[i];
  }
}

}  // namespace chimera::tables
