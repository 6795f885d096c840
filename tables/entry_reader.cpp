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

/// Which of the columns have packed pieces where something is to be read.
Result<> EntryReader::find_packed(std::span<const std::uint32_t> columns) {
  for (const std::uint32_t column : columns) {
    unpacked_[column].is_read = false;
    if (table_.packed(column) == nullptr) continue;
    const auto found = pieces_.are_packed(column, ranges_of(column));
    if (!found) return std::unexpected(found.error());
    unpacked_[column].is_read = *found;
  }
  return {};
}

Result<> EntryReader::read_packed(std::span<const std::uint32_t> columns) {
  for (const std::uint32_t column : columns) {
    if (!is_packed(column)) continue;
    if (auto done = pieces_.read(column, ranges_of(column), unpacked_[column].bytes); !done) return done;
  }
  return {};
}

std::span<const ByteRange> EntryReader::ranges_of(std::uint32_t column) {
  const std::uint32_t width = table_.shape().columns[column].width;
  ranges_.clear();
  for (const Span& span : spans_) ranges_.push_back({span.first * width, span.count * width});
  return ranges_;
}

/// Reads the spans.
Result<> EntryReader::run(std::span<const std::uint32_t> columns, bool with_states) {
  if (!unpacked_.empty()) {
    if (auto done = find_packed(columns); !done) return done;
  }
  Reading reading(table_.script, table_.version());
  ask(columns, with_states);
  if (auto done = reading.run(table_.link(), answers_); !done) return done;
  return unpacked_.empty() ? Result<>() : read_packed(columns);
}

void EntryReader::ask(std::span<const std::uint32_t> columns, bool with_states) {
  Script& script = table_.script;
  const TableShape& shape = table_.shape();
  for (const std::uint32_t column : columns) {
    if (is_packed(column)) continue;
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
  if (auto done = run(columns, with_states); !done) return done;
  gather(rows, columns, with_states);
  return {};
}

Result<> EntryReader::read_run(std::uint64_t first, std::size_t count, std::span<const std::uint32_t> columns,
                               bool with_states) {
  count_ = count;
  spans_.assign(1, {first, count});
  if (auto done = run(columns, with_states); !done) return done;
  std::size_t answer = first_answer;
  for (const std::uint32_t column : columns) {
    columns_[column] = is_packed(column) ? unpacked_[column].bytes.data() : answers_.bytes(answer++).data();
  }
  if (with_states) states_ = answers_.bytes(answer).data();
  return {};
}

void EntryReader::gather(std::span<const std::uint64_t> rows, std::span<const std::uint32_t> columns,
                         bool with_states) {
  gathered_.resize(columns_.size());
  std::size_t answer = first_answer;
  const auto answered = [&](std::size_t span) { return answers_.bytes(answer + span).data(); };
  for (const std::uint32_t column : columns) {
    const std::size_t width = table_.shape().columns[column].width;
    if (is_packed(column)) {
      std::size_t at_span = 0, begin = 0;  // spans are asked for in their order
      const auto unpacked = [&](std::size_t span) {
        for (; at_span < span; ++at_span) begin += spans_[at_span].count * width;
        return unpacked_[column].bytes.data() + begin;
      };
      columns_[column] = gather_one(rows, width, gathered_[column], unpacked);
      continue;
    }
    columns_[column] = gather_one(rows, width, gathered_[column], answered);
    answer += spans_.size();
  }
  if (with_states) states_ = gather_one(rows, 1, gathered_states_, answered);
}

/// `bytes_of`: where those of a span begin.
template <typename BytesOf>
const std::uint8_t* EntryReader::gather_one(std::span<const std::uint64_t> rows, std::size_t width,
                                            std::vector<std::uint8_t>& into, const BytesOf& bytes_of) {
  const bool as_it_stands =
      spans_.size() == 1 && spans_[0].count == rows.size() && std::ranges::is_sorted(rows, std::ranges::less_equal());
  if (as_it_stands) return bytes_of(0);
  into.resize(rows.size() * width);
  std::size_t span = 0;
  const std::uint8_t* bytes = rows.empty() ? nullptr : bytes_of(0);
  for (const std::uint32_t place : order_) {
    while (rows[place] >= spans_[span].first + spans_[span].count) bytes = bytes_of(++span);
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
