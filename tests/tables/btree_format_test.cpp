// The bytes of trees, heaps and packed pieces as docs/table-format.md shows them, line by line: a name, an offset, what
// is there.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <fstream>
#include <map>
#include <sstream>

#include "tests/tables/heap_rig.h"
#include "tests/tables/memory_ground.h"
#include "tests/tables/table_rig.h"
#include "tests/tables/tree_rig.h"

namespace chimera::tables::testing {
namespace {

constexpr std::size_t line_size = 16;

/// So many bytes at an offset, as the document writes them.
std::string hex_at(Link& link, const Uuid& device, std::uint64_t offset) {
  Script script;
  Answers answers;
  script.read_block(device, offset / 4096 * 4096);
  const auto done = link.run(script, answers);
  REQUIRE_MESSAGE(done.has_value(), words_of(done));
  std::string text;
  for (const std::uint8_t byte : answers.bytes(0).subspan(offset % 4096, line_size)) {
    text += fmt::format("{}{:02x}", text.empty() ? "" : " ", byte);
  }
  return text;
}

std::string big_endian(std::uint64_t number) {
  std::string key(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) key[i] = static_cast<char>(number >> (56 - 8 * i));
  return key;
}

std::string little_endian(std::uint64_t number) {
  return text_of({reinterpret_cast<const std::uint8_t*>(&number), sizeof number});
}

TEST_CASE("trees, heaps and packed pieces have the bytes of docs/table-format.md") {
  MemoryGround ground;
  const Version version = create_version(ground.link, "version");
  // Numbers from 0 on in their order, with ten times as much for a row; then those from 300 on go again.
  TreeRig numbers(ground.link, version, create_device(ground.link, "numbers"), {8, 8});
  TreeRig::Map all, last;
  for (std::uint64_t n = 0; n < 600; ++n) all[big_endian(n)] = little_endian(10 * n);
  numbers.put(all);
  for (std::uint64_t n = 300; n < 600; ++n) last[big_endian(n)] = {};
  numbers.erase(last);
  // Words, with their place among these for a row.
  TreeRig words(ground.link, numbers.version, create_device(ground.link, "words"), {0, 8});
  words.put({{"ant", little_endian(0)}, {"bear", little_endian(1)}, {"cow", little_endian(2)}});
  // A value of 20 bytes, one of 300 that goes again, and one of 16 that 20 are added to.
  HeapRig heap(ground.link, words.version, create_device(ground.link, "heap"));
  heap.create();
  heap.put(1, std::string(20, 'a'));
  heap.put(2, std::string(300, 'b'));
  heap.put(3, std::string(16, 'c'));
  heap.append(3, std::string(20, 'd'));
  heap.commit();
  heap.erase(2);
  heap.commit();

  // A piece of one number, and one more.
  Table table = make_table(ground.link, "relation t = struct { n: u64 compressed }");
  REQUIRE_OK(table.insert(std::vector<Row>(8193, Row{Value::of(std::uint64_t{7})})));
  const Uuid packed = table.opened().shape().columns[0].device;
  Script script;
  Answers answers;
  script.read_metadata_bytes(packed, 0, 2);
  REQUIRE_OK(ground.link.run(script, answers));
  CHECK_EQ(answers.bytes(0)[0], 1);
  CHECK_EQ(answers.bytes(0)[1], 0);

  const std::map<std::string, Uuid> devices{
      {"numbers", numbers.device}, {"words", words.device}, {"heap", heap.device}, {"packed", packed}};
  std::ifstream document{SOURCE_ROOT "/docs/table-format.md"};
  REQUIRE(document);
  std::map<std::string, int> seen;
  for (std::string line; std::getline(document, line);) {
    if (!line.starts_with("    ")) continue;
    std::istringstream words_of_line(line);
    std::string name, at, bytes, byte;
    words_of_line >> name >> at;
    if (!devices.contains(name) || !at.starts_with("@")) continue;
    for (std::size_t i = 0; i < line_size && words_of_line >> byte; ++i) bytes += (i == 0 ? "" : " ") + byte;
    CAPTURE(line);
    CHECK_EQ(bytes, hex_at(ground.link, devices.at(name), std::stoull(at.substr(1), nullptr, 16)));
    ++seen[name];
  }
  CHECK_GE(seen["numbers"], 8);
  CHECK_GE(seen["words"], 4);
  CHECK_GE(seen["heap"], 8);
  CHECK_GE(seen["packed"], 3);
}

}  // namespace
}  // namespace chimera::tables::testing
