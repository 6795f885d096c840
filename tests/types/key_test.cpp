// The order of keys is the order of values.

#include "types/key.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/types/sample.h"
#include "types/json.h"
#include "types/limits.h"
#include "types/order.h"

namespace chimera::types {
namespace {

using test::Random;
using Bytes = std::vector<std::uint8_t>;

struct Part {
  Type type;
  bool nullable;
};

Bytes key_of(const std::vector<Part>& parts, const Row& row) {
  Bytes key;
  for (std::size_t i = 0; i < parts.size(); ++i) append_key(row[i], parts[i].type, parts[i].nullable, key);
  return key;
}

std::weak_ordering compare_rows(const std::vector<Part>& parts, const Row& left, const Row& right) {
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto order = compare(left[i], right[i], parts[i].type);
    if (order != 0) return order;
  }
  return std::weak_ordering::equivalent;
}

Value key_back(const Type& type, bool nullable, const Value& value) {
  Bytes key;
  append_key(value, type, nullable, key);
  std::span<const std::uint8_t> rest{key};
  auto back = take_key(rest, type, nullable);
  REQUIRE_MESSAGE(back, back.error().text());
  REQUIRE(rest.empty());
  return *back;
}

}  // namespace

TEST_CASE("the order of keys is the order of values") {
  std::size_t equal = 0;
  for (std::uint64_t seed = 0; seed < 8'000; ++seed) {
    Random random{seed};
    std::vector<Part> parts;
    for (std::uint64_t n = 1 + random() % 3; n > 0; --n) {
      const unsigned depth = static_cast<unsigned>(1 + random() % 3);
      parts.push_back({test::random_type(random, depth, true), random() % 2 == 0});
    }
    std::vector<Row> rows(8);
    for (Row& row : rows) {
      for (const Part& part : parts) row.push_back(test::random_value(random, part.type, part.nullable));
    }
    rows.push_back(rows.front());
    for (const Row& left : rows) {
      for (const Row& right : rows) {
        const Bytes left_key = key_of(parts, left);
        const Bytes right_key = key_of(parts, right);
        const auto order = compare_rows(parts, left, right);
        CAPTURE(seed);
        CAPTURE(type_text(parts.front().type));
        CAPTURE(to_json(left.front(), parts.front().type));
        CAPTURE(to_json(right.front(), parts.front().type));
        REQUIRE((left_key <=> right_key) == order);
        // No key is the beginning of another one.
        const bool begins =
            left_key.size() < right_key.size() && std::equal(left_key.begin(), left_key.end(), right_key.begin());
        REQUIRE_FALSE(begins);
        equal += &left != &right && order == 0;
      }
    }
  }
  CHECK(equal > 8'000);
}

TEST_CASE("values come back from their keys, and a width that is told is kept") {
  for (std::uint64_t seed = 0; seed < 20'000; ++seed) {
    Random random{seed};
    const Type type = test::random_type(random, 3, true);
    const bool nullable = random() % 2 == 0;
    const Value value = test::random_value(random, type, nullable);
    // A set in which 0.0 and -0.0 are both has a key in which they are the same.
    const bool may_shrink = type_text(type).find("set(") != std::string::npos;
    if (may_shrink) continue;
    CAPTURE(type_text(type));
    CAPTURE(to_json(value, type));
    REQUIRE(compare(key_back(type, nullable, value), value, type) == 0);
    Bytes key;
    append_key(value, type, nullable, key);
    if (const auto width = key_width(type, nullable)) REQUIRE(key.size() == *width);
  }
}

TEST_CASE("edges of keys") {
  const Type real = Type::of(Kind::f64);
  const auto bytes = [](const Value& value, const Type& type, bool nullable = false) {
    Bytes key;
    append_key(value, type, nullable, key);
    return key;
  };
  CHECK(bytes(Value::of(-0.0), real) == bytes(Value::of(0.0), real));
  CHECK(compare(Value::of(-0.0), Value::of(0.0), real) == 0);
  CHECK(total_order(Value::of(-0.0), Value::of(0.0)) < 0);
  const Value nan = Value::of(std::numeric_limits<double>::quiet_NaN());
  CHECK(bytes(nan, real) > bytes(Value::of(std::numeric_limits<double>::infinity()), real));
  CHECK(bytes(Value::of(-std::numeric_limits<double>::quiet_NaN()), real) == bytes(nan, real));
  // A null is as wide as the others.
  CHECK(bytes(Value{}, real, true) == Bytes(9));
  CHECK(key_width(real, true) == 9);
  CHECK(bytes(Value{}, Type::of(Kind::string), true) == Bytes{0});
  CHECK_FALSE(key_width(Type::of(Kind::string), false));
  Bytes fast;
  append_key_i64(-5, fast);
  CHECK(fast == bytes(Value::of(std::int64_t{-5}), Type::of(Kind::i64)));
  fast.clear();
  append_key_u64(5, fast);
  CHECK(fast == bytes(Value::of(std::uint64_t{5}), Type::of(Kind::u64)));
  CHECK_FALSE(check_key_size(limits::longest_key));
  CHECK(check_key_size(1025)->text() == "the key has 1025 bytes, more than 1024");
  CHECK(check_key_size(1025)->status == Status::too_large);
  for (const char* text : {"any", "unknown", "object", "interface { a: u8 }", "array(any)", "struct { a: object }"}) {
    CHECK_FALSE(has_order(*parse_type(text)));
  }
}

}  // namespace chimera::types
