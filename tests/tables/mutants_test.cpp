// A check that cannot fail is a defect: each safeguard of tables that several change (tables/safeguards.h) is taken
// away in turn, and a test has to notice. Linked with a variant of the library in which they can be.

#include <doctest/doctest.h>

#include <string>

#include "tables/safeguards.h"
#include "tests/devices/mutants.h"
#include "tests/tables/between_instructions.h"
#include "tests/tables/table_model.h"

namespace chimera::tables::testing {
namespace {

std::string compare_with_model() {
  for (std::uint64_t seed = 101; seed <= 106; ++seed) {
    if (std::string problem = run_model(seed, 3, 400); !problem.empty()) return problem;
  }
  return {};
}

const devices::testing::Mutant mutants[] = {
    {"what is read is not checked in front", safeguards::reads_are_checked_in_front, read_between_rollbacks},
    {"what is read is not checked behind", safeguards::reads_are_checked_behind, read_between_changes},
    {"a change does not look whether what it was planned from is so still", safeguards::changes_are_checked,
     compare_with_model},
    {"what has been planned in vain is a part of the next change", safeguards::plans_are_given_up, compare_with_model},
    {"a table is opened with devices of another moment than its schema's", safeguards::openings_are_checked,
     read_between_changes},
    {"an answer comes from memory that is old", safeguards::answers_are_confirmed, compare_with_model},
    {"nodes that are old stay in memory", safeguards::old_nodes_are_forgotten, compare_with_model},
    {"which pieces were packed stays in memory", safeguards::old_pieces_are_forgotten, compare_with_model},
};

TEST_CASE("a test notices when a safeguard of tables is missing") { devices::testing::check_all(mutants); }

TEST_CASE("and finds nothing when all of them are there") {
  for (const auto& test : {compare_with_model, read_between_changes, read_between_rollbacks}) {
    CHECK_FALSE(devices::testing::finds_something(test));
  }
}

}  // namespace
}  // namespace chimera::tables::testing
