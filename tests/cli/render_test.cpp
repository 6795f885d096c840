#include "cli/render.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <numeric>

#include "isa/bytes.h"

using namespace chimera;
using namespace chimera::cli;

namespace {

using Bytes = std::vector<std::uint8_t>;

Answer ok(const Bytes& result) { return {.status = Status::ok, .result = result, .message = {}}; }

Instruction reading(std::uint64_t offset, std::uint64_t count) {
  return {.operation = Operation::read_bytes, .has_offset = true, .offset = offset, .count = count};
}

Bytes text_result(std::string_view text) {
  Bytes result;
  append_integer(result, static_cast<std::uint32_t>(text.size()));
  for (const char character : text) result.push_back(static_cast<std::uint8_t>(character));
  return result;
}

}  // namespace

TEST_CASE("bytes are shown as text, as hexadecimal or as a dump, whichever fits") {
  CHECK(render_answer(reading(0, 6), ok({'h', 'e', 'l', 'l', 'o', '\n'}), 60).summary == "ok  \"hello\\n\"");
  CHECK(render_answer(reading(0, 3), ok({0, 1, 0xFF}), 60).summary == "ok  hex\"00 01 ff\"");
  CHECK(render_answer(reading(0, 0), ok({}), 60).summary == "ok  no bytes");
  CHECK(render_answer(reading(0, 5000), ok(Bytes(5000)), 60).summary == "ok  5,000 zeros");

  Bytes counting(40);
  std::iota(counting.begin(), counting.end(), std::uint8_t{0x20});
  counting[0] = 0xFF;
  const RenderedAnswer dumped = render_answer(reading(0x1000, 40), ok(counting), 60);
  CHECK(dumped.summary == "ok  40 bytes");
  REQUIRE(dumped.details.size() == 3);
  CHECK(dumped.details[0] == "00001000  ff 21 22 23 24 25 26 27  28 29 2a 2b 2c 2d 2e 2f |.!\"#$%&'()*+,-./|");
  CHECK(dumped.details[2] == "00001020  40 41 42 43 44 45 46 47                          |@ABCDEFG|");
}

TEST_CASE("a dump leaves out repeated rows and ends after some") {
  Bytes bytes(10'000);
  bytes.front() = bytes.back() = 1;
  const RenderedAnswer with_star = render_answer(reading(0, bytes.size()), ok(bytes), 60);
  REQUIRE(with_star.details.size() == 4);
  CHECK(with_star.details[2] == "*");

  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * i >> 3);
  const RenderedAnswer cut = render_answer(reading(0, bytes.size()), ok(bytes), 60);
  CHECK(cut.details.size() == 17);
  CHECK(cut.details.back() == "… 9,744 more bytes (--raw writes them all)");
}

TEST_CASE("a failure is its status and its message") {
  const Answer answer{.status = Status::not_found, .result = {}, .message = "nobody is called so"};
  CHECK(render_answer({.operation = Operation::open_device}, answer, 60).summary == "not found: nobody is called so");
  const auto json = answer_to_json({.operation = Operation::open_device}, answer);
  CHECK(json.dump() == R"({"status":3,"meaning":"not found","message":"nobody is called so"})");
}

TEST_CASE("texts: columns quoted, objects laid out where they are long") {
  const Instruction describe{.operation = Operation::describe_device};
  CHECK(render_answer(describe, ok(text_result("a u64\n")), 60).summary == "ok  \"a u64\\n\"");
  CHECK(render_answer(describe, ok(text_result(R"({"a":1})")), 60).summary == R"(ok  {"a":1})");
  const RenderedAnswer laid_out = render_answer(describe, ok(text_result(R"({"b":1,"a":2})")), 12);
  CHECK(laid_out.summary == "ok  2 values");
  CHECK(laid_out.details == std::vector<std::string>{"{", "  \"b\": 1,", "  \"a\": 2", "}"});
}

TEST_CASE("results as JSON") {
  CHECK(answer_to_json({.operation = Operation::read_byte}, ok({7}))["result"] == 7);
  CHECK(answer_to_json(reading(0, 2), ok({0xAB, 0}))["result"] == "ab00");
  CHECK(answer_to_json({.operation = Operation::read_length}, ok({0, 1, 0, 0, 0, 0, 0, 0}))["result"] == 256);
  CHECK_FALSE(answer_to_json({.operation = Operation::sync}, ok({})).contains("result"));
  const Bytes extents{1, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0};
  CHECK(answer_to_json({.operation = Operation::read_extents}, ok(extents))["result"].dump() ==
        R"([{"length":4096,"hole":true,"zeros":true,"differs":false}])");
}

TEST_CASE("numbers in groups, bytes in pairs") {
  CHECK(grouped(0) == "0");
  CHECK(grouped(999) == "999");
  CHECK(grouped(1000) == "1,000");
  CHECK(grouped(1234567) == "1,234,567");
  CHECK(hex_bytes(Bytes{1, 2, 3}, 3) == "01 02 03");
  CHECK(hex_bytes(Bytes{1, 2, 3}, 2) == "01 02 …");
}
