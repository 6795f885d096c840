// Bytes that no encoder wrote are refused, and nothing is read past their end: each input has a block of just its size.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "tests/types/sample.h"
#include "types/content.h"
#include "types/fixed.h"
#include "types/json.h"
#include "types/key.h"
#include "types/self_describing.h"

namespace chimera::types {
namespace {

using test::Random;
using Bytes = std::vector<std::uint8_t>;

struct Copy {
  explicit Copy(const Bytes& from) : data{new std::uint8_t[from.size()]}, size{from.size()} {
    std::ranges::copy(from, data.get());
  }
  [[nodiscard]] std::span<const std::uint8_t> bytes() const { return {data.get(), size}; }
  std::unique_ptr<std::uint8_t[]> data;
  std::size_t size;
};

void damage(Random& random, Bytes& bytes) {
  for (std::uint64_t n = 1 + random() % 3; n > 0; --n) {
    const std::size_t at = random() % (bytes.size() + 1);
    switch (random() % 3) {
      case 0: bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(at), static_cast<std::uint8_t>(random())); break;
      case 1: bytes.resize(at); break;
      default:
        if (at < bytes.size()) bytes[at] = static_cast<std::uint8_t>(random() % 2 == 0 ? random() : bytes[at] ^ 1);
    }
  }
}

std::string refusal(Bytes bytes) {
  const auto value = decode_self_describing(bytes);
  if (value) return "it is " + to_json(*value);
  CHECK(value.error().status == Status::corrupt);
  return value.error().words;
}

}  // namespace

TEST_CASE("damaged self-describing bytes give another value's encoding or an error") {
  std::size_t values = 0;
  for (std::uint64_t seed = 0; seed < 30'000; ++seed) {
    Random random{seed};
    Bytes bytes;
    encode_self_describing(test::random_any(random, 5), bytes);
    damage(random, bytes);
    const Copy copy{bytes};
    const auto value = decode_self_describing(copy.bytes());
    if (!value) continue;
    ++values;
    Bytes again;
    encode_self_describing(*value, again);
    REQUIRE(again == bytes);
  }
  CHECK(values > 1'000);
}

TEST_CASE("damaged entries, contents and keys give values that are encoded again, or errors") {
  for (std::uint64_t seed = 0; seed < 30'000; ++seed) {
    Random random{seed};
    const Type type = test::random_type(random, 3, true);
    const bool nullable = random() % 2 == 0;
    const Value value = test::random_value(random, type, nullable);
    Bytes bytes;
    append_key(value, type, nullable, bytes);
    damage(random, bytes);
    const Copy key{bytes};
    std::span<const std::uint8_t> rest = key.bytes();
    if (const auto back = take_key(rest, type, nullable)) {
      Bytes again;
      append_key(*back, type, nullable, again);
    }
    bytes.clear();
    if (!value.is_null()) {
      Bytes scratch;
      const auto content = content_of(value, type, scratch);
      bytes.assign(content.begin(), content.end());
    }
    damage(random, bytes);
    const Copy content{bytes};
    if (const auto back = value_of_content(content.bytes(), type)) {
      Bytes scratch;
      REQUIRE(std::ranges::equal(content_of(*back, type, scratch), bytes));
    }
    if (!fixed_width(type)) continue;
    const FixedColumn column{type, nullable};
    bytes.resize(column.width());
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random() % 2 == 0 ? random() % 3 : random());
    if (const auto back = column.get(Copy{bytes}.bytes().data())) {
      Bytes again(column.width());
      column.put(*back, again.data());
      const bool has_floats = type_text(type).find('f') != std::string::npos;
      if (!has_floats) REQUIRE(again == bytes);
    }
  }
}

