#pragma once
// A table with long values and rows that have gone, whose devices can be written to as no table would.

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tables/open_table.h"
#include "tests/tables/table_rig.h"

namespace chimera::tables::testing {

inline constexpr std::string_view damaged_schema =
    "relation t = struct { id: i64, name: string indexed, note: string nullable } key (id)";

struct DamagedTable : TableRig {
  DamagedTable() : TableRig(damaged_schema) {
    std::vector<Row> rows;
    for (std::int64_t id = 0; id < 20; ++id) {
      const std::string name = "a rather long name for number " + std::to_string(id);
      rows.push_back({i64(id), text(name), id % 3 == 0 ? Value() : text("a note as long as that, of " + name)});
    }
    REQUIRE_OK(table.insert(std::move(rows)));
    for (const std::int64_t id : {4, 9, 13}) REQUIRE_OK(table.remove({i64(id)}));
  }
  void write(const Uuid& device, std::uint64_t offset, std::initializer_list<std::uint8_t> bytes) {
    Script script;
    script.write_bytes(device, offset, std::vector<std::uint8_t>(bytes));
    run(script);
  }
  void set_state(std::uint64_t row, std::uint8_t state) {
    Script script;
    script.write_metadata_bytes(shape().header, row, std::vector<std::uint8_t>{state});
    run(script);
  }
  void run(const Script& script) {
    Answers answers;
    REQUIRE_OK(ground.link.run(script, answers));
  }
  [[nodiscard]] const TableShape& shape() { return table.opened().shape(); }
  [[nodiscard]] std::vector<std::uint8_t> slot(std::uint32_t column, std::uint64_t row) {
    Script script;
    script.read_bytes(shape().columns[column].device, row * types::slot_size, types::slot_size);
    Answers answers;
    REQUIRE_OK(ground.link.run(script, answers));
    return {answers.bytes(0).begin(), answers.bytes(0).end()};
  }
  void finds(std::string_view words) {
    const std::string problems = problems_of(ground.link);
    CAPTURE(problems);
    CHECK(problems.find(words) != std::string::npos);
  }
};

}  // namespace chimera::tables::testing
