#include "tables/btree.h"

#include <doctest/doctest.h>

#include "io/seeded_random.h"
#include "tests/tables/memory_ground.h"
#include "tests/tables/tree_rig.h"

namespace chimera::tables::testing {
namespace {

/// Keys and values of a kind of tree, at random.
struct Sample {
  BTree::Shape shape;
  std::uint64_t distinct;  ///< keys that there may be
  std::size_t longest;     ///< bytes of a key, where they are of several lengths

  [[nodiscard]] std::string key(io::SeededRandom& random) const {
    const std::uint64_t number = random.below(distinct);
    io::SeededRandom from_number(number);
    const std::size_t size = shape.key_width != 0 ? shape.key_width : 1 + from_number.below(longest);
    std::string key(size, 'a');
    for (std::size_t i = 0; i < size && i < 16; ++i) key[i] = static_cast<char>(from_number.next());
    return key;
  }
  [[nodiscard]] std::string value(io::SeededRandom& random) const {
    std::string value(shape.value_width, '\0');
    for (char& c : value) c = static_cast<char>(random.next());
    return value;
  }
};

TEST_CASE("random batches leave what a map has") {
  const std::vector<Sample> samples{{{8, 8}, 20'000, 0},   {{16, 0}, 3'000, 0},  {{0, 8}, 20'000, 30},
                                    {{0, 0}, 4'000, 1032}, {{1032, 64}, 500, 0}, {{1, 1}, 200, 0}};
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    const Sample& sample = samples[seed % samples.size()];
    CAPTURE(seed);
    MemoryGround ground;
    io::SeededRandom random(seed);
    TreeRig rig(ground.link, create_version(ground.link, "version"), create_device(ground.link, "tree"), sample.shape,
                seed % 2 == 0 ? 64 : 4096);
    for (int round = 0; round < 60; ++round) {
      const bool grows = round < 20 || (round >= 40 && round < 50);
      TreeRig::Map batch;
      const std::size_t size = 1 + random.below(random.chance(30) ? 1000 : 20);
      if (grows) {
        for (std::size_t i = 0; i < size; ++i) batch[sample.key(random)] = sample.value(random);
        rig.put(batch);
      } else if (!rig.model.empty()) {
        for (std::size_t i = 0; i < size; ++i) {
          auto found = rig.model.lower_bound(sample.key(random));
          if (found != rig.model.end()) batch.insert(*found);
        }
        rig.erase(batch);
      }
      rig.check();
      if (round % 10 == 9) rig.compare();
    }
    rig.erase(TreeRig::Map(rig.model));
    rig.compare();
    rig.check();
  }
}

}  // namespace
}  // namespace chimera::tables::testing
