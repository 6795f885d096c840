#include "tables/heap.h"

#include <doctest/doctest.h>

#include "io/seeded_random.h"
#include "tests/tables/heap_rig.h"
#include "tests/tables/memory_ground.h"

namespace chimera::tables::testing {
namespace {

std::string content(io::SeededRandom& random, std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(random.next());
  return bytes;
}

/// Mostly small, now and then large.
std::size_t some_size(io::SeededRandom& random) {
  if (random.chance(70)) return 1 + random.below(200);
  return 1 + random.below(random.chance(90) ? 5'000 : 200'000);
}

/// Some id of the plan.
std::uint64_t some_id(const HeapRig& rig, io::SeededRandom& random) {
  auto found = rig.planned.lower_bound(random.below(1 << 20));
  if (found == rig.planned.end()) found = rig.planned.begin();
  return found->first;
}

void do_something(HeapRig& rig, io::SeededRandom& random, unsigned new_percent) {
  if (rig.planned.empty() || random.chance(new_percent)) {
    std::uint64_t id = random.below(1 << 20);
    while (rig.planned.contains(id)) ++id;
    return rig.put(id, content(random, some_size(random)));
  }
  const std::uint64_t id = some_id(rig, random);
  switch (random.below(4)) {
    case 0: return rig.replace(id, content(random, some_size(random)));
    case 1: return rig.append(id, content(random, some_size(random)));
    case 2: {
      const std::uint64_t size = rig.planned.at(id).at.size;
      const std::uint64_t offset = random.below(size);
      return rig.write(id, offset, content(random, 1 + random.below(size - offset)));
    }
    default: return rig.erase(id);
  }
}

TEST_CASE("random batches leave what a map has, and every granule belongs to one thing") {
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    CAPTURE(seed);
    MemoryGround ground;
    io::SeededRandom random(seed);
    HeapRig rig(ground.link, create_version(ground.link, "version"), create_device(ground.link, "heap"));
    rig.create();
    for (int round = 0; round < 60; ++round) {
      const unsigned new_percent = round / 15 % 2 == 0 ? 60 : 15;
      for (std::uint64_t i = random.below(40); i-- > 0;) do_something(rig, random, new_percent);
      random.chance(85) ? rig.commit() : rig.abandon();
      rig.check();
      if (random.chance(20)) rig.heap.forget();
    }
  }
}

}  // namespace
}  // namespace chimera::tables::testing
