// Every number that stands in a header, a node or a list is looked at where it is read: the greatest that may be
// passes, what is beyond is refused, in words of its own. What is refused where these do not belong together
// is in forged_trees_test.cpp, forged_heaps_test.cpp and forged_tables_test.cpp.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "isa/limits.h"
#include "tables/btree_header.h"
#include "tables/btree_node.h"
#include "tables/heap_directory.h"
#include "tables/heap_header.h"
#include "tables/place.h"
#include "tables/table_header.h"

namespace chimera::tables::testing {
namespace {

using Bytes = std::vector<std::uint8_t>;

/// Numbers of so many bytes, each put at a place.
struct Forgery {
  struct Number {
    std::size_t at, width;
    std::uint64_t value;
  };
  std::vector<Number> numbers;
  std::string words;  ///< none: it passes
};

void check_forgeries(const Bytes& good, const std::vector<Forgery>& all,
                     const std::function<std::string(const Bytes&)>& problem) {
  CHECK_EQ(problem(good), "");
  for (const Forgery& forgery : all) {
    Bytes bytes = good;
    for (const auto& [at, width, value] : forgery.numbers) std::memcpy(&bytes[at], &value, width);
    CHECK_EQ(problem(bytes), forgery.words);
  }
}

template <typename Header>
std::string parse_problem(const Bytes& bytes) {
  const auto header = Header::parse(bytes);
  return header ? std::string() : header.error();
}

template <typename Container>
Bytes bytes_from(const Container& bytes) {
  return {bytes.begin(), bytes.end()};
}

TEST_CASE("what the header of a tree is refused for") {
  constexpr std::uint64_t most_blocks = limits::greatest_length / limits::block_size;
  const BTreeHeader header{.shape = {8, 8}, .height = 2, .root = 3, .entries = 10, .blocks = 10, .free = 2, .trunk = 5};
  const std::vector<Forgery> all{
      {{{0, 1, 'X'}}, "it does not begin as an index does"},
      {{{8, 2, 2}}, "its format is 2, not 1"},
      {{{10, 2, 1032}}, ""},
      {{{10, 2, 1033}}, "keys of 1033 bytes"},
      {{{12, 2, 64}}, ""},
      {{{12, 2, 65}}, "values of 65 bytes"},
      {{{32, 8, 0}}, "it has 0 blocks"},
      {{{32, 8, most_blocks}}, ""},
      {{{32, 8, most_blocks + 1}}, fmt::format("it has {} blocks", most_blocks + 1)},
      {{{16, 8, 9}}, ""},
      {{{16, 8, 10}}, "its root is block 10 of 10"},
      {{{48, 8, 9}}, ""},
      {{{48, 8, 10}}, "its free blocks are listed in block 10 of 10"},
      {{{40, 8, 9}}, ""},
      {{{40, 8, 10}}, "10 free blocks of 10, listed in block 5"},
      {{{40, 8, 0}}, "0 free blocks of 10, listed in block 5"},
      {{{48, 8, 0}}, "2 free blocks of 10, listed in block 0"},
      {{{14, 1, 24}}, ""},
      {{{14, 1, 25}}, "a height of 25 below block 3"},
      {{{14, 1, 0}}, "a height of 0 below block 3"},
      {{{16, 8, 0}}, "a height of 2 below block 0"},
      {{{24, 8, 0}}, "0 entries in 2 levels"},
      {{{14, 1, 0}, {16, 8, 0}}, "10 entries in 0 levels"},
  };
  check_forgeries(bytes_from(header.bytes()), all, parse_problem<BTreeHeader>);
}

/// Of a tree of height 2 with 10 blocks.
std::function<std::string(const Bytes&)> problem_in_tree(BTreeShape shape) {
  return [shape](const Bytes& bytes) {
    BTreeImage image{};
    std::memcpy(image.bytes.data(), bytes.data(), bytes.size());
    return problem_of_node(image, {.shape = shape, .height = 2, .root = 1, .entries = 1, .blocks = 10});
  };
}

/// A node with numbers for keys, and values or children of 8 bytes.
Bytes node_of(unsigned level, std::size_t count, BTreeShape shape) {
  std::vector<std::array<std::uint8_t, 8>> keys(count);
  std::vector<BTreeEntry> entries;
  constexpr std::array<std::uint8_t, 8> value{7};
  for (std::size_t i = 0; i < count; ++i) {
    keys[i] = {static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)};
    entries.push_back({keys[i], value});
  }
  BTreeImage image{};
  make_node(image, level, 9, entries, shape);
  return bytes_from(image.bytes);
}

TEST_CASE("what a node of a tree is refused for") {
  constexpr BTreeShape fixed{8, 8}, variable{0, 8};
  const std::vector<Forgery> leaf{
      {{{0, 1, 0}}, "it is no node"},
      {{{0, 1, 4}}, "it is no node"},
      {{{1, 1, 1}}, "its level is 1"},
      {{{2, 2, 0}}, "it is empty"},
      {{{2, 2, 256}}, "256 entries"},
      {{{16, 2, 0x0100}}, "entry 1 is not in order"},  // as the second
      {{{16, 2, 0x0200}}, "entry 1 is not in order"},
  };
  check_forgeries(node_of(0, 255, fixed), leaf, problem_in_tree(fixed));
  const std::vector<Forgery> inner{
      {{{1, 1, 0}}, "its level is 0"},
      {{{1, 1, 2}}, "its level is 2"},
      {{{2, 2, 0}}, ""},
      {{{2, 2, 256}}, "256 entries"},
      {{{8, 8, 0}}, "its child 0 is block 0 of 10"},
      {{{8, 8, 10}}, "its child 0 is block 10 of 10"},
      {{{24, 8, 0}}, "its child 1 is block 0 of 10"},
      {{{24, 8, 10}}, "its child 1 is block 10 of 10"},
  };
  check_forgeries(node_of(1, 255, fixed), inner, problem_in_tree(fixed));
  // Where the entries begin: each ends where the one before it does.
  const std::vector<Forgery> slots{
      {{{2, 2, 1361}}, "1361 entries"},
      {{{16, 2, 4088}}, "entry 0 lies from 4088 to 4096"},
      {{{16, 2, 4097}}, "entry 0 lies from 4097 to 4096"},
      {{{18, 2, 4080}}, "entry 1 lies from 4080 to 4080"},
      {{{18, 2, 4081}}, "entry 1 lies from 4081 to 4080"},
      {{{16, 2, 4096 - 8 - 1033}}, "entry 0 lies from 3055 to 4096"},
      {{{2, 2, 4}, {16, 2, 3076}, {18, 2, 2056}, {20, 2, 1036}, {22, 2, 23}}, "entry 3 lies from 23 to 1036"},
      {{{2, 2, 1}, {16, 2, 4096 - 8 - 1032}}, ""},
      {{{2, 2, 1}, {16, 2, 4096 - 8 - 1}}, ""},
  };
  check_forgeries(node_of(0, 2, variable), slots, problem_in_tree(variable));
}

TEST_CASE("what a list of a tree's free blocks is refused for") {
  BTreeImage image{};
  make_trunk(image, 4);
  Bytes good = bytes_from(image.bytes);
  for (std::size_t at = 16; at < good.size(); at += 8) good[at] = 9;
  good[2] = 510 % 256;
  good[3] = 510 / 256;
  const std::vector<Forgery> all{
      {{{2, 2, 511}}, "it lists 511 blocks"},     {{{8, 8, 9}}, ""},
      {{{8, 8, 10}}, "block 10 of 10 is next"},   {{{16, 8, 0}}, "it lists block 0 of 10"},
      {{{16, 8, 10}}, "it lists block 10 of 10"}, {{{4088, 8, 10}}, "it lists block 10 of 10"},
  };
  check_forgeries(good, all, problem_in_tree({8, 8}));
}

TEST_CASE("what the header of a heap is refused for") {
  constexpr std::size_t list = HeapHeader::lists_at + 3 * HeapHeader::list_size;
  constexpr std::size_t stage = HeapHeader::stages_at + 2 * HeapHeader::stage_size;
  HeapHeader header;
  header.tail = 1000;
  header.spare = 300;
  header.lists[3] = {400, 5};
  header.stages[2] = {Uuid{{1}}, Place(500, 1).raw(), 32};
  const auto listed = [](std::uint64_t free, std::uint64_t trunk) {
    return fmt::format("{} free pieces of 64 bytes, listed at granule {} of 1000", free, trunk);
  };
  const auto spare = [](std::uint64_t granule) {
    return fmt::format("there is a spare list at granule {} of 1000", granule);
  };
  const auto staged = [](std::uint64_t size, std::uint64_t place) {
    return fmt::format("{} bytes are being put at 0x{:x}", size, place);
  };
  const std::uint64_t most = Place::most_granules;
  const std::uint64_t last = Place(998, 1).raw(), beyond = Place(999, 1).raw(), before = Place(255, 1).raw();
  const std::uint64_t no_class = 500 | std::uint64_t{heap_classes} << 40, other_bits = last | std::uint64_t{1} << 50;
  const std::vector<Forgery> all{
      {{{0, 1, 'X'}}, "it does not begin as a heap does"},
      {{{8, 2, 2}}, "its format is 2 with 88 sizes, not 1 with 88"},
      {{{10, 2, 87}}, "its format is 1 with 87 sizes, not 1 with 88"},
      {{{16, 8, 255}}, "it ends at granule 255"},
      {{{16, 8, most}}, ""},
      {{{16, 8, most + 1}}, fmt::format("it ends at granule {}", most + 1)},
      {{{32, 8, 0}}, ""},
      {{{32, 8, 255}}, spare(255)},
      {{{32, 8, 936}}, ""},  // it takes 64 granules
      {{{32, 8, 937}}, spare(937)},
      {{{32, 8, 1001}}, spare(1001)},
      {{{list, 8, 0}}, listed(5, 0)},
      {{{list, 8, 937}}, listed(5, 937)},
      {{{list + 8, 8, 1000}}, ""},
      {{{list + 8, 8, 1001}}, listed(1001, 400)},
      {{{stage, 8, 0}}, staged(32, header.stages[2].place)},  // nobody's
      {{{stage + 16, 8, last}}, ""},
      {{{stage + 16, 8, beyond}}, staged(32, beyond)},
      {{{stage + 16, 8, before}}, staged(32, before)},
      {{{stage + 16, 8, no_class}}, staged(32, no_class)},
      {{{stage + 16, 8, other_bits}}, staged(32, other_bits)},
      {{{stage + 24, 8, 0}}, staged(0, header.stages[2].place)},
      {{{stage + 16, 8, 0}, {stage + 24, 8, 0}}, ""},
  };
  check_forgeries(bytes_from(header.bytes()), all, parse_problem<HeapHeader>);
}

TEST_CASE("what a list of a heap's free pieces is refused for") {
  constexpr std::uint32_t size_class = 3;  // of 4 granules
  HeapHeader header;
  header.tail = 2000;
  Bytes good(HeapTrunk::size);
  const std::uint32_t count = HeapTrunk::most_listed;
  std::memcpy(&good[HeapTrunk::count_at], &count, sizeof count);
  std::memcpy(&good[HeapTrunk::class_at], &size_class, sizeof size_class);
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint64_t granule = 1400 + i * 4;
    std::memcpy(&good[HeapTrunk::entry_at(i)], &granule, sizeof granule);
  }
  const auto problem_as = [&](std::uint32_t of) {
    return [&header, of](const Bytes& bytes) { return HeapTrunk(bytes).problem(600, of, header); };
  };
  const std::vector<Forgery> all{
      {{{12, 4, 4}}, "it does not list free pieces of that size"},
      {{{8, 4, 127}}, "it lists 127 pieces"},
      {{{0, 8, 1936}}, ""},
      {{{0, 8, 1937}}, "the next list is at granule 1937 of 2000"},
      {{{16, 8, 256}}, ""},
      {{{16, 8, 255}}, "it lists granule 255 of 2000"},
      {{{16, 8, 1996}}, ""},
      {{{16, 8, 1997}}, "it lists granule 1997 of 2000"},
      {{{16, 8, 2001}}, "it lists granule 2001 of 2000"},
      {{{16, 8, 1403}}, "it lists granule 1404 within another free piece"},
      {{{16, 8, 1404}}, "it lists granule 1404 within another free piece"},
      {{{16, 8, 596}}, ""},
      {{{16, 8, 597}}, "it lists granule 597, where it stands itself"},
      {{{16, 8, 663}}, "it lists granule 663, where it stands itself"},
      {{{16, 8, 664}}, ""},
  };
  check_forgeries(good, all, problem_as(size_class));
  Bytes spare(HeapTrunk::size);
  std::memset(&spare[HeapTrunk::class_at], 0xFF, 4);
  check_forgeries(spare, {{{{8, 4, 1}}, "it lists 1 pieces"}}, problem_as(HeapTrunk::no_class));
}

