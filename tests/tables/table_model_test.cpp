// Random operations of several writers, each with its own session and memory, against a map.

#include <doctest/doctest.h>

#include "tests/tables/table_model.h"
#include "tests/tables/table_rig.h"

namespace chimera::tables::testing {
namespace {

void run_model(std::uint64_t seed, std::size_t writers, std::size_t steps) {
  CAPTURE(seed);
  MemoryGround ground;
  std::vector<std::unique_ptr<cli::SessionLink>> links;
  std::vector<Table> tables;
  tables.push_back(make_table(ground.link, model_schema));
  for (std::size_t n = 1; n < writers; ++n) {
    links.push_back(std::make_unique<cli::SessionLink>(ground.machine));
    auto table = Table::open(*links.back(), rig_table);
    REQUIRE_OK(table);
    tables.push_back(std::move(*table));
  }
  io::SeededRandom random(seed);
  ModelTable model;
  for (std::size_t step = 0; step < steps; ++step) {
    CAPTURE(step);
    const std::string problem = random_operation(random, tables[random.below(writers)], model);
    REQUIRE_EQ(problem, "");
    if (step % 50 != 49) continue;
    REQUIRE_EQ(compare_whole(tables[random.below(writers)], model), "");
  }
  REQUIRE_EQ(problems_of(ground.link), "");
}

TEST_CASE("random operations of one writer do to a table what they do to a map") {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) run_model(seed, 1, 400);
}

TEST_CASE("random operations of several writers do to a table what they do to a map") {
  for (std::uint64_t seed = 101; seed <= 106; ++seed) run_model(seed, 3, 400);
}

}  // namespace
}  // namespace chimera::tables::testing
