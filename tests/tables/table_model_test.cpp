// Random operations of several writers, each with its own session and memory, against a map.

#include <doctest/doctest.h>

#include "tests/tables/table_model.h"

namespace chimera::tables::testing {

TEST_CASE("random operations of one writer do to a table what they do to a map") {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) CHECK_EQ(run_model(seed, 1, 400), "");
}

TEST_CASE("random operations of several writers do to a table what they do to a map") {
  for (std::uint64_t seed = 101; seed <= 106; ++seed) CHECK_EQ(run_model(seed, 3, 400), "");
}

}  // namespace chimera::tables::testing
