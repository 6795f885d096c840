#pragma once
// Comma-separated values, RFC 4180, record by record and with the place of each cell. The libraries that Debian has for
// this (libcsv, rapidcsv and others) tell no positions or read whole files; so this is our own.

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/text_source.h"

namespace chimera::cli {

struct TextPlace {
  std::size_t line = 1;    ///< from 1
  std::size_t column = 1;  ///< from 1, in bytes of the line
};

/// Why a record, or what is made of it, is of no use.
struct RecordProblem {
  TextPlace place;
  std::string words;
  bool is_fatal = false;  ///< what comes behind cannot be read either; `words` is a whole sentence then
};

/// Lines end in LF or CR LF. A cell that begins with a quote may hold separators, ends of lines, and quotes, which are
/// doubled; in others there are no quotes. A byte order mark in front is passed over.
class CsvReader {
 public:
  struct Cell {
    std::string text;
    bool is_quoted = false;
    TextPlace place;  ///< of its first byte, the quote if there is one
  };

  /// The source must outlive it.
  CsvReader(TextSource& source, char separator) : source_(source), separator_(separator) {}

  /// Takes the next record; false at the end. One with a problem is taken too, up to the end of the line that it is
  /// noticed in.
  [[nodiscard]] std::expected<bool, RecordProblem> next();
  /// Those of the record; an empty line is one empty cell.
  [[nodiscard]] std::span<const Cell> cells() const { return std::span(cells_).first(count_); }
  /// The record as it stands in the text, without the end of its line.
  [[nodiscard]] std::string_view raw() const { return raw_; }
  /// Where it begins.
  [[nodiscard]] TextPlace place() const { return {line_, 1}; }

 private:
  enum class Step : std::uint8_t { cell, record, more };

  [[nodiscard]] std::expected<bool, std::string> begin_record();
  [[nodiscard]] std::expected<Step, RecordProblem> read_cell(std::string_view text);
  [[nodiscard]] std::expected<Step, RecordProblem> read_quoted(std::string_view text, Cell& cell);
  [[nodiscard]] std::expected<Step, RecordProblem> read_plain(std::string_view text, Cell& cell);
  [[nodiscard]] Step end_cell(std::string_view text);
  [[nodiscard]] std::unexpected<RecordProblem> problem(std::size_t at, std::string words) const;
  void pass_over_lines(std::string_view text, std::size_t from, std::size_t to);
  std::expected<void, std::string> skip_line();

  TextSource& source_;
  char separator_;
  std::vector<Cell> cells_;  ///< kept for their memory
  std::size_t count_ = 0;
  std::string_view raw_;
  std::size_t to_take_ = 0;  ///< the record's bytes, which are taken when the next one is wanted
  bool is_first_ = true;
  std::size_t line_ = 1, next_line_ = 1;  ///< of the record, of what is behind it
  // Within the record, from its beginning.
  std::size_t at_ = 0;
  std::size_t line_begin_ = 0;
};

}  // namespace chimera::cli
