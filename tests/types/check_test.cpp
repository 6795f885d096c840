// What keeps values from being of a type, and what conform makes of them.

#include "types/check.h"

#include <doctest/doctest.h>

#include <utility>

#include "tests/types/sample.h"
#include "types/json.h"
#include "types/limits.h"

namespace chimera::types {
namespace {

std::string check_text(const Value& value, std::string_view type, bool nullable = false) {
  const auto wrong = check(value, *parse_type(type), nullable);
  return wrong ? wrong->text() : "";
}

/// The JSON of what becomes of the value, or the error.
std::string conformed(Value value, std::string_view type, bool nullable = false) {
  const Type wanted = *parse_type(type);
  const auto wrong = conform(value, wanted, nullable);
  if (wrong) return wrong->text();
  REQUIRE_FALSE(check(value, wanted, nullable));
  return to_json(value, wanted);
}

Value nested(unsigned depth) {
  Value value = Value::array({});
  for (unsigned i = 1; i < depth; ++i) {
    std::vector<Value> items;
    items.push_back(std::move(value));
    value = Value::array(std::move(items));
  }
  return value;
}

Value text(std::string_view bytes) { return Value::string(std::string{bytes}); }

}  // namespace

TEST_CASE("a value that is asked for what it is not gives nothing, and one that cannot be made is null") {
  Value kinds[] = {Value(),
                   Value::of(true),
                   Value::of(2.5),
                   Value::string("text"),
                   Value::variant("red"),
                   Value::array({Value::of(1)})};
  for (Value& value : kinds) {
    const bool is_number = value.kind() == Kind::boolean, is_text = value.kind() == Kind::string;
    CHECK_EQ(value.as_bool(), is_number);
    CHECK_EQ(value.low_bits(), is_number ? 1u : 0u);
    CHECK_EQ(value.as_real(), value.kind() == Kind::f64 ? 2.5 : 0);
    CHECK_EQ(value.label(), value.kind() == Kind::enumeration ? "red" : "");
    CHECK(value.payload() == nullptr);
    CHECK_EQ(std::as_const(value).items().empty(), value.kind() != Kind::array);
    CHECK(std::as_const(value).fields().empty());
    CHECK(value.as_pointer() == Pointer());
    if (is_text) CHECK_EQ(value.take_bytes(), "text");
    CHECK_EQ(value.items().size(), value.kind() == Kind::array ? 1u : 0u);
    CHECK_EQ(value.fields().size(), 0u);
    CHECK_EQ(value.kind(), Kind::object);
  }
  CHECK(Value::integer(Kind::string, {}).is_null());
  CHECK(Value::unsigned_integer(Kind::u8, 256).is_null());
  CHECK(Value::real(Kind::i64, 1).is_null());
  CHECK(Value::fields(Kind::array, {}).is_null());
}

TEST_CASE("check is exact, and names the place") {
  CHECK(check_text(Value::of(std::uint8_t{5}), "u8") == "");
  CHECK(check_text(Value::of(std::uint8_t{5}), "u16") == "expected u16, not u8 {\"$u8\":5}");
  CHECK(check_text({}, "u8") == "expected u8, not null");
  CHECK(check_text({}, "u8", true) == "");
  CHECK(check_text({}, "any") == "");
  CHECK(check_text(text("seven b"), "string(7)") == "");
  CHECK(check_text(text("eight by"), "string(7)") == "8 bytes do not fit string(7)");
  CHECK(check_text(text("\xFF"), "string") == "the text is not UTF-8");
  CHECK(check_text(Value::array({text("a"), text("\xC0\x80")}), "any") == "[1]: the text is not UTF-8");
  CHECK(check_text(Value::array({Value::of(true)}), "array(bool, 2)") == "1 elements do not fit array(bool, 2)");
  CHECK(check_text(Value::array({Value::of(true), {}}), "array(bool)") == "[1]: expected bool, not null");
  CHECK(check_text(Value::set({text("b"), text("a"), text("b")}), "set(string, 2)") == "");
  CHECK(check_text(Value::set({text("b"), text("a"), text("c")}), "set(string, 2)") ==
        "3 elements do not fit set(string, 2)");
  CHECK(check_text(Value::function("\xFB\xFB"), "function") == "");
  CHECK(check_text(Value::function("\xFB\x02"), "function") == "byte 1 of the function begins no whole instruction");
  CHECK(check_text(Value::variant("red"), "enum { red, green u8 }") == "");
  CHECK(check_text(Value::variant("blue"), "enum { red, green u8 }") == "'blue' is none of enum { red, green u8 }");
  CHECK(check_text(Value::variant("green"), "enum { red, green u8 }") == "'green' lacks a payload");
  CHECK(check_text(Value::variant("red", Value::of(true)), "enum { red, green u8 }") ==
        "'red' has no place for a payload");
  CHECK(check_text(Value::variant("green", Value::of(true)), "enum { red, green u8 }") ==
        "green: expected u8, not bool true");
  CHECK(check_text(Value::one_of("u8", Value::of(std::uint8_t{1})), "union { u8 | string }") == "");
  CHECK(check_text(Value::one_of("string", Value::of(true)), "union { u8 | string }") ==
        "string: expected string, not bool true");
  CHECK(check_text(Value::variant("x"), "enum { a_variant_with_a_long_name, another_variant_with_a_long_name }") ==
        "'x' is none of enum { a_variant_with_a_long_name, another_variant_with_a_lo…");
  const Value point = Value::fields(Kind::structure, {{"x", Value::of(1.0)}, {"y", {}}});
  CHECK(check_text(point, "struct { x: f64, y: f64 nullable }") == "");
  CHECK(check_text(point, "struct { x: f64, y: f64 }") == "y: expected f64, not null");
  CHECK(check_text(point, "struct { y: f64 nullable, x: f64 }") == "the field 'y' is missing at place 0");
  CHECK(check_text(point, "struct { x: f64 }") == "there is no field 'y'");
  const Value object = Value::fields(Kind::interface, {{"x", Value::of(1.0)}, {"z", {}}});
  CHECK(check_text(object, "interface { x: f64 }") == "");
  CHECK(check_text(Value::fields(Kind::object, {{"x", {}}, {"x", {}}}), "object") == "the field 'x' is there twice");
  CHECK(check_text(nested(limits::most_depth), "any") == "");
  CHECK(check_text(nested(limits::most_depth + 1), "any").ends_with("values are inside each other more than 32 deep"));
}

TEST_CASE("conform makes of a value what the type wants, where nothing is lost") {
  CHECK(conformed(Value::of(std::int64_t{200}), "u8") == "200");
  CHECK(conformed(Value::of(std::int64_t{300}), "u8") == "300 does not fit u8 (0 to 255)");
  CHECK(conformed(Value::of(std::int64_t{-1}), "u128") ==
        "-1 does not fit u128 (0 to 340282366920938463463374607431768211455)");
  CHECK(conformed(Value::of(std::uint64_t{1} << 63), "i64") ==
        "9223372036854775808 does not fit i64 (-9223372036854775808 to 9223372036854775807)");
  CHECK(conformed(Value::of(std::int64_t{5}), "f32") == "5.0");
  CHECK(conformed(Value::of(std::int64_t{-16777216}), "f32") == "-16777216.0");
  CHECK(conformed(Value::of(std::int64_t{16777217}), "f32") == "expected f32, not i64 16777217");
  CHECK(conformed(Value::unsigned_integer(Kind::u128, greatest_u128), "f64").starts_with("expected f64, not u128"));
  CHECK(conformed(Value::of(1.5), "f32") == "1.5");
  CHECK(conformed(Value::of(0.1), "f32") == "expected f32, not f64 0.1");
  CHECK(conformed(Value::of(0.1f), "fsize") == "0.10000000149011612");
  CHECK(conformed(Value::of(std::numeric_limits<double>::quiet_NaN()), "f32") == "\"nan\"");
  CHECK(conformed(Value::of(1.5), "u8") == "expected u8, not f64 1.5");
  CHECK(conformed(Value::string("red"), "enum { red }") == "\"red\"");
  CHECK(conformed(Value::string("5"), "u8") == "expected u8, not string \"5\"");
  const Value object =
      Value::fields(Kind::object, {{"y", Value::of(std::int64_t{2})}, {"x", Value::of(std::int64_t{1})}});
  CHECK(conformed(object, "struct { x: u8, n: string nullable, y: f64 }") == "{\"x\":1,\"n\":null,\"y\":2.0}");
  CHECK(conformed(object, "struct { x: u8 }") == "there is no field 'y'");
  CHECK(conformed(object, "struct { x: u8, y: bool }") == "y: expected bool, not i64 2");
  CHECK(conformed(object, "struct { x: u8, y: u8, z: u8 }") == "the field 'z' is missing");
  CHECK(conformed(object, "interface { x: u8 }") == "{\"x\":1,\"y\":2}");
  CHECK(conformed(Value::array({Value::of(2.0), Value::of(1.0)}), "set(f32)") == "[1.0,2.0]");
  CHECK(conformed(Value::array({Value::of(2.0), Value::of(0.1)}), "array(f32)") == "[1]: expected f32, not f64 0.1");
  CHECK(conformed(Value::string("x"), "union { u8 | string }") == "{\"string\":\"x\"}");
  CHECK(conformed(Value::of(true), "union { u8 | string }") == "expected union, not bool true");
  CHECK(conformed(Value::variant("a", Value::of(std::int64_t{5})), "enum { a u8 }") == "{\"a\":5}");
  CHECK(conformed({}, "u8", true) == "null");
}

TEST_CASE("what conforms already stays as it is") {
  for (std::uint64_t seed = 0; seed < 5'000; ++seed) {
    test::Random random{seed};
    const Type type = test::random_type(random, 4);
    const bool nullable = random() % 2 == 0;
    const Value value = test::random_value(random, type, nullable);
    Value same = value;
    const auto wrong = conform(same, type, nullable);
    REQUIRE_MESSAGE(!wrong, wrong->text());
    REQUIRE(same == value);
  }
}

TEST_CASE("types that no parser made") {
  const auto text = [](const Type& type) {
    const auto wrong = check_type(type);
    return wrong ? wrong->text() : "";
  };
  CHECK(text(Type::of(Kind::u8)) == "");
  CHECK(text(Type::of(Kind::u8, 3)) == "this type has no size");
  CHECK(text(Type::of(Kind::string, 0)) == "a size is 1 to 2147483647");
  CHECK(text(Type::of(Kind::array)) == "an array or set has one type of elements");
  CHECK(text(Type::of(Kind::structure)) == "there is nothing in it");
  CHECK(text(Type::with_members(Kind::structure, {{"a", Type::of(Kind::u8)}, {"a", Type::of(Kind::u8)}})) ==
        "'a' is there twice");
  CHECK(text(Type::with_members(Kind::structure, {{"a b", Type::of(Kind::u8)}})).starts_with("'a b' is no name"));
  CHECK(text(Type::with_members(Kind::structure, {{"a", Type::of(Kind::null)}})) == "null is no type");
  CHECK(text(Type::with_members(Kind::enumeration, {{"a", Type::of(Kind::null)}})) == "");
  CHECK(text(Type::with_members(Kind::structure, {{"a", Type::of(Kind::structure)}})) == "a: there is nothing in it");
  Type deep = Type::of(Kind::u8);
  for (unsigned i = 1; i < limits::most_depth; ++i) deep = Type::array(std::move(deep));
  CHECK(text(deep) == "");
  CHECK(text(Type::array(deep)) == "types are inside each other more than 32 deep");
  std::vector<Member> many;
  for (std::size_t i = 0; i <= limits::most_members; ++i) many.push_back({"a" + std::to_string(i), Type::of(Kind::u8)});
  CHECK(text(Type::with_members(Kind::structure, many)) == "the type has more than 4096 members");
}

}  // namespace chimera::types
