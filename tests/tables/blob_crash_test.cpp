// Crashes under long values: they are put piece by piece, appended to, overwritten in part, replaced and deleted on a
// simulated disk; at its boundaries some of the images that a crash may leave are opened. In each every value is the
// old one or the new one, whole; its row, indexes and heap agree; and the next put erases what the crash has left.

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "tables/blob_writer.h"
#include "tables/open_table.h"
#include "tables/value_appender.h"
#include "tests/devices/pool_rig.h"
#include "tests/tables/table_rig.h"
#include "tests/tables/taken_images.h"

namespace chimera::tables::testing {
namespace {

constexpr std::int64_t most_ids = 5;
constexpr std::string_view schema =
    "relation t = struct { id: i64, tag: string nullable indexed, data: blob nullable, more: string nullable external "
    "} "
    "key (id)";

/// The blobs by their rows.
using Model = std::map<std::int64_t, std::string>;

class CrashedBlobs {
 public:
  explicit CrashedBlobs(std::uint64_t seed)
      : random_(seed), rig_(devices::smallest_store_blocks, seed), link_(*rig_.machine) {
    link_.next_version = seed;
    (void)make_table(link_, schema);
    // Values of some pieces, and of several parts in the heap, are short then.
    auto table = Table::open(link_, rig_table, {.blob_piece_bytes = 3000});
    REQUIRE_OK(table);
    table_.emplace(std::move(*table));
    images_.emplace(rig_.disk, random_);
  }

  std::string run(std::size_t steps) {
    for (std::size_t step = 0; step < steps; ++step) {
      const Model before = model_;
      if (random_.chance(10)) rig_.pool().blocks().want_checkpoint();
      const std::string what = operate();
      if (std::string problem = judge(before); !problem.empty())
        return fmt::format("step {}, {}: {}", step, what, problem);
    }
    return compare(*table_, model_);
  }
  std::size_t judged = 0, old_ones = 0, left = 0, between = 0;

