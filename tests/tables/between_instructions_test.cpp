#include "tests/tables/between_instructions.h"

#include <doctest/doctest.h>

namespace chimera::tables::testing {

TEST_CASE("what is read of a table is of one moment, between whichever instructions others change it") {
  CHECK_EQ(read_between_changes(), "");
}

TEST_CASE("also where they bring it back to what the reader has in memory") { CHECK_EQ(read_between_rollbacks(), ""); }

}  // namespace chimera::tables::testing
