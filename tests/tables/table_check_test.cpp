// What a check of a table finds: planted damage of each kind, and none where there is none.

#include <doctest/doctest.h>

#include <fstream>
#include <string>

#include "tables/open_table.h"
#include "tests/tables/table_rig.h"

namespace chimera::tables::testing {
namespace {

constexpr std::string_view schema =
    "relation t = struct { id: i64, name: string indexed, note: string nullable } key (id)";

struct DamagedTable : TableRig {
  DamagedTable() : TableRig(schema) {
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

TEST_CASE("a whole table has no problems, and each kind of planted damage is found") {
  DamagedTable of;
  CHECK_EQ(problems_of(of.ground.link), "");
  SUBCASE("a row whose state is gone") {
    of.set_state(3, 0);
    of.finds("the header counts 17 rows, and 16 are there");
  }
  SUBCASE("a row that comes back") {
    of.set_state(4, row_state::active);
    of.finds("row 4, (id = 4): index key does not have it");
  }
  SUBCASE("a key that is another's") {
    of.write(of.shape().columns[0].device, 5 * 8, {6});
    of.finds("row 5, (id = 6): index key leads to another row");
  }
  SUBCASE("a value that the index does not know") {
    of.write(of.shape().heaps[0], Place(types::read_slot(of.slot(1, 7).data()).place()).offset() + 4, {'X'});
    of.finds("index name does not have it");
  }
  SUBCASE("two slots with one place") {
    const std::vector<std::uint8_t> slot = of.slot(1, 7);
    Script script;
    script.write_bytes(of.shape().columns[2].device, 2 * 16, slot);
    of.run(script);
    of.finds("row 2, column note leads to no value of its own");
  }
  SUBCASE("a free row that is none") {
    of.write(of.shape().free, 0, {5});
    of.finds("row 5 is listed as free, and is not");
  }
  SUBCASE("a header that counts wrong") {
    of.write(of.shape().header, 40, {16});
    of.finds("are not 20");
  }
  SUBCASE("a column that is too short") {
    Script script;
    script.add(Program().write_length(of.shape().columns[2].device, 100));
    of.run(script);
    of.finds("column note has 100 bytes, and needs 320");
  }
  SUBCASE("a tree whose root is torn") {
    of.write(of.shape().indexes[0].device, 4096 + 16, {0xFF, 0xFF, 0xFF});
    CHECK_NE(problems_of(of.ground.link), "");
  }
  SUBCASE("a text that is no text") {
    of.write(of.shape().heaps[0], Place(types::read_slot(of.slot(2, 7).data()).place()).offset() + 4, {0xFF});
    of.finds("column note");
  }
}

/// The most memory that the process has had since the last call, in bytes.
std::uint64_t most_memory() {
  std::ifstream status("/proc/self/status");
  std::string word;
  std::uint64_t kib = 0;
  while (status >> word && word != "VmHWM:") continue;
  status >> kib;
  std::ofstream("/proc/self/clear_refs") << 5;
  return kib << 10;
}

TEST_CASE("a header that claims a thousand million rows costs a check no memory for each") {
  DamagedTable of;
  constexpr std::uint64_t rows = std::uint64_t{1} << 30;
  Script script;
  for (const ColumnFile& column : of.shape().columns) {
    script.add(Program().write_length(column.device, rows * column.width));
  }
  of.run(script);
  of.write(of.shape().header, 32, {0, 0, 0, 0x40});  // the tail
  static_cast<void>(most_memory());
  const std::uint64_t before = most_memory();
  of.finds("17 rows and 3 free ones are not 1073741824");
  CHECK_LT(most_memory(), before + (64u << 20));
}

}  // namespace
}  // namespace chimera::tables::testing
