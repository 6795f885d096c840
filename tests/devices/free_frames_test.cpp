#include "devices/free_frames.h"

#include <doctest/doctest.h>

#include <set>

#include "io/seeded_random.h"

namespace chimera::devices {
namespace {

TEST_CASE("free frames are given out in the order of memory, whatever the order in which they came back") {
  FreeFrames free(10'000);
  for (const FrameId id : {9999u, 4097u, 64u, 63u, 5u, 4096u, 4095u}) free.add(id);
  for (const FrameId id : {5u, 63u, 64u, 4095u}) CHECK(free.take() == id);
  free.add(70);  // behind the last one: next time round
  for (const FrameId id : {4096u, 4097u, 9999u, 70u}) CHECK(free.take() == id);
  CHECK(free.empty());
}

TEST_CASE("free frames agree with a set") {
  io::SeededRandom random(3);
  for (const FrameId count : {1u, 63u, 64u, 65u, 4096u, 4097u, 20'000u}) {
    FreeFrames free(count);
    std::set<FrameId> model;
    FrameId next = 0;
    for (int n = 0; n < 5000; ++n) {
      const auto id = static_cast<FrameId>(random.below(count));
      if (random.below(2) == 0 && !model.contains(id)) {
        free.add(id);
        model.insert(id);
      } else if (!model.empty()) {
        auto expected = model.lower_bound(next);
        if (expected == model.end()) expected = model.begin();
        REQUIRE(free.take() == *expected);
        next = *expected + 1;
        model.erase(expected);
      }
      REQUIRE(free.empty() == model.empty());
    }
  }
}

}  // namespace
}  // namespace chimera::devices
