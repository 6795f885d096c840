#pragma once
// A table whose columns of a fixed width have several pieces.

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tables/open_table.h"
#include "tables/packed_pieces.h"
#include "tests/tables/table_rig.h"

namespace chimera::tables::testing {

inline constexpr std::int64_t packed_rows = 40'000;

/// Ascending numbers, few different ones, and entries of 9 bytes.
[[nodiscard]] inline Row packed_row(std::int64_t id) {
  return {i64(id), i64(id * 3 + id % 7), Value::of(static_cast<double>(id % 5)),
          id % 11 == 0 ? Value() : i64(id / 100)};
}
[[nodiscard]] inline std::vector<Row> packed_rows_from(std::int64_t first, std::int64_t end) {
  std::vector<Row> rows;
  for (std::int64_t id = first; id < end; ++id) rows.push_back(packed_row(id));
  return rows;
}

inline constexpr std::string_view packed_schema =
    "relation t = struct { id: i64, n: i64, x: f64, o: i64 nullable } key (id)";

struct PackedRig : TableRig {
  explicit PackedRig(std::int64_t rows = packed_rows, std::string_view schema = packed_schema) : TableRig(schema) {
    REQUIRE_OK(table.insert(packed_rows_from(0, rows)));
  }
  [[nodiscard]] std::uint32_t place(const std::string& column) {
    return static_cast<std::uint32_t>(*table.relation().find(column));
  }
  [[nodiscard]] Uuid device(const std::string& column) { return table.opened().shape().columns[place(column)].device; }
  void run(const Script& script) { REQUIRE_OK(ground.link.run(script, answers)); }

  /// Bytes of the store that a column takes.
  [[nodiscard]] std::uint64_t held(const std::string& column) {
    Script script;
    script.add(Program().read_length(device(column)));
    run(script);
    const std::uint64_t length = answers.u64(0);
    script.clear();
    script.add(Program().read_extents(device(column), 0, length));
    run(script);
    std::uint64_t bytes = 0;
    for (const Extent& extent : extents_of(answers[0])) {
      bytes += (extent.flags & extent_flags::hole) == 0 ? extent.length : 0;
    }
    return bytes;
  }
  /// What is said of each piece: "p" packed, "." plain.
  [[nodiscard]] std::string pieces(const std::string& column) {
    const std::uint64_t width = table.opened().shape().columns[place(column)].width;
    const std::uint64_t bytes = table.opened().header().tail * width;
    Script script;
    script.read_metadata_bytes(device(column), 0, static_cast<std::uint32_t>(bytes / packed::piece_size + 2));
    run(script);
    std::string text;
    for (const std::uint8_t blocks : answers.bytes(0)) text += blocks == 0 ? '.' : 'p';
    return text;
  }
  [[nodiscard]] std::uint32_t format() {
    Script script;
    script.read_bytes(table.opened().shape().header, TableHeader::format_offset, sizeof(std::uint32_t));
    run(script);
    return load<std::uint32_t>(answers.bytes(0).data());
  }

  Answers answers;
};

}  // namespace chimera::tables::testing
