// Random values of random types through every encoding and back.

#include <doctest/doctest.h>

#include <fmt/format.h>
#include <algorithm>
#include <memory>

#include "tests/types/sample.h"
#include "types/check.h"
#include "types/content.h"
#include "types/fixed.h"
#include "types/json.h"
#include "types/self_describing.h"
#include "types/slot.h"
#include "types/text.h"

namespace chimera::types {
namespace {

using test::Random;
using Bytes = std::vector<std::uint8_t>;

/// `work(type, value, nullable)` for many.
template <typename Work>
void for_samples(std::uint64_t seed, int count, Work work) {
  for (int turn = 0; turn < count; ++turn) {
    Random random{seed * 1'000'000 + static_cast<std::uint64_t>(turn)};
    const Type type = test::random_type(random, 4);
    const bool nullable = random() % 2 == 0;
    const Value value = test::random_value(random, type, nullable);
    CAPTURE(turn);
    CAPTURE(type_text(type));
    CAPTURE(to_json(value, type));
    const auto wrong = check(value, type, nullable);
    REQUIRE_MESSAGE(!wrong, wrong->text());
    work(type, value, nullable);
  }
}

}  // namespace

TEST_CASE("random values come back from the encodings of columns") {
  std::size_t fixed = 0;
  for_samples(1, 20'000, [&](const Type& type, const Value& value, bool nullable) {
    if (fixed_width(type)) {
      ++fixed;
      const FixedColumn column{type, nullable};
      const std::unique_ptr<std::uint8_t[]> entry{new std::uint8_t[column.width()]};
      column.put(value, entry.get());
      const auto back = column.get(entry.get());
      REQUIRE(back);
      REQUIRE(*back == value);
      if (value.is_null())
        REQUIRE(std::all_of(entry.get(), entry.get() + column.width(), [](auto byte) { return byte == 0; }));
    } else if (!value.is_null() || type.holds_any()) {
      Bytes scratch;
      const auto content = content_of(value, type, scratch);
      const auto back = value_of_content(content, type);
      REQUIRE_MESSAGE(back, back.error().text());
      REQUIRE(*back == value);
    }
  });
  CHECK(fixed > 5'000);
}

TEST_CASE("random values of any kind come back from their self-describing encoding") {
  for (std::uint64_t seed = 0; seed < 20'000; ++seed) {
    Random random{seed};
    const Value value = test::random_any(random, 5);
    Bytes bytes;
    encode_self_describing(value, bytes);
    const auto back = decode_self_describing(bytes);
    CAPTURE(seed);
    CAPTURE(to_json(value));
    REQUIRE_MESSAGE(back, back.error().text());
    REQUIRE(*back == value);
  }
}

TEST_CASE("random values come back from JSON") {
  for_samples(2, 20'000, [](const Type& type, const Value& value, bool nullable) {
    const auto back = from_json(to_json(value, type), type, nullable);
    REQUIRE_MESSAGE(back, back.error().text());
    REQUIRE(*back == value);
  });
  for (std::uint64_t seed = 0; seed < 20'000; ++seed) {
    Random random{seed};
    const Value value = test::random_any(random, 5);
    const auto back = from_json(to_json(value), Type::of(Kind::any), true);
    CAPTURE(to_json(value));
    REQUIRE_MESSAGE(back, back.error().text());
    REQUIRE(*back == value);
  }
}

TEST_CASE("random values come back from text") {
  for_samples(3, 20'000, [](const Type& type, const Value& value, bool) {
    if (value.is_null() && !type.holds_any()) return;
    const auto back = from_text(to_text(value, type), type);
    REQUIRE_MESSAGE(back, back.error().text());
    REQUIRE(*back == value);
  });
}

TEST_CASE("types come back from their texts") {
  for (std::uint64_t seed = 0; seed < 5'000; ++seed) {
    Random random{seed};
    const Type type = test::random_type(random, 6);
    const auto back = parse_type(type_text(type));
    CAPTURE(type_text(type));
    REQUIRE_MESSAGE(back, back.error().text());
    REQUIRE(*back == type);
    REQUIRE(!check_type(type));
  }
}

TEST_CASE("whole columns are what their entries are one by one") {
  for (std::uint64_t seed = 0; seed < 2'000; ++seed) {
    Random random{seed};
    const Type type = test::random_type(random, 2);
    if (!fixed_width(type)) continue;
    const bool nullable = random() % 2 == 0;
    const FixedColumn column{type, nullable};
    std::vector<Row> rows(random() % 20);
    for (Row& row : rows) row = {Value::of(1.0), test::random_value(random, type, nullable)};
    Bytes entries(rows.size() * column.width());
    column.put_column(rows, 1, entries.data());
    for (std::size_t i = 0; i < rows.size(); ++i)
      REQUIRE(*column.get(entries.data() + i * column.width()) == rows[i][1]);
    std::vector<Row> back(rows.size(), Row(2));
    REQUIRE(!column.get_column(entries.data(), back, 1));
    for (std::size_t i = 0; i < rows.size(); ++i) REQUIRE(back[i][1] == rows[i][1]);
  }
}

TEST_CASE("slots") {
  Bytes slot(slot_size, 0xEE);
  put_null_slot(slot.data());
  CHECK(read_slot(slot.data()).is_null());
  CHECK_FALSE(read_slot(slot.data()).is_placed());
  CHECK(read_slot(slot.data()).content().empty());

  const Bytes content{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13};
  for (std::size_t size = 0; size <= most_in_slot; ++size) {
    put_inside_slot(slot.data(), std::span{content}.first(size));
    const Slot read = read_slot(slot.data());
    CHECK(read.is_inside());
    CHECK(std::ranges::equal(read.content(), std::span{content}.first(size)));
    CHECK(std::all_of(slot.begin() + 4 + static_cast<std::ptrdiff_t>(size), slot.end(),
                      [](auto byte) { return byte == 0; }));
  }
  put_placed_slot(slot.data(), content, content.size(), 0x1122334455667788);
  CHECK(read_slot(slot.data()).is_placed());
  CHECK(read_slot(slot.data()).length == 13);
  CHECK(read_slot(slot.data()).place() == 0x1122334455667788);
  CHECK(std::ranges::equal(read_slot(slot.data()).content(), Bytes{1, 2, 3, 4}));
  put_placed_slot(slot.data(), content, 10ull << 30, 7);
  CHECK(read_slot(slot.data()).is_long());
  CHECK(read_slot(slot.data()).is_placed());
}

TEST_CASE("what has no fixed width") {
  const auto width = [](std::string_view text) { return fixed_width(*parse_type(text)).value_or(0); };
  CHECK(width("u8") == 1);
  CHECK(width("i128") == 16);
  CHECK(width("pointer") == 24);
  CHECK(width("enum { a, b }") == 1);
  CHECK(width("array(f32, 768)") == 3072);
  CHECK(width("struct { x: f64, y: i16 nullable }") == 11);
  CHECK(width("array(u64, 512)") == 4096);
  for (const char* text : {"array(u64, 513)", "string", "string(5)", "enum { a, b u8 }", "set(u8, 1)", "array(u8)",
                           "union { u8 }", "any", "struct { x: string }", "blob", "function", "object"}) {
    CAPTURE(text);
    CHECK(width(text) == 0);
  }
}

}  // namespace chimera::types