TEST_CASE("what the directory of a chained value is refused for") {
  constexpr std::uint64_t tail = 1000;
  Bytes good(64);  // room for three parts
  for (std::uint32_t i = 0; i < 3; ++i) HeapDirectory::set(good, i, {Place(400 + i, 0), 16});
  const auto place_words = [](std::uint64_t place) { return fmt::format("its part 1 is at 0x{:x}", place); };
  const std::uint64_t chained = Place(401, 0).with(Place::chained_flag).raw();
  const std::vector<Forgery> all{
      {{{8, 4, 0}}, "it has 0 parts in 64 bytes"},
      {{{8, 4, 4}}, "it has 4 parts in 64 bytes"},
      {{{32, 8, 255}}, place_words(255)},
      {{{32, 8, 999}}, ""},
      {{{32, 8, 1000}}, place_words(1000)},
      {{{32, 8, chained}}, place_words(chained)},
      {{{40, 8, 0}}, "its part 1 has 0 bytes of 16"},
      {{{40, 8, 17}}, "its part 1 has 17 bytes of 16"},
      {{{40, 8, 15}}, "it says 48 bytes, its parts have 47"},
      {{{0, 8, 47}, {40, 8, 15}}, ""},
  };
  check_forgeries(good, all, [](const Bytes& bytes) { return HeapDirectory(bytes).problem(tail); });
}

