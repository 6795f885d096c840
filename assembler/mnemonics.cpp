#include "assembler/mnemonics.h"

#include <fmt/format.h>
#include <algorithm>
#include <string>
#include <vector>

#include "isa/nearest.h"

namespace chimera::assembler {
namespace {

/// Takes the first word off `text`.
std::string_view take_word(std::string_view& text) {
  const std::size_t space = text.find(' ');
  const std::string_view word = text.substr(0, space);
  text.remove_prefix(space == std::string_view::npos ? text.size() : space + 1);
  return word;
}

/// The words by which the longer mnemonic goes on where the shorter one ends; empty if it does not.
std::string_view rest_behind(std::string_view shorter, std::string_view longer) {
  const bool goes_on = longer.size() > shorter.size() && longer.starts_with(shorter) && longer[shorter.size()] == ' ';
  return goes_on ? longer.substr(shorter.size() + 1) : std::string_view{};
}

/// How many words of the mnemonic the cursor has in front of it; 0 unless all of them.
std::size_t words_matched(std::string_view mnemonic, Cursor cursor) {
  std::size_t words = 0;
  while (!mnemonic.empty()) {
    if (!cursor.next_is(Token::Kind::word) || cursor.take().text != take_word(mnemonic)) return 0;
    ++words;
  }
  return words;
}

/// What can follow the first word, as "read byte, read bytes, …".
std::string mnemonics_beginning_with(std::string_view word) {
  std::string list;
  for (const Row& row : rows) {
    std::string_view mnemonic = row.mnemonic;
    if (take_word(mnemonic) != word) continue;
    if (!list.empty()) list += ", ";
    list += row.mnemonic;
  }
  return list;
}

std::unexpected<Problem> unknown(Cursor cursor) {
  // Compare as many words as look like a mnemonic: one to four.
  const std::size_t begin = cursor.peek()->column;
  const std::string_view first = cursor.peek()->text;
  std::string written;
  std::size_t first_end = begin + first.size();
  std::size_t end = first_end;
  std::string_view best;
  std::size_t best_distance = std::string::npos;
  for (std::size_t words = 0; words < 4 && cursor.next_is(Token::Kind::word); ++words) {
    const Token& token = cursor.take();
    if (!written.empty()) written += ' ';
    written += token.text.substr(0, 32);
    Nearest nearest{written};
    for (const Row& row : rows) nearest.offer(row.mnemonic);
    if (nearest.best().empty()) continue;
    const std::size_t distance = edit_distance(written, nearest.best());
    if (distance < best_distance) {
      best_distance = distance;
      best = nearest.best();
      end = token.end();
    }
  }
  if (!best.empty()) return problem(begin, end - begin, fmt::format("unknown instruction; did you mean '{}'?", best));
  const std::string follow = mnemonics_beginning_with(first);
  return problem(begin, first_end - begin,
                 follow.empty() ? "unknown instruction; expected a mnemonic or a directive"
                                : fmt::format("unknown instruction; '{}' begins: {}", first, follow));
}

/// Rows in the order of their mnemonics' first words, the longer mnemonics first.
const std::vector<const Row*>& sorted_rows() {
  static const std::vector<const Row*> sorted = [] {
    std::vector<const Row*> pointers;
    for (const Row& row : rows) pointers.push_back(&row);
    std::ranges::sort(pointers, [](const Row* a, const Row* b) {
      std::string_view of_a = a->mnemonic;
      std::string_view of_b = b->mnemonic;
      const std::string_view first_a = take_word(of_a);
      const std::string_view first_b = take_word(of_b);
      return first_a != first_b ? first_a < first_b : a->mnemonic.size() > b->mnemonic.size();
    });
    return pointers;
  }();
  return sorted;
}

}  // namespace

Parsed<const Row*> read_mnemonic(Cursor& cursor) {
  if (!cursor.next_is(Token::Kind::word)) return cursor.expected("an instruction or a directive");
  const auto first_word = [](const Row* row) {
    std::string_view mnemonic = row->mnemonic;
    return take_word(mnemonic);
  };
  const Row* best = nullptr;
  std::size_t best_words = 0;
  for (const Row* row : std::ranges::equal_range(sorted_rows(), cursor.peek()->text, {}, first_word)) {
    const std::size_t words = words_matched(row->mnemonic, cursor);
    if (words > best_words) {
      best_words = words;
      best = row;
    }
  }
  if (best == nullptr) return unknown(cursor);
  for (; best_words > 0; --best_words) cursor.take();
  return best;
}

std::string_view longer_mnemonic(const Row& row, Cursor cursor) {
  std::string written;
  std::string_view best;
  std::size_t best_distance = 3;
  for (std::size_t words = 0; words < 2 && cursor.next_is(Token::Kind::word); ++words) {
    if (!written.empty()) written += ' ';
    written += cursor.take().text.substr(0, 32);
    for (const Row& longer : rows) {
      const std::string_view rest = rest_behind(row.mnemonic, longer.mnemonic);
      const std::size_t distance = rest.empty() ? best_distance : edit_distance(written, rest);
      if (distance >= best_distance) continue;
      best_distance = distance;
      best = longer.mnemonic;
    }
  }
  return best;
}

bool continues_a_mnemonic(std::string_view word) {
  for (const Row& shorter : rows) {
    for (const Row& longer : rows) {
      std::string_view rest = rest_behind(shorter.mnemonic, longer.mnemonic);
      if (!rest.empty() && take_word(rest) == word) return true;
    }
  }
  return false;
}

}  // namespace chimera::assembler
