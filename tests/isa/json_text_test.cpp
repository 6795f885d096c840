#include "isa/json_text.h"

#include <doctest/doctest.h>

using chimera::json_number;
using chimera::JsonObject;

TEST_CASE("an object as JSON") {
  CHECK(JsonObject().end() == "{}");
  CHECK(JsonObject().number("n", 18446744073709551615u).flag("yes", true).flag("no", false).end() ==
        R"({"n":18446744073709551615,"yes":true,"no":false})");
  CHECK(JsonObject().json("inside", JsonObject().text("a", "b").end()).json("none", "null").end() ==
        R"({"inside":{"a":"b"},"none":null})");
}

TEST_CASE("whatever a name holds is within its quotes") {
  CHECK(JsonObject().text("a \"b\"", "\\ \" \n \x01 \x7f äöü €").end() == R"({"a \"b\"":"\\ \" \u000a \u0001 )"
                                                                          "\x7f"
                                                                          R"( äöü €"})");
}

TEST_CASE("numbers with a fraction") {
  CHECK(json_number(0) == "0.0");
  CHECK(json_number(1.5) == "1.5");
  CHECK(json_number(1e-9) == "1e-09");
  CHECK(json_number(3600) == "3600.0");
  CHECK(json_number(0.1) == "0.1");
}