 private:
  std::string bytes() {
    const std::uint64_t sizes[] = {random_.below(20), random_.below(3000), random_.below(40'000),
                                   3000 * random_.below(5)};
    std::string made(sizes[random_.below(4)], '\0');
    for (char& byte : made) byte = static_cast<char>(random_.next());
    return made;
  }

  std::string operate() {
    const auto id = static_cast<std::int64_t>(random_.below(most_ids));
    const auto found = model_.find(id);
    const std::string some = bytes();
    between_.clear();
    switch (found == model_.end() ? 9 : random_.below(9)) {
      case 0:
        if (some.empty()) return {};
        REQUIRE_OK(table_->append_value({i64(id)}, "data", bytes_of(some)));
        found->second += some;
        return "append";
      case 1: {
        const std::size_t at = static_cast<std::size_t>(random_.below(found->second.size() + 1));
        const std::string within = some.substr(0, found->second.size() - at);
        REQUIRE_OK(table_->write_value({i64(id)}, "data", at, bytes_of(within)));
        found->second.replace(at, within.size(), within);
        return "write";
      }
      case 2:
        REQUIRE_OK(table_->remove({i64(id)}));
        model_.erase(found);
        return "delete";
      case 3:
        REQUIRE_OK(table_->upsert({{i64(id), text(std::to_string(id)), Value::blob(some), Value()}}));
        found->second = some;
        return "replace at once";
      case 4: put(id, some, false); return "give up";
      case 5: append_in_pieces(id, some); return "append in pieces";
      default:
        put(id, some, true);
        model_[id] = some;
        return "put";
    }
  }

  /// A crash between two of them leaves those in front.
  void append_in_pieces(std::int64_t id, std::string_view some) {
    ValueAppender appender(*table_, {i64(id)}, "data");
    while (!some.empty()) {
      const std::string_view piece = some.substr(0, 1 + random_.below(7000));
      REQUIRE_OK(appender.add({piece.begin(), piece.end()}));
      model_[id] += piece;
      between_.push_back(model_);
      some.remove_prefix(piece.size());
    }
    REQUIRE_OK(appender.settle());
  }

  void put(std::int64_t id, std::string_view some, bool finishes) {
    auto writer = BlobWriter::begin(*table_, {i64(id)}, "data", BlobWriter::Rows::new_too);
    REQUIRE_OK(writer);
    while (!some.empty()) {
      const std::size_t size = std::min<std::size_t>(some.size(), 1 + random_.below(7000));
      REQUIRE_OK(writer->add(bytes_of(some.substr(0, size))));
      some.remove_prefix(size);
    }
    if (finishes) REQUIRE_OK(writer->finish());
  }

  std::string judge(const Model& before) {
    for (const io::DiskImage& image : images_->since()) {
      ++judged;
      devices::testing::PoolRig crashed(image);
      links::SessionLink link(*crashed.machine);
      auto table = Table::open(link, rig_table);
      if (!table) return "an image cannot be opened: " + table.error().words;
      if (std::string problems = problems_of(link); !problems.empty()) return "an image: " + problems;
      const bool is_old = compare(*table, before).empty();
      old_ones += is_old && before != model_ ? 1 : 0;
      const bool is_between =
          std::ranges::any_of(between_, [&](const Model& model) { return compare(*table, model).empty(); });
      between += is_between && !compare(*table, model_).empty() ? 1 : 0;
      if (const std::string differs = is_old || is_between ? std::string() : compare(*table, model_);
          !differs.empty()) {
        return "an image holds neither what was there nor what is: " + differs;
      }
      if (std::string problem = go_on(link, *table); !problem.empty()) return "an image, gone on with: " + problem;
    }
    return {};
  }

  /// What a put has left is erased by the next one, whatever that puts.
  std::string go_on(Link& link, Table& table) {
    left += stages(table);
    auto writer = BlobWriter::begin(table, {i64(0)}, "data", BlobWriter::Rows::new_too);
    if (!writer) return writer.error().words;
    if (auto done = writer->finish(); !done) return done.error().words;
    if (stages(table) != 0) return "a stage is left";
    return problems_of(link);
  }

  static std::size_t stages(Table& table) {
    const auto owners = table.opened().heap(0).stage_owners();
    REQUIRE_OK(owners);
    return owners->size();
  }

  static std::string compare(Table& table, const Model& model) {
    const std::vector<Row> rows = rows_of(table, {.along = "key"});
    if (rows.size() != model.size()) return fmt::format("{} rows, not {}", rows.size(), model.size());
    auto wanted = model.begin();
    for (const Row& row : rows) {
      const auto id = static_cast<std::int64_t>(row[0].as_signed());
      if (id != wanted->first) return fmt::format("row {} where {} should be", id, wanted->first);
      if (row[2].as_bytes() != wanted->second) {
        return fmt::format("row {} has {} other bytes than {}", id, row[2].as_bytes().size(), wanted->second.size());
      }
      ++wanted;
    }
    return {};
  }

  io::SeededRandom random_;
  devices::testing::PoolRig rig_;
  links::SessionLink link_;
  std::optional<Table> table_;
  Model model_;
  std::vector<Model> between_;  ///< what there is while a value is appended to in pieces
  std::optional<TakenImages> images_;
};

TEST_CASE("a crash leaves each long value as it was or as it is to be, whole, and nothing that is not erased") {
  std::size_t judged = 0, old_ones = 0, left = 0, between = 0;
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    CAPTURE(seed);
    CrashedBlobs blobs(seed);
    REQUIRE_EQ(blobs.run(60), "");
    judged += blobs.judged;
    old_ones += blobs.old_ones;
    left += blobs.left;
    between += blobs.between;
  }
  CHECK_GT(judged, 150);
  CHECK_GT(old_ones, 20);
  CHECK_GT(left, 5);
  CHECK_GT(between, 0);
}

}  // namespace
}  // namespace chimera::tables::testing