TEST_CASE("what the header of a table is refused for") {
  const TableHeader header{.version = 7, .shape = 3, .tail = 20, .live = 12, .free = 8};
  const auto cannot_be = [](std::uint64_t live, std::uint64_t free, std::uint64_t tail) {
    return fmt::format("The table's header cannot be: {} rows and {} free ones up to row {}.", live, free, tail);
  };
  const std::string no_header = "There is no table's header at the beginning of the device.";
  const std::vector<Forgery> all{
      {{{0, 1, 'X'}}, no_header},
      {{{8, 4, 3}}, "The table has format 3, and this program knows formats 1 and 2 alone."},
      {{{32, 8, most_rows}}, ""},
      {{{32, 8, most_rows + 1}}, cannot_be(12, 8, most_rows + 1)},
      {{{40, 8, 21}}, cannot_be(21, 8, 20)},
      {{{40, 8, 13}}, cannot_be(13, 8, 20)},
      {{{48, 8, 9}}, cannot_be(12, 9, 20)},
      {{{48, 8, 0}, {40, 8, 20}}, ""},
  };
  check_forgeries(bytes_from(header.bytes()), all, parse_problem<TableHeader>);
  CHECK_EQ(parse_problem<TableHeader>(Bytes(TableHeader::size - 1)), no_header);
}

}  // namespace
}  // namespace chimera::tables::testing
