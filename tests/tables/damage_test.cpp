// What is damaged, or made by somebody who wants to be clever: it gives an error that says where, and nothing else.

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>

#include "io/seeded_random.h"
#include "isa/limits.h"
#include "tests/tables/heap_rig.h"
#include "tests/tables/memory_ground.h"
#include "tests/tables/tree_rig.h"

namespace chimera::tables::testing {
namespace {

using Bytes = std::vector<std::uint8_t>;

/// All that a device holds, to be damaged and put back.
Bytes content_of(Link& link, const Uuid& device) {
  Script script;
  Answers answers;
  script.add(Program().read_length(device));
  REQUIRE(link.run(script, answers).has_value());
  const auto length = static_cast<std::uint32_t>(answers.u64(0));
  script.clear();
  script.read_bytes(device, 0, length);
  REQUIRE(link.run(script, answers).has_value());
  const auto bytes = answers.bytes(0);
  return {bytes.begin(), bytes.end()};
}

void set_content(Link& link, const Uuid& device, const Bytes& bytes) {
  Script script;
  Answers answers;
  script.write_bytes(device, 0, bytes);
  REQUIRE(link.run(script, answers).has_value());
}

void put64(Bytes& bytes, std::size_t at, std::uint64_t value) { std::memcpy(&bytes[at], &value, sizeof value); }
void put16(Bytes& bytes, std::size_t at, std::uint16_t value) { std::memcpy(&bytes[at], &value, sizeof value); }

/// Something somewhere, as bits rot or as numbers that mean something.
void damage(Bytes& bytes, io::SeededRandom& random, std::uint64_t numbers) {
  const std::size_t block = random.below((bytes.size() - 1) / limits::block_size + 1) * limits::block_size;
  const std::size_t end = std::min<std::size_t>(bytes.size(), block + (random.chance(50) ? 64 : limits::block_size));
  const std::size_t at = block + random.below(end - block);
  switch (random.below(4)) {
    case 0: bytes[at] ^= static_cast<std::uint8_t>(1u << random.below(8)); break;
    case 1: bytes[at] = static_cast<std::uint8_t>(random.next()); break;
    case 2: put64(bytes, std::min(at / 8 * 8, bytes.size() - 8), random.below(numbers)); break;
    default: put16(bytes, std::min(at / 2 * 2, bytes.size() - 2), static_cast<std::uint16_t>(random.next()));
  }
}

/// Failures may only be these, and damage says where.
template <typename Value>
bool is_told(const Result<Value>& result, std::string_view name) {
  if (result) return true;
  const Failure& failure = result.error();
  if (failure.status != Status::corrupt) {
    return failure.status == Status::exists || failure.status == Status::not_found ||
           failure.status == Status::out_of_range;
  }
  return failure.words.find(name) != std::string::npos && failure.words.find("block") != std::string::npos;
}

std::string key_of(std::uint64_t number, std::size_t width) {
  std::string key(width == 0 ? 5 + number % 40 : width, 'k');
  for (std::size_t i = 0; i < 4; ++i) key[i] = static_cast<char>(number >> (8 * (3 - i)));
  return key;
}

/// All that can be asked of a tree, on one that may be damaged.
void use(BTree& tree, io::SeededRandom& random, std::size_t width, std::size_t value_width) {
  const std::string value(value_width, 'v');
  for (int step = 0; step < 20; ++step) {
    TreeRig::Map batch;
    for (std::uint64_t n = 1 + random.below(60); n-- > 0;) batch[key_of(random.below(3000), width)] = value;
    const auto entries = TreeRig::entries_of(batch);
    Entries found;
    switch (random.below(5)) {
      case 0: CHECK(is_told(tree.find(entries.front().key), "the tree")); break;
      case 1:
        CHECK(
            is_told(tree.range({.low = entries.front().key, .backwards = random.chance(50)}, 500, found), "the tree"));
        break;
      case 2: CHECK(is_told(tree.put(entries), "the tree")); break;
      case 3: CHECK(is_told(tree.insert(entries), "the tree")); break;
      default: CHECK(is_told(tree.erase(entries), "the tree")); break;
    }
    if (random.chance(20)) tree.abandon();
    Script script;
    tree.emit(script);
  }
  tree.forget();
}

TEST_CASE("a damaged tree gives errors that say where, and the checker never misses what makes them") {
  const std::vector<BTree::Shape> shapes{{8, 8}, {0, 8}, {300, 0}};
  for (const BTree::Shape shape : shapes) {
    CAPTURE(shape.key_width);
    MemoryGround ground;
    io::SeededRandom random(shape.key_width);
    TreeRig rig(ground.link, create_version(ground.link, "version"), create_device(ground.link, "tree"), shape);
    TreeRig::Map all, some;
    for (std::uint64_t n = 0; n < 3000; ++n) {
      all[key_of(n, shape.key_width)] = std::string(shape.value_width, 'x');
      if (n % 5 != 0) some[key_of(n, shape.key_width)] = {};
    }
    rig.put(all);
    rig.erase(some);
    rig.check();
    const Bytes good = content_of(ground.link, rig.device);
    for (int round = 0; round < 300; ++round) {
      Bytes bad = good;
      for (std::uint64_t n = 1 + random.below(3); n-- > 0;) damage(bad, random, good.size() / limits::block_size + 2);
      set_content(ground.link, rig.device, bad);
      rig.tree.forget();
      const bool is_whole = rig.problems().empty();
      Entries found;
      const auto all_found = rig.tree.range({}, 10'000, found);
      if (is_whole) {
        CHECK(all_found.has_value());
        CHECK_EQ(found.size(), rig.model.size());
      }
      use(rig.tree, random, shape.key_width, shape.value_width);
    }
  }
}

TEST_CASE("a tree whose parts are each right but do not belong together") {
  MemoryGround ground;
  io::SeededRandom random(1);
  TreeRig rig(ground.link, create_version(ground.link, "version"), create_device(ground.link, "tree"), {300, 8});
  TreeRig::Map all;
  for (std::uint64_t n = 0; n < 3000; ++n) all[key_of(n, 300)] = "12345678";
  rig.put(all);
  TreeRig::Map some;
  for (std::uint64_t n = 0; n < 2000; ++n) some[key_of(n, 300)] = {};
  rig.erase(some);
  const Bytes good = content_of(ground.link, rig.device);
  const auto header = BTreeHeader::parse(good);
  REQUIRE(header.has_value());
  REQUIRE_EQ(header->height, 3);
  REQUIRE_GT(header->free, 1);
  const std::size_t root = header->root * limits::block_size;
  const std::size_t trunk = header->trunk * limits::block_size;
  const std::uint64_t first = load<std::uint64_t>(&good[root + 8]);
  const std::size_t child = first * limits::block_size;
  const std::uint64_t leaf = load<std::uint64_t>(&good[child + 8]);
  const std::size_t second_entry = child + 16 + 300;  // the child behind the first key
  const std::vector<std::function<void(Bytes&)>> forgeries{
      [&](Bytes& bytes) { put64(bytes, root + 8, header->root); },    // a root that is its own child
      [&](Bytes& bytes) { put64(bytes, root + 8, leaf); },            // a leaf in the place of an inner node
      [&](Bytes& bytes) { put64(bytes, second_entry, leaf); },        // a leaf that is there twice
      [&](Bytes& bytes) { put64(bytes, child + 8, header->trunk); },  // a list in the place of a leaf
      [&](Bytes& bytes) { put64(bytes, trunk + 16, leaf); },          // a leaf that is free
      [&](Bytes& bytes) { put64(bytes, trunk + 8, header->trunk); },  // a list that goes round
      [&](Bytes& bytes) { put64(bytes, 40, header->free + 1); },      // one more free block
      [&](Bytes& bytes) { put64(bytes, 24, header->entries - 1); },   // an entry that is not counted
      [&](Bytes& bytes) { put64(bytes, 32, header->blocks + 1); },    // a block of nobody's
      [&](Bytes& bytes) {
        put64(bytes, 16, first);
        bytes[14] = 2;
      },                                                                   // the tree below a child
      [&](Bytes& bytes) { bytes[child + 16] = 0xFF; },                     // separators out of order
      [&](Bytes& bytes) { bytes[leaf * limits::block_size + 16] = 0xFF; }  // a key that belongs elsewhere
  };
  for (std::size_t i = 0; i < forgeries.size(); ++i) {
    CAPTURE(i);
    Bytes bad = good;
    forgeries[i](bad);
    set_content(ground.link, rig.device, bad);
    CHECK_FALSE(rig.problems().empty());
    for (int round = 0; round < 20; ++round) use(rig.tree, random, 300, 8);
  }
}

TEST_CASE("a damaged heap gives errors that say where") {
  MemoryGround ground;
  io::SeededRandom random(7);
  HeapRig rig(ground.link, create_version(ground.link, "version"), create_device(ground.link, "heap"));
  rig.create();
  for (std::uint64_t id = 0; id < 300; ++id) rig.put(id, std::string(20 + id * 7 % 900, 'x'));
  rig.commit();
  for (std::uint64_t id = 0; id < 300; id += 3) rig.append(id, std::string(2000, 'y'));
  for (std::uint64_t id = 1; id < 300; id += 3) rig.erase(id);
  rig.commit();
  rig.check();
  const Bytes good = content_of(ground.link, rig.device);
  unsigned noticed = 0;
  for (int round = 0; round < 600; ++round) {
    Bytes bad = good;
    for (std::uint64_t n = 1 + random.below(3); n-- > 0;) damage(bad, random, good.size() / heap_granule);
    if (random.chance(30))
      put64(bad, 64 + random.below(2 * heap_classes) * 8, random.below(good.size() / heap_granule));
    set_content(ground.link, rig.device, bad);
    rig.heap.forget();
    HeapCheck checker(ground.link, rig.version, rig.device, "the heap", [&](std::string words) {
      ++noticed;
      CHECK(words.find("\"the heap\" is damaged") != std::string::npos);
    });
    REQUIRE(checker.begin().has_value());
    for (const auto& item : rig.model) REQUIRE(checker.value(item.second.at).has_value());
    REQUIRE(checker.finish().has_value());
    for (int step = 0; step < 30; ++step) {
      HeapValue value = rig.model.at(random.below(100) * 3 + (random.chance(50) ? 0 : 2)).at;
      // Its owner may be damaged as well.
      if (random.chance(20)) value.place = Place(value.place.raw() ^ std::uint64_t{1} << random.below(64));
      if (random.chance(20)) value.size = random.below(5000);
      Bytes read;
      switch (random.below(6)) {
        case 0: CHECK(is_told(rig.heap.put(Bytes(1 + random.below(1000))), "the heap")); break;
        case 1: CHECK(is_told(rig.heap.replace(value, Bytes(1 + random.below(1000))), "the heap")); break;
        case 2: CHECK(is_told(rig.heap.append(value, Bytes(1 + random.below(3000))), "the heap")); break;
        case 3: CHECK(is_told(rig.heap.write(value, random.below(30), Bytes(random.below(50))), "the heap")); break;
        case 4: CHECK(is_told(rig.heap.read(value, random.below(30), random.below(2000), read), "the heap")); break;
        default: CHECK(is_told(rig.heap.erase(value), "the heap")); break;
      }
      if (random.chance(10)) rig.heap.abandon();
      Script script;
      rig.heap.emit(script);
    }
  }
  CHECK_GT(noticed, 300);
}

}  // namespace
}  // namespace chimera::tables::testing
