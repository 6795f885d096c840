// Schemas of tests/golden/schema with their canonical text or what is wrong with them. A file has two sections, each
// behind a line `=== title`: `schema`, and `printed` or `errors`, the expectation. GOLDEN_UPDATE=1 in the environment
// writes the expectations anew instead of comparing them.

#include "types/schema.h"

#include <doctest/doctest.h>

#include <fmt/format.h>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/types/sample.h"
#include "types/check.h"
#include "types/limits.h"

namespace chimera::types {
namespace {

std::string read(const std::filesystem::path& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

void check_fixed_point(const Schema& schema) {
  const std::string printed = print(schema);
  const auto again = parse_schema(printed, "printed");
  if (!again) FAIL(diagnostics_text(again.error()));
  CHECK(*again == schema);
  CHECK(print(*again) == printed);
  for (const Relation& relation : schema.relations) {
    const std::string one = print(relation);
    const auto alone = parse_schema(one, "relation");
    if (!alone) FAIL(diagnostics_text(alone.error()));
    REQUIRE(alone->relations.size() == 1);
    CHECK(alone->relations.front() == relation);
    CHECK(print(*alone) == one);
  }
}

std::string run(std::string_view text) {
  const auto schema = parse_schema(text, "schema");
  if (!schema) return "=== errors\n" + diagnostics_text(schema.error());
  check_fixed_point(*schema);
  std::string result = "=== printed\n" + print(*schema);
  for (const Relation& relation : schema->relations) {
    for (const Column& column : relation.columns) {
      if (column.default_value) CHECK_FALSE(check(*column.default_value, column.type, column.nullable));
    }
  }
  return result;
}

}  // namespace

TEST_CASE("golden schemas") {
  const bool update = std::getenv("GOLDEN_UPDATE") != nullptr;
  constexpr std::string_view title = "=== schema\n";
  std::size_t schemas = 0;
  for (const auto& entry : std::filesystem::directory_iterator{SOURCE_ROOT "/tests/golden/schema"}) {
    CAPTURE(entry.path().filename().string());
    const std::string whole = read(entry.path());
    REQUIRE(whole.starts_with(title));
    const std::size_t end = std::min(whole.find("=== ", title.size()), whole.size());
    const std::string result = run(std::string_view{whole}.substr(title.size(), end - title.size()));
    ++schemas;
    if (update) {
      std::ofstream{entry.path(), std::ios::binary} << whole.substr(0, end) << result;
    } else {
      CHECK(whole.substr(end) == result);
    }
  }
  CHECK(schemas >= 5);
}

TEST_CASE("random schemas are the same after they were printed") {
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    test::Random random{seed};
    Schema schema;
    for (std::uint64_t i = random() % 4; i > 0; --i) {
      Type type = test::random_type(random, 3);
      if (!schema.types.empty() && random() % 2 == 0) type = Type::array(schema.types.back());
      type.name = fmt::format("{}T{}", random() % 2 == 0 ? "m." : "", i);
      schema.types.push_back(std::move(type));
    }
    Relation relation{.name = "m.n.r"};
    for (std::uint32_t i = 0; i < 1 + seed % 5; ++i) {
      Column column{.name = fmt::format("c{}", i), .type = test::random_type(random, 3), .nullable = random() % 2 == 0};
      if (!schema.types.empty() && random() % 2 == 0) column.type = schema.types.back();
      if (random() % 2 == 0) column.default_value = test::random_value(random, column.type, column.nullable);
      relation.columns.push_back(std::move(column));
    }
    schema.relations.push_back(std::move(relation));
    CAPTURE(print(schema));
    check_fixed_point(schema);
  }
}

TEST_CASE("what a relation tells") {
  const auto schema = parse_schema(
      "relation r = struct { a: u8, b: string nullable indexed, c: u8 unique } key (a) index d (b, c)", "s");
  REQUIRE(schema);
  const Relation* relation = schema->find("r");
  REQUIRE(relation != nullptr);
  CHECK(schema->find("s") == nullptr);
  CHECK(relation->find("c") == 2);
  CHECK_FALSE(relation->find("d"));
  CHECK(type_text(relation->row_type()) == "struct { a: u8, b: string nullable, c: u8 }");
  const std::vector<Index> expected{{"b", false, {1}}, {"c", true, {2}}, {"d", false, {1, 2}}};
  CHECK(relation->all_indexes() == expected);
}

TEST_CASE("a schema has an end") {
  const auto first = [](const std::string& text) {
    const auto schema = parse_schema(text, "s");
    return schema ? "it is one" : schema.error().front().message;
  };
  std::string types;
  std::string relations;
  for (std::size_t i = 0; i < limits::most_types; ++i) types += fmt::format("type T{} = u8\n", i);
  for (std::size_t i = 0; i < limits::most_relations; ++i)
    relations += fmt::format("relation r{} = struct {{ a: u8 }}\n", i);
  CHECK(first(types) == "it is one");
  CHECK(first(types + "type T = u8") == "a schema has at most 4096 types");
  CHECK(first(relations) == "it is one");
  CHECK(first(relations + "relation r = struct { a: u8 }") == "a schema has at most 4096 relations");
  CHECK(first(std::string(limits::longest_schema + 1, ' ')) == "a schema has at most 1048576 bytes");
  std::string columns;
  for (std::size_t i = 0; i <= limits::most_columns; ++i) columns += fmt::format("c{}: u8,", i);
  CHECK(first("relation r = struct {" + columns + "}") == "a relation has at most 1024 columns");
}

TEST_CASE("errors of types that stand alone") {
  CHECK(parse_type("aray(u8)").error().text() ==
        "there is no type aray above this line; did you mean 'array'? (at byte 1)");
  CHECK(parse_type("u8 u8").error().text() == "expected the end of the type, not u8 (at byte 4)");
  CHECK(parse_type("").error().text() == "expected a type, but the text ends (at byte 1)");
}

TEST_CASE("any text gives a schema or errors, and nothing worse") {
  test::Random random{5};
  const std::string seed = read(SOURCE_ROOT "/tests/golden/schema/example.txt");
  const std::string_view pieces = "\"{}()[]:,=|. \ntype relation module key default nullable 0-1e\xFF// struct";
  std::size_t good = 0;
  for (int turn = 0; turn < 3000; ++turn) {
    std::string text = seed.substr(11, seed.find("=== printed") - 11);
    if (turn % 2 == 0) text = text.substr(random() % text.size(), random() % 400);
    for (std::uint64_t edits = random() % 4; edits > 0; --edits) {
      const std::size_t at = random() % (text.size() + 1);
      if (random() % 2 == 0) text.erase(at, random() % 10);
      text.insert(std::min(at, text.size()), pieces.substr(random() % pieces.size(), random() % 8));
    }
    const auto schema = parse_schema(text, "x");
    if (schema) {
      ++good;
      CAPTURE(text);
      check_fixed_point(*schema);
      continue;
    }
    REQUIRE_FALSE(schema.error().empty());
    for (const Diagnostic& diagnostic : schema.error()) {
      REQUIRE_FALSE(diagnostic.message.empty());
      REQUIRE(diagnostic.column <= diagnostic.source_line.size() + 1);
    }
  }
  CHECK(good > 50);
}

}  // namespace chimera::types
