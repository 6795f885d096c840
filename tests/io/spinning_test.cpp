#include "io/spinning.h"

#include <doctest/doctest.h>

using chimera::io::Spinning;

namespace {

constexpr std::uint64_t longest_ns = 50'000;
constexpr std::uint64_t soon_ns = 2 * longest_ns;  // of a sleep, with being woken
constexpr std::uint64_t late_ns = soon_ns + 1;

/// Waits that long, and gives how much of it was spent looking.
std::uint64_t wait(Spinning& spinning, std::uint64_t ns) {
  const std::uint64_t looked_ns = std::min(spinning.budget_ns(), ns);
  spinning.waited(ns);
  return looked_ns;
}

}  // namespace

TEST_CASE("who is woken soon looks first, and goes on while that helps") {
  Spinning spinning;
  spinning.look_for_at_most(longest_ns);
  CHECK(spinning.budget_ns() == 0);
  for (unsigned n = 0; n < Spinning::least_patience; ++n) {
    CHECK(spinning.budget_ns() == 0);
    spinning.waited(soon_ns);
  }
  for (int n = 0; n < 100; ++n) {
    CHECK(spinning.budget_ns() == longest_ns);
    spinning.waited(longest_ns);
  }
}

TEST_CASE("who waits long never looks; short waits count only in a row") {
  Spinning spinning;
  spinning.look_for_at_most(longest_ns);
  for (int n = 0; n < 1000; ++n) {
    CHECK(wait(spinning, late_ns) == 0);
    CHECK(wait(spinning, soon_ns) == 0);
  }
}

TEST_CASE("one look in vain ends it; looking in vain again and again costs a hundredth of the time") {
  Spinning spinning;
  spinning.look_for_at_most(longest_ns);
  std::uint64_t looked_ns = 0;
  std::uint64_t all_ns = 0;
  // Always just too late to be seen, and soon enough to look worth it.
  constexpr std::uint64_t in_vain_ns = longest_ns + 1;
  for (int n = 0; n < 100'000; ++n) {
    const bool was_looking = spinning.budget_ns() > 0;
    looked_ns += wait(spinning, in_vain_ns);
    all_ns += in_vain_ns;
    if (was_looking) CHECK(spinning.budget_ns() == 0);
  }
  CHECK(looked_ns > 0);
  CHECK(looked_ns < all_ns / 100);
  // And where it helps again, it is soon as ready as at first.
  while (spinning.budget_ns() == 0) spinning.waited(soon_ns);
  spinning.waited(longest_ns);
  spinning.waited(late_ns);
  for (unsigned n = 0; n < 2 * Spinning::least_patience; ++n) {
    CHECK(spinning.budget_ns() == 0);
    spinning.waited(soon_ns);
  }
  CHECK(spinning.budget_ns() == longest_ns);
}

TEST_CASE("it never looks unless it may") {
  Spinning spinning;
  CHECK_FALSE(spinning.is_allowed());
  for (int n = 0; n < 100; ++n) CHECK(wait(spinning, 0) == 0);
}

TEST_CASE("looking is a part of the wait: what is left of it is slept") {
  CHECK(Spinning::left_of(1000, 0) == 1000);
  CHECK(Spinning::left_of(1000, 400) == 600);
  CHECK(Spinning::left_of(1000, 1000) == 0);
  CHECK(Spinning::left_of(1000, 5000) == 0);
  CHECK(Spinning::left_of(0, 1) == 0);
  CHECK(Spinning::left_of(-1, 5000) == -1);
}

TEST_CASE("who waits for the disk sleeps, and looks again when nobody has for a while") {
  Spinning spinning;
  spinning.look_for_at_most(longest_ns);
  // As a client does that flushes behind each of its writes.
  for (int n = 0; n < 100; ++n) {
    CHECK(wait(spinning, soon_ns) == 0);
    CHECK(wait(spinning, soon_ns) == 0);
    spinning.waited_for_disk();
  }
  for (unsigned n = 0; n < Spinning::patience_behind_disk; ++n) CHECK(wait(spinning, soon_ns) == 0);
  CHECK(spinning.budget_ns() == longest_ns);
  // Having looked well, it takes no longer than at first.
  spinning.waited(longest_ns);
  spinning.waited(late_ns);
  for (unsigned n = 0; n < 2 * Spinning::least_patience; ++n) CHECK(wait(spinning, soon_ns) == 0);
  CHECK(spinning.budget_ns() == longest_ns);
}
