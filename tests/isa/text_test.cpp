#include "isa/text.h"
#include "isa/clone_option.h"

#include <doctest/doctest.h>

#include <string>

#include "isa/status.h"

namespace chimera::test {

using namespace std::literals;

TEST_CASE("valid names") {
  for (const std::string& name : {"a"s, "disk 0"s, "数据"s, "\U0001F600"s, "~"s, "\u00A0"s, std::string(255, 'x')}) {
    CAPTURE(name);
    CHECK(is_valid_name(name));
  }
  for (const std::string& name : {""s, std::string(256, 'x'), "a\nb"s, "\0"s, "\x1F"s, "\x7F"s, "\u0080"s, "\u009F"s,
                                  "\xFF"s, "\xC3"s, "a\x80"s}) {
    CAPTURE(name);
    CHECK_FALSE(is_valid_name(name));
  }
}

TEST_CASE("UTF-8 is checked as the standard says") {
  for (const std::string& good : {""s, "\x7F"s, "\xC2\x80"s, "\xDF\xBF"s, "\xE0\xA0\x80"s, "\xED\x9F\xBF"s,
                                  "\xEE\x80\x80"s, "\xF0\x90\x80\x80"s, "\xF4\x8F\xBF\xBF"s}) {
    CAPTURE(good);
    // At every place among characters that are looked at eight at once.
    for (std::size_t i = 0; i < 20; ++i) CHECK(is_utf8(std::string(i, 'a') + good + std::string(20 - i, 'b')));
  }
  for (const std::string& bad :
       {"\x80"s, "\xC1\xBF"s, "\xC2"s, "\xC2\x7F"s, "\xE0\x9F\xBF"s, "\xED\xA0\x80"s, "\xE1\x80"s, "\xF0\x8F\xBF\xBF"s,
        "\xF4\x90\x80\x80"s, "\xF5\x80\x80\x80"s, "\xFE"s, "\xF1\x80\x80"s}) {
    CHECK_FALSE(is_utf8(bad));
    for (std::size_t i = 0; i < 20; ++i) CHECK_FALSE(is_utf8(std::string(i, 'a') + bad + std::string(20 - i, 'b')));
  }
}

TEST_CASE("sizes") {
  CHECK(parse_size("0") == 0);
  CHECK(parse_size("4096") == 4096);
  CHECK(parse_size("3K") == 3 * 1024);
  CHECK(parse_size("128M") == 128ull << 20);
  CHECK(parse_size("1G") == 1ull << 30);
  CHECK(parse_size("16T") == 16ull << 40);
  CHECK(parse_size("18446744073709551615") == ~0ull);
  CHECK(parse_size("16777215T") == 16777215ull << 40);
  for (const char* bad :
       {"", "K", "-1", "+1", " 1", "1 ", "1k", "1KK", "1.5G", "0x10", "18446744073709551616", "16777216T"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_size(bad).has_value());
  }
}

TEST_CASE("the option clone stands alone") {
  const std::string uuid = "3f0e7c9a-8a53-4c1c-9d5e-0d8f2f7a1b11";
  CHECK(parse_clone_option("clone=" + uuid) == parse_uuid(uuid));
  for (const std::string& bad :
       {std::string(), std::string("clone="), "clone=" + uuid + ",size=1", "kind=pool,clone=" + uuid, "Clone=" + uuid,
        "clone=" + uuid.substr(1), "clone=" + uuid + "1"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_clone_option(bad).has_value());
    CHECK_FALSE(parse_create_options(bad).has_value());
  }
}

TEST_CASE("options of create") {
  const auto size = parse_create_options("size=128M");
  REQUIRE(size.has_value());
  CHECK(size->size == 128ull << 20);
  CHECK(size->kind == DeviceKind::pool);

  const auto both = parse_create_options("kind=memory,size=0");
  REQUIRE(both.has_value());
  CHECK(both->size == 0);
  CHECK(both->kind == DeviceKind::memory);

  const auto pool = parse_create_options("kind=pool");
  REQUIRE(pool.has_value());
  CHECK_FALSE(pool->size.has_value());

  const auto file = parse_create_options("path=folder/disk=1 .img,kind=file");
  REQUIRE(file.has_value());
  CHECK(file->kind == DeviceKind::file);
  CHECK_EQ(file->path, "folder/disk=1 .img");
  CHECK(parse_create_options("kind=file,path=" + std::string(128, 'x')).has_value());
  CHECK_FALSE(parse_create_options("kind=file,path=" + std::string(129, 'x')).has_value());

  CHECK(parse_create_options("size=9223372036854771712").has_value());  // the greatest length
  for (const char* bad : {"",
                          ",",
                          "size",
                          "size=",
                          "size=1,",
                          ",size=1",
                          "size=1,,kind=pool",
                          "size=x",
                          "size=-1",
                          "size =1",
                          "Size=1",
                          "kind=",
                          "kind=disk",
                          "kind=file",
                          "path=x",
                          "kind=pool,path=x",
                          "kind=file,path=",
                          "kind=file,path=/x",
                          "kind=file,path=x/",
                          "kind=file,path=x//y",
                          "kind=file,path=..",
                          "kind=file,path=x/../y",
                          "kind=file,path=./x",
                          "kind=file,path=x,path=y",
                          "kind=file,path=x,size=1",
                          "kind=file,path=x\n",
                          "kind=pool,kind=pool",
                          "size=1,size=1",
                          "color=red",
                          "=1",
                          "size=9223372036854771713",
                          "size=1=2",
                          "size=\xFF"}) {
    CAPTURE(bad);
    const auto parsed = parse_create_options(bad);
    REQUIRE_FALSE(parsed.has_value());
    CHECK_FALSE(parsed.error().empty());
  }
  CHECK(parse_create_options("color=red").error() == "there is no option color");
}

TEST_CASE("every status has its words") {
  CHECK(status_text(Status::ok) == "ok");
  CHECK(status_text(Status::out_of_range) == "out of range");
  CHECK(status_text(Status::no_cursor) == "no cursor");
  CHECK(status_text(static_cast<Status>(23)) == "unknown status");
  for (unsigned i = 0; i < status_count; ++i) CHECK_FALSE(status_text(static_cast<Status>(i)).empty());
}

TEST_CASE("a UUID is 8-4-4-4-12 hexadecimal digits and nothing else") {
  const auto uuid = parse_uuid("3f0e7c9a-8A53-4c1c-9d5e-0d8f2f7a1b11");
  REQUIRE(uuid.has_value());
  CHECK(uuid->data[0] == 0x3f);
  CHECK(uuid->data[4] == 0x8a);
  CHECK(uuid->data[15] == 0x11);
  for (const char* bad : {"", "3f0e7c9a-8a53-4c1c-9d5e-0d8f2f7a1b1", "3f0e7c9a-8a53-4c1c-9d5e-0d8f2f7a1b111",
                          "3f0e7c9a08a53-4c1c-9d5e-0d8f2f7a1b11", "3g0e7c9a-8a53-4c1c-9d5e-0d8f2f7a1b11",
                          "3f0e7c9a-8a53-4c1c-9d5e-0d8f2f7a1b1-"}) {
    CHECK_FALSE(parse_uuid(bad).has_value());
  }
}

}  // namespace chimera::test
