// Trees whose nodes are each right but do not belong together: what a change and what the checker say of each.

#include <doctest/doctest.h>

#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "isa/limits.h"
#include "tables/btree.h"
#include "tables/btree_check.h"
#include "tests/tables/memory_ground.h"

namespace chimera::tables::testing {
namespace {

using Keys = std::vector<std::uint64_t>;
using Blocks = std::vector<std::uint64_t>;

constexpr BTreeShape numbers{8, 8};

/// Two leaves below a root, and a list of one free block. What is forged of it is written when something is asked.
struct ForgedTree {
  ForgedTree() {
    header = {.shape = numbers, .height = 2, .root = 1, .entries = 4, .blocks = 6, .free = 2, .trunk = 4};
    inner(1, 1, {2, 3}, {30});
    leaf(2, {10, 20});
    leaf(3, {30, 40});
    list(4, 0, {5});
    leaf(5, {1});
  }
  void leaf(std::uint64_t block, const Keys& keys) { make(block, 0, 0, keys, Blocks(keys.size(), 7)); }
  void inner(std::uint64_t block, unsigned level, const Blocks& children, const Keys& keys) {
    make(block, level, children[0], keys, Blocks(children.begin() + 1, children.end()));
  }
  void make(std::uint64_t block, unsigned level, std::uint64_t first, const Keys& keys, const Blocks& values) {
    std::vector<std::string> texts;
    for (const std::uint64_t key : keys) texts.push_back(key_of(key));
    std::vector<BTreeEntry> entries;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      entries.push_back({bytes_of(texts[i]), {reinterpret_cast<const std::uint8_t*>(&values[i]), 8}});
    }
    make_node(images[block], level, first, entries, header.shape);
  }
  void list(std::uint64_t block, std::uint64_t next, const Blocks& listed) {
    make_trunk(images[block], next);
    const auto count = static_cast<std::uint16_t>(listed.size());
    std::memcpy(&images[block].bytes[BTreeView::count_at], &count, sizeof count);
    std::memcpy(&images[block].bytes[BTreeView::front], listed.data(), 8 * listed.size());
  }
  [[nodiscard]] std::string key_of(std::uint64_t number) const {
    std::string key(8, '\0');
    for (std::size_t i = 0; i < 8; ++i) key[i] = static_cast<char>(number >> (56 - 8 * i));
    key.resize(std::max<std::size_t>(header.shape.key_width, 8));
    return key;
  }
  void write() {
    Script script;
    Answers answers;
    script.write_bytes(device, 0, BTreeImage{}.bytes);
    script.write_bytes(device, 0, header.bytes());
    for (const auto& [block, image] : images) {
      script.write_bytes(device, block * limits::block_size, image.bytes);
    }
    REQUIRE(ground.link.run(script, answers).has_value());
    tree.forget();
  }
  /// Of the first so many numbers from `first` on, how a change of them ends.
  std::string change(Result<> (BTree::*how)(std::span<const BTree::Entry>), std::uint64_t first,
                     std::uint64_t count = 1) {
    write();
    std::map<std::string, std::string> items;
    const char* const value = how == &BTree::erase ? "" : "a value.";
    for (std::uint64_t i = 0; i < count; ++i) items[key_of(first + i)] = value;
    std::vector<BTree::Entry> entries;
    for (const auto& [key, of_key] : items) entries.push_back({bytes_of(key), bytes_of(of_key)});
    const auto done = (tree.*how)(entries);
    if (!done && done.error().status == Status::corrupt) CHECK(done.error().words.starts_with("\"t\" is damaged: "));
    return done ? "done" : done.error().words.substr(done.error().words.find(':') + 1);
  }
  std::string find(std::uint64_t number) {
    write();
    const std::string key = key_of(number);
    return words_of(tree.find(bytes_of(key)));
  }
  /// What the checker tells, without what is the same in front.
  std::string problems() {
    write();
    std::string all;
    const auto problem = [&](const std::string& words) { all += words.substr(words.find(':') + 2) + "\n"; };
    CHECK(check_btree(ground.link, version, device, "t", {problem, {}}).has_value());
    return all;
  }

