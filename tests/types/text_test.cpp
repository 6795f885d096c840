// Texts that people write, with the exact errors.

#include "types/text.h"

#include <doctest/doctest.h>

#include "types/json.h"
#include "types/scalar_text.h"

namespace chimera::types {
namespace {

/// The text of what the text says, or the error.
std::string again(std::string_view text, std::string_view type) {
  const Type wanted = *parse_type(type);
  const auto value = from_text(text, wanted);
  return value ? to_text(*value, wanted) : value.error().text();
}

std::string json_again(std::string_view text, std::string_view type, bool nullable = false) {
  const Type wanted = *parse_type(type);
  const auto value = from_json(text, wanted, nullable);
  return value ? to_json(*value, wanted) : value.error().text();
}

}  // namespace

TEST_CASE("numbers") {
  CHECK(again("255", "u8") == "255");
  CHECK(again("007", "u8") == "7");
  CHECK(again("-0", "u8") == "0");
  CHECK(again("300", "u8") == "300 does not fit u8 (0 to 255)");
  CHECK(again("-1", "u8") == "-1 does not fit u8 (0 to 255)");
  CHECK(again("-129", "i8") == "-129 does not fit i8 (-128 to 127)");
  CHECK(again("340282366920938463463374607431768211455", "u128") == "340282366920938463463374607431768211455");
  CHECK(again("340282366920938463463374607431768211456", "u128") ==
        "340282366920938463463374607431768211456 does not fit u128 (0 to 340282366920938463463374607431768211455)");
  CHECK(again("-170141183460469231731687303715884105728", "i128") == "-170141183460469231731687303715884105728");
  for (const char* text : {"", "-", "1.5", "1e3", "0x10", " 1", "1 ", "five", "+5", "1_000"}) {
    CAPTURE(text);
    CHECK(again(text, "i64") == "'" + std::string{text} + "' is no whole number");
  }
  CHECK(again("0.1", "f32") == "0.1");
  CHECK(again("0.1", "f64") == "0.1");
  CHECK(again("0.30000000000000004", "f64") == "0.30000000000000004");
  CHECK(again("16777217", "f32") == "16777216.0");
  CHECK(again("-0", "f64") == "-0.0");
  CHECK(again("+5", "f64") == "5.0");
  CHECK(again(".5", "f64") == "0.5");
  CHECK(again("1e300", "f64") == "1e+300");
  CHECK(again("nan", "f64") == "nan");
  CHECK(again("-inf", "f32") == "-inf");
  CHECK(again("1e39", "f32") == "'1e39' does not fit f32");
  CHECK(again("-1e999", "f64") == "'-1e999' does not fit f64");
  CHECK(again("1e-999", "f64") == "0.0");
  CHECK(again("-0.000001e-400", "f64") == "-0.0");
  CHECK(again("1" + std::string(400, '0') + "e-5", "f64").ends_with("does not fit f64"));
  CHECK(again("0." + std::string(400, '0') + "1", "f64") == "0.0");
  CHECK(again("1e99999999999999999999", "f64").ends_with("does not fit f64"));
  for (const char* text : {"", "1.5.", "e5", "1e", "infinity", "NaN", "0x1p3", "1,5", " 1"}) {
    CAPTURE(text);
    CHECK(again(text, "f64") == "'" + std::string{text} + "' is no number");
  }
}

TEST_CASE("times") {
  CHECK(again("2024-05-01T12:34:56.5Z", "datetime") == "2024-05-01T12:34:56.5Z");
  CHECK(again("2024-05-01 12:34", "datetime") == "2024-05-01T12:34:00Z");
  CHECK(again("2024-05-01", "datetime") == "2024-05-01T00:00:00Z");
  CHECK(again("2024-02-29T23:59:59.123456789+02:00", "datetime") == "2024-02-29T21:59:59.123456789Z");
  CHECK(again("2024-03-01T00:30:00-0130", "datetime") == "2024-03-01T02:00:00Z");
  CHECK(again("1677-09-21T00:12:43.145224192Z", "datetime") == "1677-09-21T00:12:43.145224192Z");
  CHECK(again("2262-04-11T23:47:16.854775807Z", "datetime") == "2262-04-11T23:47:16.854775807Z");
  CHECK(again("2262-04-11T23:47:16.854775808Z", "datetime").find("does not fit datetime (1677-") != std::string::npos);
  CHECK(again("9999-12-31", "datetime").find("does not fit datetime") != std::string::npos);
  CHECK(again("2023-02-29", "datetime") == "'2023-02-29' is a day that no calendar has");
  for (const char* text : {"", "2024", "2024-5-1", "2024-05-01T", "2024-05-01T24:00:00Z", "2024-05-01T12:60:00Z",
                           "2024-05-01T12:00:60Z", "2024-05-01T12:00:00.Z", "2024-05-01T12:00:00.1234567891Z",
                           "2024-05-01T12:00:00Zx", "2024-05-01T12", "20240501"}) {
    CAPTURE(text);
    CHECK(again(text, "datetime") == "'" + std::string{text} + "' is no datetime, as 2024-05-01T12:34:56.5Z is one");
  }
  CHECK(again("1h2m3.5s", "duration") == "1h2m3.5s");
  CHECK(again("90m", "duration") == "1h30m");
  CHECK(again("1d", "duration") == "24h");
  CHECK(again("1.5h", "duration") == "1h30m");
  CHECK(again("1ms2us3ns", "duration") == "0.001002003s");
  CHECK(again("-0s", "duration") == "0s");
  CHECK(again("-9223372036854775808ns", "duration") == "-2562047h47m16.854775808s");
  CHECK(again("9223372036854775808ns", "duration") ==
        "'9223372036854775808ns' does not fit duration (292 years either way)");
  CHECK(again("999999999999d999999999999d", "duration").find("does not fit duration") != std::string::npos);
  for (const char* text : {"", "-", "5", "s", "1y", "1h-2m", "0.5ns", "1.s", "1 h", "1.0000000001s"}) {
    CAPTURE(text);
    CHECK(again(text, "duration").find("is no duration, as 1h2m3.5s is one") != std::string::npos);
  }
}

TEST_CASE("everything else in a cell") {
  CHECK(again("true", "bool") == "true");
  CHECK(again("TRUE", "bool") == "'TRUE' is neither true nor false");
  CHECK(again("a \"b\"\n", "string") == "a \"b\"\n");
  CHECK(again("\xFF", "string") == "the text is not UTF-8");
  CHECK(again("abcdef", "string(5)") == "6 bytes do not fit string(5)");
  CHECK(again("AP8=", "blob") == "AP8=");
  CHECK(again("\\x00fF", "blob") == "AP8=");
  CHECK(again("", "blob") == "");
  CHECK(again("AP8", "blob") == "base64 has a multiple of 4 characters, with = at the end");
  CHECK(again("AP9=", "blob") == "the base64 has bits behind its last byte");
  CHECK(again("A=8=", "blob") == "character 2 of the base64 is none of it");
  CHECK(again("\\x0", "blob") == "hexadecimal has two digits a byte");
  CHECK(again("\\x0g", "blob") == "character 2 is no hexadecimal digit");
  CHECK(again("fb", "function") == "fb");
  CHECK(again("02", "function") == "byte 0 of the function begins no whole instruction");
  CHECK(again("3f0e7c9a-8a53-4c1c-9d5e-0d8f2f7a1b11@64", "pointer") == "3f0e7c9a-8a53-4c1c-9d5e-0d8f2f7a1b11@64");
  CHECK(again("3f0e7c9a@64", "pointer") == "'3f0e7c9a@64' is no pointer, UUID@OFFSET");
  CHECK(again("red", "enum { red, green u8 }") == "red");
  CHECK(again("{\"green\": 5}", "enum { red, green u8 }") == "{\"green\":5}");
  CHECK(again("blue", "enum { red }") == "'blue' is none of enum { red }");
  CHECK(again("[1, 2]", "array(u8)") == "[1,2]");
  CHECK(again("[1, 300]", "array(u8)") == "[1]: 300 does not fit u8 (0 to 255)");
  CHECK(again("null", "any") == "null");
}

TEST_CASE("JSON that is wrong says where") {
  CHECK(json_again("\"5\"", "u8") == "expected u8, not '5'");
  CHECK(json_again("5.0", "u8") == "'5.0' is no whole number");
  CHECK(json_again("true", "u8") == "expected u8, not true");
  CHECK(json_again("null", "u8") == "expected u8, not null");
  CHECK(json_again("null", "u8", true) == "null");
  CHECK(json_again("1", "bool") == "expected true or false, not 1");
  CHECK(json_again("{}", "array(u8)") == "expected an array, not an object");
  const char* line = "struct { lines: array(struct { price: u8, name: string nullable }) }";
  CHECK(json_again(R"({"lines": [{"price": 1}, {"name": "x", "price": 300}]})", line) ==
        "lines[1].price: 300 does not fit u8 (0 to 255)");
  CHECK(json_again(R"({"lines": [{"price": 1}, {"name": "x"}]})", line) == "lines[1]: the field 'price' is missing");
  CHECK(json_again(R"({"lines": [{"prize": 1}]})", line) ==
        "lines[0]: there is no field 'prize'; did you mean 'price'?");
  CHECK(json_again(R"({"lines": [{"price": 1}]})", line) == R"({"lines":[{"price":1,"name":null}]})");
  CHECK(json_again(R"({"a": 1, "a": 2})", "any") == "the object has the field \"a\" twice");
  CHECK(json_again("\"green\"", "enum { red, green u8 }") == "the variant 'green' has a payload: {\"green\": …}");
  CHECK(json_again("{\"red\": 1}", "enum { red, green u8 }") == "the variant 'red' has no payload: \"red\"");
  CHECK(json_again("5", "union { u8 | string }") == "expected a union's value, {\"type\": …}, not 5");
  CHECK(json_again("{\"u9\": 5}", "union { u8 | string }") == "there is no alternative 'u9'; did you mean 'u8'?");
  CHECK(json_again("{\"$u8\": 300}", "any") == "300 does not fit u8 (0 to 255)");
  CHECK(json_again("{\"$ref\": 300}", "any") == "{\"$object\":{\"$ref\":300}}");
  CHECK(json_again("9223372036854775808", "any") == "{\"$i128\":9223372036854775808}");
  CHECK(json_again("1" + std::string(39, '0'), "any") == "'1" + std::string(38, '0') + "…' has more than 128 bits");
  CHECK(json_again("{\"device\": \"x\", \"offset\": 5}", "pointer") == "'x' is no UUID");
  CHECK(json_again("{\"program\": \"0\"}", "function") == "program: hexadecimal has two digits a byte");
  CHECK(json_again("[1,", "any") == "no JSON at byte 4: unexpected end of input; expected '[', '{', or a literal");
  CHECK(json_again("1 2", "any") == "no JSON at byte 3: unexpected number literal; expected end of input");
  CHECK(json_again("", "any") == "no JSON at byte 1: unexpected end of input; expected '[', '{', or a literal");
  CHECK(json_again("\"\xFF\"", "any") == "no JSON at byte 2: invalid string: ill-formed UTF-8 byte");
  CHECK(json_again("1e999", "f64") == "no JSON at byte 5: number overflow parsing '1e999'");
  CHECK(json_again(std::string(200, '['), "any") == "JSON is nested more than 128 deep");
  CHECK(json_again(std::string(33, '[') + std::string(33, ']'), "any")
            .ends_with("values are inside each other more than 32 deep"));
}

TEST_CASE("rows as JSON") {
  const Type row = *parse_type("struct { id: u64, name: string nullable, note: any }");
  const auto values = row_from_json(R"({"name": null, "id": 5})", row.members);
  REQUIRE(values);
  REQUIRE(values->size() == 3);
  CHECK((*values)[0] == Value::of(std::uint64_t{5}));
  CHECK((*values)[1]->is_null());
  CHECK_FALSE((*values)[2]);
  const auto wrong = [&row](std::string_view text) { return row_from_json(text, row.members).error().text(); };
  CHECK(wrong(R"({"ids": 5})") == "there is no column 'ids'; did you mean 'id'?");
  CHECK(wrong(R"({"id": -5})") == "id: -5 does not fit u64 (0 to 18446744073709551615)");
  CHECK(wrong(R"([1])") == "expected an object, not an array");
  std::string text;
  append_json_row(Row{Value::of(std::uint64_t{5}), {}, Value::of(std::uint64_t{1})}, row.members, text);
  CHECK(text == R"({"id":5,"name":null,"note":{"$u64":1}})");
}

TEST_CASE("an error of JSON says where in the text it is") {
  const Type row = *parse_type(
      "struct { a: i64, list: array(i64), in: struct { x: i64, s: string }, u: union { string | array(u8) }, any: any "
      "}");
  const auto offset = [&row](std::string_view text) {
    const auto values = row_from_json(text, row.members);
    REQUIRE_FALSE(values);
    return values.error().offset;
  };
  // Each mark in its turn is a value that does not fit, the others are ones that do.
  const std::string_view blanks[] = {"", " ", "\t  "};
  const std::string_view pieces[] = {"{",
                                     "\"a\":",
                                     "#",
                                     ",\"list\":[",
                                     "#",
                                     ",",
                                     "#",
                                     ",7,",
                                     "#",
                                     "],",
                                     "\"in\":",
                                     "{",
                                     "\"s\":\"]}, 5\",",
                                     "\"x\":",
                                     "#",
                                     "}",
                                     ",",
                                     "\"u\":{\"array(u8)\":[1,",
                                     "#",
                                     "]}",
                                     ",\"any\":{\"p.q\":[[],{}],\"p\":[{\"$i8\":",
                                     "#",
                                     "}]}",
                                     "}"};
  for (const std::string_view blank : blanks) {
    for (std::size_t wrong = 0; wrong < 7; ++wrong) {
      CAPTURE(wrong);
      std::string text;
      std::size_t marks = 0, expected = 0;
      for (const std::string_view piece : pieces) {
        text += blank;
        if (piece != "#") {
          text += piece;
          continue;
        }
        // The last stands for a value with its tag.
        if (marks == wrong) expected = wrong == 6 ? text.rfind('{') : text.size();
        text += marks++ == wrong ? "true" : "5";
      }
      CAPTURE(text);
      REQUIRE_EQ(marks, 7);
      CHECK_EQ(offset(text), expected);
    }
  }
  CHECK_EQ(offset(R"({"a": 1, "b": 2})"), 9);
  CHECK_EQ(offset(R"({"a": 1, "in": {"x": 1, "y": 2, "s": ""}})"), 24);
  CHECK_EQ(offset(R"({"a": 1, "a": 2})"), 9);
  CHECK_EQ(offset(R"({"a": 1, "in": {"x": 1}})"), 15);
  CHECK_EQ(offset(R"({"a": 1,, "list": []})"), 8);
  CHECK_EQ(offset(R"( [1])"), 1);
  CHECK_EQ(offset(R"({"a": 1)"), 7);
}

TEST_CASE("what comes from outside is cited without its control characters") {
  CHECK(cited("a\x1B[0m\xFF") == "'a�[0m�'");
  CHECK(cited(std::string(100, 'x')) == "'" + std::string(39, 'x') + "…'");
}

}  // namespace chimera::types
