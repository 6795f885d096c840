// Transactions over a tree and a heap, on a pool whose disk crashes: what is found afterwards is what some commit left,
// and no commit that was answered is missing.

#include <doctest/doctest.h>

#include <vector>

#include "io/seeded_random.h"
#include "links/session_link.h"
#include "tests/devices/pool_rig.h"
#include "tests/tables/heap_rig.h"
#include "tests/tables/memory_ground.h"
#include "tests/tables/tree_rig.h"

namespace chimera::tables::testing {
namespace {

using devices::testing::PoolRig;

/// A tree whose entries lead to values in a heap, as a table's key does to its rows.
class Indexed {
 public:
  struct State {
    TreeRig::Map entries;
    HeapRig::Model values;
  };

  Indexed(Link& link, const Version& version, const Uuid& tree_device, const Uuid& heap_device)
      : link_(link),
        version_(version),
        tree_(link, version_, tree_device, "the tree"),
        heap_(link, version_, heap_device, "the heap"),
        tree_device_(tree_device),
        heap_device_(heap_device) {}

  void create() {
    Script script;
    Answers answers;
    BTree::create(script, tree_device_, {0, 16});
    Heap::create(script, heap_device_);
    REQUIRE(link_.run(script, answers).has_value());
  }
  /// A transaction of some changes of `state`, whose version is then one more. The link's failure, if there is one.
  Result<> change(io::SeededRandom& random, State& state) {
    TreeRig::Map added, removed;
    for (std::uint64_t n = 1 + random.below(30); n-- > 0;) {
      const std::uint64_t id = random.below(400);
      const std::string key = "key " + std::to_string(id) + std::string(id % 60, '.');
      if (added.contains(key) || removed.contains(key)) continue;
      const auto known = state.values.find(id);
      if (known == state.values.end()) {
        const std::string content(1 + random.below(300), static_cast<char>(random.next()));
        const auto place = heap_.put(bytes_of(content));
        if (!place) return std::unexpected(place.error());
        state.values[id] = {{*place, content.size()}, content};
        added[key] = value_of(state.values[id].at);
      } else if (random.chance(40)) {
        const auto erased = heap_.erase(known->second.at);
        if (!erased) return erased;
        state.values.erase(known);
        removed[key] = {};
      } else {
        const std::string more(1 + random.below(500), static_cast<char>(random.next()));
        const auto longer = heap_.append(known->second.at, bytes_of(more));
        if (!longer) return std::unexpected(longer.error());
        known->second = {*longer, known->second.content + more};
        added[key] = value_of(*longer);
      }
    }
    if (auto done = tree_.erase(TreeRig::entries_of(removed)); !done) return done;
    if (auto done = tree_.put(TreeRig::entries_of(added)); !done) return done;
    for (const auto& item : removed) state.entries.erase(item.first);
    for (const auto& [key, value] : added) state.entries[key] = value;
    return commit();
  }
  /// That it is whole, and is that.
  void check(const State& state) {
    std::vector<std::string> problems;
    const auto tell = [&](std::string words) { problems.push_back(std::move(words)); };
    TreeRig::Map found;
    const auto entry = [&](const BTreeEntry& one) { found[text_of(one.key)] = text_of(one.value); };
    REQUIRE(check_btree(link_, version_, tree_device_, "the tree", {tell, entry}).has_value());
    REQUIRE(found == state.entries);
    HeapCheck checker(link_, version_, heap_device_, "the heap", tell);
    REQUIRE(checker.begin().has_value());
    for (const auto& item : state.values) {
      REQUIRE(checker.value(item.second.at).has_value());
      std::vector<std::uint8_t> bytes;
      REQUIRE(heap_.read(item.second.at, 0, item.second.at.size, bytes).has_value());
      REQUIRE(text_of(bytes) == item.second.content);
    }
    REQUIRE(checker.finish().has_value());
    REQUIRE_MESSAGE(problems.empty(), problems.front());
  }
  [[nodiscard]] const Version& version() const { return version_; }

 private:
  static std::string value_of(const HeapValue& value) {
    const std::uint64_t numbers[2]{value.place.raw(), value.size};
    return text_of({reinterpret_cast<const std::uint8_t*>(numbers), sizeof numbers});
  }
  Result<> commit() {
    Script script;
    Answers answers;
    script.begin();
    version_.check(script);
    heap_.emit(script);
    tree_.emit(script);
    version_.change(script, version_.number + 1);
    script.commit();
    auto done = link_.run(script, answers);
    if (!done) return done;
    ++version_.number;
    heap_.keep();
    tree_.keep();
    return done;
  }

  Link& link_;
  Version version_;
  BTree tree_;
  Heap heap_;
  Uuid tree_device_, heap_device_;
};

/// Opens what a crash may have left, and compares it with the state of its version.
void judge(const io::DiskImage& image, const Version& begun, const Uuid& tree, const Uuid& heap,
           const std::vector<Indexed::State>& states, std::uint64_t durable) {
  PoolRig rig(image);
  links::SessionLink link(*rig.machine);
  Script script;
  Answers answers;
  script.read_bytes(begun.device, begun.offset, sizeof(std::uint64_t));
  REQUIRE(link.run(script, answers).has_value());
  Version version = begun;
  version.number = answers.u64(0);
  REQUIRE_GE(version.number, durable);
  REQUIRE_LE(version.number, states.size());
  Indexed found(link, version, tree, heap);
  found.check(states[version.number - 1]);
  // And it goes on.
  io::SeededRandom random(version.number);
  Indexed::State state = states[version.number - 1];
  const auto done = found.change(random, state);
  REQUIRE_MESSAGE(done.has_value(), words_of(done));
  found.check(state);
}

TEST_CASE("a crash leaves tree and heap as some commit left them, none that was answered is lost") {
  unsigned images_seen = 0;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    CAPTURE(seed);
    PoolRig rig(devices::smallest_store_blocks, seed);
    links::SessionLink link(*rig.machine);
    const Version begun = create_version(link, "version");
    const Uuid tree = create_device(link, "tree");
    const Uuid heap = create_device(link, "heap");
    Indexed indexed(link, begun, tree, heap);
    indexed.create();
    rig.sync();
    std::vector<Indexed::State> states{{}};  // by version - 1, those that are being committed included
    std::uint64_t durable = 1;
    io::SeededRandom random(seed);
    io::SeededRandom choice(seed + 100);
    rig.disk.at_boundaries([&](io::SimulatedDisk::Boundary, const io::DiskRequest&) {
      if (!choice.chance(12)) return;
      const io::CrashImages images =
          rig.disk.crash_images({.enumerate_up_to = 0, .most_singles = 0, .samples = 2, .seed = choice.next()});
      judge(images.at(choice.below(images.size())), begun, tree, heap, states, durable);
      ++images_seen;
    });
    for (int round = 0; round < 60; ++round) {
      Indexed::State next = states.back();
      // Pushed before the commit, since a crash may leave what is not answered yet.
      io::SeededRandom same = random;
      random.next();
      states.push_back(next);
      const auto done = indexed.change(same, states.back());
      REQUIRE_MESSAGE(done.has_value(), words_of(done));
      durable = indexed.version().number;
      REQUIRE_EQ(durable, states.size());
      if (round % 20 == 19) rig.checkpoint();
    }
    rig.disk.at_boundaries({});
    indexed.check(states.back());
  }
  CHECK_GT(images_seen, 30);
}

}  // namespace
}  // namespace chimera::tables::testing
