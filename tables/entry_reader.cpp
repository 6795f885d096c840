#include "tables/entry_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <numeric>

namespace chimera::tables {
namespace {

/// Rows so far apart are read together with those between them: copying these costs less than one more instruction.
constexpr std::uint64_t widest_gap = 16;
/// Rows read by one instruction, at most: of columns as wide as can be they are within the largest transfer.
constexpr std::size_t most_in_span = 4096;
/// The first answer behind the check of the version.
constexpr std::size_t first_answer = 1;

}  // namespace

void EntryReader::plan(std::span<const std::uint64_t> rows) {
  spans_.clear();
  order_.resize(rows.size());
  std::iota(order_.begin(), order_.end(), 0u);
  if (!std::ranges::is_sorted(rows)) {
    std::ranges::sort(order_, [rows](std::uint32_t a, std::uint32_t b) { return rows[a] < rows[b]; });
  }
  for (const std::uint32_t place : order_) {
    const std::uint64_t row = rows[place];
    if (!spans_.empty()) {
      Span& last = spans_.back();
      const std::uint64_t wanted = row + 1 - last.first;
      if (wanted <= last.count) continue;
      if (wanted <= last.count + widest_gap && wanted <= most_in_span) {
        last.count = static_cast<std::size_t>(wanted);
        continue;
      }
    }
    spans_.push_back({row, 1});
  }
}

void EntryReader::ask(std::span<const std::uint32_t> columns, bool with_states) {
  Script& script = table_.script;
  const TableShape& shape = table_.shape();
  for (const std::uint32_t column : columns) {
    const std::uint32_t width = shape.columns[column].width;
    for (const Span& span : spans_) {
      script.note([&] {
        return fmt::format("column {}, rows {} to {}", shape.column_name(column), span.first,
                           span.first + span.count - 1);
      });
      script.read_bytes(shape.columns[column].device, span.first * width,
                        static_cast<std::uint32_t>(span.count * width));
    }
  }
  if (!with_states) return;
  for (const Span& span : spans_) {
    script.note([&] { return fmt::format("states of rows {} to {}", span.first, span.first + span.count - 1); });
    script.read_metadata_bytes(shape.header, span.first, static_cast<std::uint32_t>(span.count));
  }
}

Result<> EntryReader::read(std::span<const std::uint64_t> rows, std::span<const std::uint32_t> columns,
                           bool with_states) {
  count_ = rows.size();
  plan(rows);
  Reading reading(table_.script, table_.version());
  ask(columns, with_states);
  if (auto done = reading.run(table_.link(), answers_); !done) return done;
  gather(rows, columns, with_states);
  return {};
}

Result<> EntryReader::read_run(std::uint64_t first, std::size_t count, std::span<const std::uint32_t> columns,
                               bool with_states) {
  count_ = count;
  spans_.assign(1, {first, count});
  Reading reading(table_.script, table_.version());
  ask(columns, with_states);
  if (auto done = reading.run(table_.link(), answers_); !done) return done;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    columns_[columns[i]] = answers_.bytes(first_answer + i).data();
  }
  if (with_states) states_ = answers_.bytes(first_answer + columns.size()).data();
  return {};
}

void EntryReader::gather(std::span<const std::uint64_t> rows, std::span<const std::uint32_t> columns,
                         bool with_states) {
  gathered_.resize(columns_.size());
  std::size_t answer = first_answer;
  for (const std::uint32_t column : columns) {
    columns_[column] = gather_one(rows, answer, table_.shape().columns[column].width, gathered_[column]);
    answer += spans_.size();
  }
  if (with_states) states_ = gather_one(rows, answer, 1, gathered_states_);
}

const std::uint8_t* EntryReader::gather_one(std::span<const std::uint64_t> rows, std::size_t answer, std::size_t width,
                                            std::vector<std::uint8_t>& into) {
  const bool as_it_stands =
      spans_.size() == 1 && spans_[0].count == rows.size() && std::ranges::is_sorted(rows, std::ranges::less_equal());
  if (as_it_stands) return answers_.bytes(answer).data();
  into.resize(rows.size() * width);
  std::size_t span = 0;
  const std::uint8_t* bytes = rows.empty() ? nullptr : answers_.bytes(answer).data();
  for (const std::uint32_t place : order_) {
    while (rows[place] >= spans_[span].first + spans_[span].count) {
      ++span;
      bytes = answers_.bytes(answer + span).data();
    }
    std::memcpy(&into[place * width], bytes + (rows[place] - spans_[span].first) * width, width);
  }
  return into.data();
}

ColumnEntries EntryReader::entries(std::uint32_t column) const {
  const ColumnFile& file = table_.shape().columns[column];
  return {.bytes = columns_[column],
          .stride = file.width,
          .nullable = file.fixed && file.fixed->nullable(),
          .slots = file.is_variable()};
}

}  // namespace chimera::tables