  MemoryGround ground;
  Version version = create_version(ground.link, "version");
  Uuid device = create_device(ground.link, "tree");
  BTree tree{ground.link, version, device, "t"};
  BTreeHeader header;
  std::map<std::uint64_t, BTreeImage> images;
};

TEST_CASE("a change that comes upon a forged tree says where, and plans nothing from it") {
  ForgedTree of;
  CHECK_EQ(of.change(&BTree::put, 100, 600), "done");
  const auto contains = [](const std::string& words, std::string_view part) {
    CHECK_MESSAGE(words.find(part) != std::string::npos, words);
  };
  SUBCASE("nodes that stand where others should") {
    of.inner(1, 1, {4, 3}, {30});
    contains(of.find(10), "block 4 cannot be used, it is no node of level 0");
    of.inner(1, 1, {1, 3}, {30});
    contains(of.find(10), "block 1 cannot be used, it is no node of level 0");
  }
  SUBCASE("free blocks that are none") {
    of.header.trunk = 3;
    contains(of.change(&BTree::put, 1, 600), "block 3 cannot be used, it lists no free blocks");
    of.header.trunk = 4;
    of.list(4, 0, {3});
    contains(of.change(&BTree::put, 1, 600), "block 3 cannot be used, it is listed as free");
  }
  SUBCASE("counts that are wrong") {
    of.header.free = 1;
    contains(of.change(&BTree::put, 1, 600),
             "block 0 cannot be used, it does not count the free blocks that there are");
    of.header.free = 2;
    of.header.entries = 1;
    contains(of.change(&BTree::put, 11), "block 0 cannot be used, it does not count the entries that there are");
    of.header.entries = 2;
    of.inner(1, 1, {2}, {});
    CHECK_EQ(of.change(&BTree::erase, 10), "done");
    of.header.entries = 3;
    of.leaf(2, {10, 11});
    contains(of.change(&BTree::erase, 10, 2), "block 0 cannot be used, it does not count the entries that there are");
  }
  SUBCASE("no more blocks than a device has") {
    of.header.blocks = limits::greatest_length / limits::block_size;
    CHECK_EQ(of.change(&BTree::put, 100, 256), "done");
    of.header.free = of.header.trunk = 0;
    contains(of.change(&BTree::put, 100, 256), "\"t\" has no blocks left.");
  }
  SUBCASE("a child that is there twice") {
    of.inner(1, 1, {2, 2}, {30});
    contains(of.change(&BTree::erase, 10), "block 2 cannot be used, it is a child twice");
  }
  SUBCASE("nodes that are out of order with each other are not made one, nor is a node made of keys out of order") {
    of.leaf(2, {10, 50});
    contains(of.change(&BTree::erase, 10), "what would be written there is not in order");
    of.leaf(2, {10, 20});
    Keys keys{10, 20};
    for (std::uint64_t n = 100; n < 353; ++n) keys.push_back(n);
    of.leaf(2, keys);  // most are above the separator behind it
    of.header.entries = 257;
    contains(of.change(&BTree::insert, 15), "what would be written there is not in order");
  }
  SUBCASE("keys and values of another size") {
    of.header.shape = {8, 16};
    contains(of.change(&BTree::insert, 1), "its keys or values have another size than those of its table");
    of.header.shape = numbers;
    of.tree.expect({8, 0});
    contains(of.find(10), "its keys and values are not as wide as the schema says");
  }
}

TEST_CASE("keys of another width than the tree's are refused") {
  ForgedTree of;
  of.header.shape = {16, 8};
  of.write();
  const std::string key(8, 'k'), value(8, 'v');
  const std::vector<BTree::Entry> entries{{bytes_of(key), bytes_of(value)}};
  const auto done = of.tree.insert(entries);
  REQUIRE_FALSE(done.has_value());
  CHECK(done.error().words.find("its keys or values have another size") != std::string::npos);
}

TEST_CASE("a tree as high as one may be does not grow") {
  ForgedTree of;
  of.images.clear();
  of.header = {.shape = {1032, 8}, .height = 24, .root = 1, .entries = 3, .blocks = 25};
  // All children of a node are the same: it is full, and so is what is below it.
  for (std::uint64_t block = 1; block < 24; ++block) {
    const std::uint64_t key = 1000 * (24 - block);
    of.inner(block, static_cast<unsigned>(24 - block), Blocks(4, block + 1), {key, key + 1, key + 2});
  }
  of.leaf(24, {1, 2, 3});
  CHECK(of.change(&BTree::insert, 4).find("the tree is too high") != std::string::npos);
}

TEST_CASE("what the checker of trees tells, and nothing else") {
  ForgedTree of;
  CHECK_EQ(of.problems(), "");
  SUBCASE("a child twice") {
    of.inner(1, 1, {2, 2}, {30});
    CHECK_EQ(of.problems(),
             "block 2 cannot be used, two nodes name it.\n"
             "block 3 cannot be used, 1 blocks belong to nobody and are not free.\n"
             "block 0 cannot be used, it counts 4 entries, but there are 2.\n");
  }
  SUBCASE("a key below its leaf's") {
    of.leaf(3, {29, 40});
    CHECK_EQ(of.problems(), "block 3 cannot be used, it has keys that do not belong to it.\n");
  }
  SUBCASE("a key above its leaf's") {
    of.leaf(2, {10, 30});
    CHECK_EQ(of.problems(), "block 2 cannot be used, it has keys that do not belong to it.\n");
  }
  SUBCASE("a leaf that is listed as free") {
    of.list(4, 0, {3});
    CHECK_EQ(of.problems(),
             "block 3 cannot be used, it is listed as free, and is something else too.\n"
             "block 5 cannot be used, 1 blocks belong to nobody and are not free.\n");
  }
  SUBCASE("a list behind itself") {
    of.list(4, 4, {5});
    CHECK_EQ(of.problems(), "block 4 cannot be used, it lists free blocks, and is something else too.\n");
  }
  SUBCASE("counts") {
    of.header.entries = 5;
    of.header.free = 3;
    of.header.blocks = 7;
    CHECK_EQ(of.problems(),
             "block 0 cannot be used, it counts 3 free blocks, but 2 are listed.\n"
             "block 6 cannot be used, 1 blocks belong to nobody and are not free.\n"
             "block 0 cannot be used, it counts 5 entries, but there are 4.\n");
  }
  SUBCASE("a leaf that is none: of what is below it nothing is counted") {
    of.images[3] = {};
    CHECK_EQ(of.problems(), "block 3 cannot be used, it is no node.\n");
  }
}

TEST_CASE("a table that changes under the checker of trees is no damage") {
  ForgedTree of;
  of.write();
  const auto change_version = [&] {
    Script script;
    Answers answers;
    of.version.change(script, of.version.number + 1);
    REQUIRE(of.ground.link.run(script, answers).has_value());
  };
  const auto checked = [&] {
    const auto problem = [](const std::string& words) { FAIL(words); };
    const auto entry = [&](const BTreeEntry&) { change_version(); };
    return check_btree(of.ground.link, of.version, of.device, "t", {problem, entry});
  };
  CHECK_EQ(checked().error().status, Status::conflict);  // before the list is read
  CHECK_EQ(checked().error().status, Status::conflict);  // before anything is
}

}  // namespace
}  // namespace chimera::tables::testing
