// The vectors of docs/table-format.md, both ways. A line has an encoding, a type, a value as JSON and bytes, with two
// blanks or more between them.

#include <doctest/doctest.h>

#include <fmt/format.h>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "types/content.h"
#include "types/fixed.h"
#include "types/json.h"
#include "types/key.h"
#include "types/scalar_text.h"
#include "types/self_describing.h"
#include "types/slot.h"

namespace chimera::types {
namespace {

using Bytes = std::vector<std::uint8_t>;

std::vector<std::string> split(std::string_view line) {
  std::vector<std::string> parts;
  while (!line.empty()) {
    const std::size_t begin = std::min(line.find_first_not_of(' '), line.size());
    line.remove_prefix(begin);
    const std::size_t end = std::min(line.find("  "), line.size());
    if (end > 0) parts.emplace_back(line.substr(0, end));
    line.remove_prefix(end);
  }
  return parts;
}

struct Vector {
  std::string encoding;
  Type type;
  bool nullable = false;
  Value value;
  Bytes bytes;
};

Vector parse(const std::vector<std::string>& parts) {
  Vector vector{.encoding = parts[0]};
  std::string_view text = parts[1];
  vector.nullable = text.ends_with(" nullable");
  if (vector.nullable) text.remove_suffix(9);
  auto type = parse_type(text);
  REQUIRE_MESSAGE(type, type.error().text());
  vector.type = *std::move(type);
  auto value = from_json(parts[2], vector.type, vector.nullable);
  REQUIRE_MESSAGE(value, value.error().text());
  vector.value = *std::move(value);
  CHECK(to_json(vector.value, vector.type) == parts[2]);
  std::string digits = parts[3];
  std::erase(digits, ' ');
  const auto bytes = parse_hex(digits);
  REQUIRE(bytes);
  vector.bytes.assign(bytes->begin(), bytes->end());
  return vector;
}

std::string hex(const Bytes& bytes) {
  std::string text;
  for (const std::uint8_t byte : bytes) text += fmt::format("{}{:02x}", text.empty() ? "" : " ", byte);
  return text;
}

Bytes encode(const Vector& vector) {
  Bytes bytes;
  if (vector.encoding == "fixed") {
    const FixedColumn column{vector.type, vector.nullable};
    bytes.resize(column.width());
    column.put(vector.value, bytes.data());
  } else if (vector.encoding == "key") {
    append_key(vector.value, vector.type, vector.nullable, bytes);
  } else if (vector.encoding == "self") {
    encode_self_describing(vector.value, bytes);
  } else {
    bytes.resize(slot_size);
    Bytes scratch;
    if (vector.value.is_null()) {
      put_null_slot(bytes.data());
    } else {
      put_inside_slot(bytes.data(), content_of(vector.value, vector.type, scratch));
    }
  }
  return bytes;
}

Result<Value> decode(const Vector& vector) {
  if (vector.encoding == "fixed") return FixedColumn{vector.type, vector.nullable}.get(vector.bytes.data());
  if (vector.encoding == "self") return decode_self_describing(vector.bytes);
  if (vector.encoding == "key") {
    std::span<const std::uint8_t> rest{vector.bytes};
    return take_key(rest, vector.type, vector.nullable);
  }
  const Slot slot = read_slot(vector.bytes.data());
  if (slot.is_null()) return Value{};
  return value_of_content(slot.content(), vector.type);
}

}  // namespace

TEST_CASE("the vectors of docs/table-format.md") {
  std::ifstream document{SOURCE_ROOT "/docs/table-format.md"};
  REQUIRE(document);
  std::map<std::string, int> seen;
  for (std::string line; std::getline(document, line);) {
    if (!line.starts_with("    ")) continue;
    const std::vector<std::string> parts = split(line);
    const std::string_view encoding = parts.empty() ? std::string_view{} : parts.front();
    if (encoding != "fixed" && encoding != "key" && encoding != "self" && encoding != "slot") continue;
    CAPTURE(line);
    REQUIRE(parts.size() == 4);
    const Vector vector = parse(parts);
    CHECK(hex(encode(vector)) == hex(vector.bytes));
    const auto back = decode(vector);
    REQUIRE_MESSAGE(back, back.error().text());
    CHECK(*back == vector.value);
    ++seen[vector.encoding];
  }
  CHECK(seen["fixed"] >= 20);
  CHECK(seen["key"] >= 20);
  CHECK(seen["self"] >= 20);
  CHECK(seen["slot"] >= 5);
}

}  // namespace chimera::types
