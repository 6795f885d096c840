// Operations of tables and what they are compiled to. A file of tests/golden/tables has a schema, then `=== run` with
// operations that are done, one a line, then `=== explain` with one that is shown, and behind `=== program` what that
// gives: assembly with notes. GOLDEN_UPDATE=1 in the environment writes that part anew instead of comparing it.

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <sstream>

#include <fmt/format.h>

#include "assembler/assembler.h"
#include "cli/explanation.h"
#include "tables/recording.h"
#include "tests/tables/table_rig.h"
#include "types/json.h"

namespace chimera::tables::testing {
namespace {

struct Golden {
  std::string schema;
  std::vector<std::string> done;
  std::string explained;
  std::string given;  ///< everything in front of the program, as it stands in the file
  std::string program;
};

Golden parse(const std::string& text) {
  Golden golden;
  std::string part = "schema";
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const bool is_heading = line.starts_with("=== ");
    if (is_heading) part = line.substr(4);
    (part == "program" ? golden.program : golden.given) += line + "\n";
    if (is_heading || line.empty()) continue;
    if (part == "schema") golden.schema += line + "\n";
    if (part == "run") golden.done.push_back(line);
    if (part == "explain") golden.explained = line;
  }
  return golden;
}

/// A row of JSON, with null for what lacks.
Row row_of(const types::Relation& relation, const std::string& json) {
  std::vector<types::Member> members;
  for (const types::Column& column : relation.columns) members.push_back({column.name, column.type, column.nullable});
  auto values = types::row_from_json(json, members);
  REQUIRE_MESSAGE(values.has_value(), (values ? std::string() : values.error().text()));
  Row row;
  for (auto& value : *values) row.push_back(value.value_or(Value()));
  return row;
}

Row key_of(const types::Relation& relation, const std::string& json) {
  const Row row = row_of(relation, json);
  Row key;
  for (const std::uint32_t column : relation.key) key.push_back(row[column]);
  return key;
}

template <typename Outcome>
void succeed(const Outcome& outcome) {
  REQUIRE_MESSAGE(outcome.has_value(), words_of(outcome));
}

/// `get {"id": 1}`, `insert {…}`, `scan CONDITION`, …
void operate(Link& link, const std::string& line, const std::string& schema) {
  const std::string word = line.substr(0, line.find(' '));
  const std::string rest = line.size() > word.size() ? line.substr(word.size() + 1) : std::string();
  auto* const recording = dynamic_cast<Recording*>(&link);
  const TableOptions options{.explained = recording != nullptr};
  Catalogue catalogue(link, {.table = options, .now = [] { return std::int64_t{1'700'000'000'000'000'000}; }});
  if (word == "create") return succeed(catalogue.create_table(rig_table, relation_of(schema)));
  if (word == "make") return succeed(catalogue.create_table(rest, relation_of(schema)));
  if (word == "drop") return succeed(catalogue.drop_table(rig_table));
  if (word == "rename") return succeed(catalogue.rename_table(rig_table, rest));
  auto table = Table::open(link, rig_table, options);
  REQUIRE_OK(table);
  if (recording != nullptr) recording->clear();
  const types::Relation relation = table->relation();
  if (word == "insert") return succeed(table->insert({row_of(relation, rest)}));
  if (word == "upsert") return succeed(table->upsert({row_of(relation, rest)}));
  if (word == "get") return succeed(table->get(key_of(relation, rest)));
  if (word == "remove") return succeed(table->remove(key_of(relation, rest)));
  if (word == "lock") return succeed(table->mark(key_of(relation, rest), 0x10, 0));
  if (word == "remove_where") return succeed(table->remove_where(rest));
  if (word == "count") return succeed(table->count());
  if (word == "sum") return succeed(table->aggregate(rest.substr(0, rest.find(' ')), rest.substr(rest.find(' ') + 1)));
  if (word == "truncate") return succeed(table->truncate());
  if (word == "put") {
    std::istringstream values(rest);
    const auto next = [&]() -> Result<Value> {
      std::int64_t value = 0;
      values >> value;
      return i64(value);
    };
    return succeed(table->put_column("price", 3, next));
  }
  if (word == "compress") return succeed(table->compress_column(rest, true));
  if (word == "decompress") return succeed(table->compress_column(rest, false));
  if (word == "fill") return succeed(table->insert(std::vector<Row>(8200, row_of(relation, rest))));
  if (word == "add_index") return succeed(table->add_index({rest, false, {rest}}));
  if (word == "add_unique") return succeed(table->add_index({rest, true, {"name", "price"}}));
  if (word == "drop_index") return succeed(table->drop_index(rest));
  if (word == "drop_column") return succeed(table->drop_column(rest));
  if (word == "rename_column") return succeed(table->rename_column(rest, "other"));
  if (word == "update") {
    return succeed(table->update(key_of(relation, rest), {{"name", text("another name, which is longer")}}));
  }
  REQUIRE_EQ(word, "scan");
  (void)rows_of(*table, {.where = rest});
}

/// UUIDs are different each time: they get numbers, in the order in which they come.
std::string with_numbers(const std::string& text) {
  static const std::regex uuid("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}");
  std::map<std::string, std::string> numbers;
  std::string result;
  auto from = text.cbegin();
  for (std::sregex_iterator match(text.begin(), text.end(), uuid), end; match != end; ++match) {
    result.append(from, (*match)[0].first);
    const auto [number, is_new] =
        numbers.try_emplace(match->str(), fmt::format("00000000-0000-0000-0000-{:012}", numbers.size() + 1));
    result += number->second;
    from = (*match)[0].second;
  }
  return result.append(from, text.cend());
}

std::string run(const Golden& golden) {
  MemoryGround ground;
  ground.link.next_version = 2;
  for (const std::string& line : golden.done) operate(ground.link, line, golden.schema);
  Recording recording(ground.link);
  recording.next_version = ground.link.next_version;
  operate(recording, golden.explained, golden.schema);
  const std::string text = cli::explanation(recording.scripts(), recording.names());
  const auto assembled = assembler::assemble(text, "explanation", {});
  REQUIRE_MESSAGE(assembled.ok(), assembled.diagnostics_text());
  std::vector<std::uint8_t> bytes;
  for (const Script& script : recording.scripts())
    bytes.insert(bytes.end(), script.bytes().begin(), script.bytes().end());
  CHECK(assembled.bytes == bytes);
  return "=== program\n" + with_numbers(text);
}

TEST_CASE("operations of tables are compiled to their programs, and explaining them changes nothing") {
  const bool update = std::getenv("GOLDEN_UPDATE") != nullptr;
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(SOURCE_ROOT "/tests/golden/tables")) {
    CAPTURE(entry.path().filename().string());
    std::ifstream file(entry.path(), std::ios::binary);
    const Golden golden = parse({std::istreambuf_iterator<char>(file), {}});
    const std::string result = run(golden);
    ++files;
    if (update) {
      std::ofstream(entry.path(), std::ios::binary) << golden.given << result;
    } else {
      CHECK_EQ(golden.program, result);
    }
  }
  CHECK_GE(files, 12);
}

}  // namespace
}  // namespace chimera::tables::testing