TEST_CASE("what self-describing bytes are refused for") {
  CHECK(refusal({}) == "the bytes end within the value");
  CHECK(refusal({0x08, 0x05, 'a'}) == "the bytes end within the value");
  CHECK(refusal({0xB1, 0x00}) == "there are bytes behind the value");
  CHECK(refusal({0xB2}) == "no value has this tag");
  CHECK(refusal({0xE8}) == "no value has this tag");
  CHECK(refusal({0x89, 0x00}) == "a number has more bytes than it needs");
  CHECK(refusal({0x8A, 0x05, 0x00}) == "a number has more bytes than it needs");
  CHECK(refusal({0x42, 0x00, 0x01}) == "a number does not fit u8");
  CHECK(refusal({0x08, 0x80, 0x00}) == "a count has more bytes than it needs");
  CHECK(refusal({0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01}) == "a count is too large");
  CHECK(refusal({0x08, 0x01, 0xFF}) == "a string is not UTF-8");
  CHECK(refusal({0x10, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F}) == "the bytes end within the value");
  CHECK(refusal({0x10, 0x01, 0x89, 0x05}) == "numbers of one kind are written packed");
  CHECK(refusal({0x11, 0x01, 0x8A, 0x05, 0x00}) == "numbers have more bytes than they need");
  CHECK(refusal({0x11, 0x01, 0x08, 0x00}) == "no packed list has this tag");
  CHECK(refusal({0x11, 0x01, 0x88}) == "no packed list has this tag");
  CHECK(refusal({0x18, 0x02, 0xB1, 0xB0}) == "a set is not in order");
  CHECK(refusal({0x18, 0x02, 0xB1, 0xB1}) == "a set is not in order");
  CHECK(refusal({0x20, 0x02, 0x01, 'a', 0x00, 0x01, 'a', 0x00}) == "a field is there twice");
  CHECK(refusal({0x20, 0x01, 0x01, 0xFF, 0x00}) == "a name is not UTF-8");
  CHECK(refusal({0xA8, 1, 0, 0, 0, 0, 0, 0xF8, 0x7F}) == "this NaN is not the one that is written");
  Bytes deep;
  for (int i = 0; i < 33; ++i) deep.insert(deep.end(), {0x10, 0x01});
  deep.push_back(0x00);
  CHECK(refusal(deep) == "values are inside each other more than 32 deep");
}

TEST_CASE("what entries and keys are refused for") {
  const auto entry = [](std::string_view text, bool nullable, Bytes bytes) {
    const Type type = *parse_type(text);
    const auto value = FixedColumn{type, nullable}.get(bytes.data());
    return value ? "it is " + to_json(*value, type) : value.error().text();
  };
  CHECK(entry("bool", false, {2}) == "byte 0x02 is no bool");
  CHECK(entry("enum { a, b }", false, {2}) == "the enum has no variant number 2");
  CHECK(entry("u8", true, {2, 0}) == "byte 0x02 in front of the value is neither 0 (null) nor 1");
  CHECK(entry("u8", true, {0, 1}) == "a null has bytes behind it that are not zero");
  CHECK(entry("array(bool, 2)", false, {1, 2}) == "[1]: byte 0x02 is no bool");
  CHECK(entry("struct { a: bool }", false, {2}) == "a: byte 0x02 is no bool");
  const auto key = [](std::string_view text, bool nullable, Bytes bytes) {
    const Type type = *parse_type(text);
    std::span<const std::uint8_t> rest{bytes};
    const auto value = take_key(rest, type, nullable);
    return value ? "it is " + to_json(*value, type) : value.error().text();
  };
  CHECK(key("u16", false, {1}) == "the key ends within a value");
  CHECK(key("string", false, {'a', 0}) == "the key ends within a value");
  CHECK(key("string", false, {'a'}) == "the key ends within a value");
  CHECK(key("string", false, {'a', 0, 2}) == "a zero in a key is followed by neither 01 nor FF");
  CHECK(key("string", false, {0xFF, 0, 1}) == "a string in a key is not UTF-8");
  CHECK(key("bool", false, {2}) == "a bool in a key is neither 00 nor 01");
  CHECK(key("u8", true, {2, 0}) == "the first byte of a key that may be null is neither 00 nor 01");
  CHECK(key("u8", true, {0}) == "the key ends within a value");
  CHECK(key("enum { a }", false, {1}) == "a key has a variant that its type lacks");
  CHECK(key("array(u8)", false, {2}) == "a list in a key goes on with neither 00 nor 01");
  CHECK(key("array(u8)", false, {1, 5}) == "the key ends within a value");
}

TEST_CASE("a content that is none of its type is refused") {
  const auto content = [](std::string_view text, Bytes bytes) {
    const auto value = value_of_content(bytes, *parse_type(text));
    if (value) return "it is " + to_json(*value);
    CHECK(value.error().status == Status::corrupt);
    return value.error().text();
  };
  CHECK(content("string", {'a', 0xFF}) == "the text is not UTF-8");
  CHECK(content("string(1)", {'a', 'b'}) == "2 bytes do not fit string(1)");
  CHECK(content("function", {0x02}) == "byte 0 of the function begins no whole instruction");
  CHECK(content("array(u8)", {0x11, 0x01, 0x89, 0x05}) == "[0]: expected u8, not i64 5");
  CHECK(content("any", {0xC0, 0x01, 0x02}) == "byte 0 of the function begins no whole instruction");
}

TEST_CASE("a column says which entry is damaged") {
  const Type type = Type::of(Kind::boolean);
  std::vector<Row> rows(3, Row(1));
  const Bytes bytes{1, 0, 7};
  const auto wrong = FixedColumn{type, false}.get_column(bytes.data(), rows, 0);
  REQUIRE(wrong);
  CHECK(wrong->text() == "[2]: byte 0x07 is no bool");
  CHECK(wrong->status == Status::corrupt);
}

}  // namespace chimera::types
