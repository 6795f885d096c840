// Crashes under tables: random operations on a simulated disk; at its boundaries some of the images that a crash may
// leave are opened. Each holds what the operations that were answered have done, and all or nothing of the one under
// way, and its indexes, rows and heaps agree.

#include <doctest/doctest.h>

#include <optional>

#include <fmt/format.h>

#include "tests/devices/pool_rig.h"
#include "tests/tables/table_model.h"
#include "tests/tables/table_rig.h"
#include "tests/tables/taken_images.h"

namespace chimera::tables::testing {
namespace {

class CrashedTables {
 public:
  explicit CrashedTables(std::uint64_t seed)
      : random_(seed), rig_(devices::smallest_store_blocks, seed), link_(*rig_.machine) {
    link_.next_version = seed;
    (void)make_table(link_, model_schema);
    // An index is added in pieces.
    auto table = Table::open(link_, rig_table, {.most_rows_entered = 7});
    REQUIRE_OK(table);
    table_.emplace(std::move(*table));
    images_.emplace(rig_.disk, random_);
  }

  std::string run(std::size_t steps) {
    for (std::size_t step = 0; step < steps; ++step) {
      const ModelTable before = model_;
      // Now and then all that waits is written, so that checkpoints are crashed too.
      if (random_.chance(10)) rig_.pool().blocks().want_checkpoint();
      std::string problem = random_operation(random_, *table_, model_);
      if (problem.empty()) problem = judge(before);
      if (!problem.empty()) return fmt::format("step {}: {}", step, problem);
    }
    return {};
  }
  std::size_t judged = 0, unfinished = 0;

 private:
  std::string judge(const ModelTable& before) {
    for (const io::DiskImage& image : images_->since()) {
      ++judged;
      devices::testing::PoolRig crashed(image);
      links::SessionLink link(*crashed.machine);
      auto table = Table::open(link, rig_table);
      if (!table) return "an image cannot be opened: " + table.error().words;
      if (std::string problems = problems_of(link); !problems.empty()) return "an image: " + problems;
      if (std::string problem = go_on_with_index(link, *table); !problem.empty()) return "an image: " + problem;
      if (compare_whole(*table, before).empty()) continue;
      if (const std::string differs = compare_whole(*table, model_); !differs.empty()) {
        return "an image holds neither what was there nor what is: " + differs;
      }
    }
    return {};
  }

  /// An index that was half added is not used, and can be finished or dropped.
  std::string go_on_with_index(Link& link, Table& table) {
    if (!table.opened().shape().wanted) return {};
    ++unfinished;
    const bool is_single = table.opened().shape().indexes.back().name == "amount";
    const NewIndex added = is_single ? NewIndex{"amount", false, {"amount"}} : NewIndex{"both", true, {"group", "id"}};
    if (table.scan({.along = added.name})) return "an unfinished index is used";
    const auto done = random_.chance(70) ? table.add_index(added) : table.drop_index(added.name);
    return done ? problems_of(link) : done.error().words;
  }

  io::SeededRandom random_;
  devices::testing::PoolRig rig_;
  links::SessionLink link_;
  std::optional<Table> table_;
  ModelTable model_;
  std::optional<TakenImages> images_;
};

TEST_CASE("a crash leaves whole operations, and indexes that agree with their rows") {
  std::size_t judged = 0, unfinished = 0;
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    CAPTURE(seed);
    CrashedTables tables(seed);
    REQUIRE_EQ(tables.run(150), "");
    judged += tables.judged;
    unfinished += tables.unfinished;
  }
  CHECK_GT(judged, 200);
  CHECK_GT(unfinished, 5);
}

}  // namespace
}  // namespace chimera::tables::testing
