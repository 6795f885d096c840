// Crashes under collections: two sessions change a map and a queue on a simulated disk; the images that a crash may
// leave hold what has been answered, and all or nothing of the operation under way.

#include <doctest/doctest.h>

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "tables/collections/map.h"
#include "tables/collections/sequence.h"
#include "tests/devices/pool_rig.h"
#include "tests/tables/table_rig.h"
#include "tests/tables/taken_images.h"

namespace chimera::tables::testing {
namespace {

constexpr const char* map_name = "test/main/map";
constexpr const char* queue_name = "test/main/queue";

using SavedMap = Map<std::string, std::int64_t>;
using SavedQueue = Queue<std::string>;

struct CollectionsModel {
  std::map<std::string, std::int64_t> map;
  std::deque<std::string> queue;

  bool operator==(const CollectionsModel&) const = default;
};

/// A session that has both open.
struct CollectionsUser {
  CollectionsUser(vm::Machine& machine, std::uint64_t seed) : link(machine) {
    link.next_version = seed;
    auto opened_map = SavedMap::open(link, map_name);
    REQUIRE_OK(opened_map);
    map.emplace(std::move(*opened_map));
    auto opened_queue = SavedQueue::open(link, queue_name);
    REQUIRE_OK(opened_queue);
    queue.emplace(std::move(*opened_queue));
  }

  CollectionsModel contents() {
    CollectionsModel all;
    REQUIRE_OK(map->for_each([&](const std::string& key, std::int64_t value) { return all.map[key] = value, true; }));
    REQUIRE_OK(queue->for_each([&](const std::string& element) { return all.queue.push_back(element), true; }));
    return all;
  }

  links::SessionLink link;
  std::optional<SavedMap> map;
  std::optional<SavedQueue> queue;
};

class CrashedCollections {
 public:
  explicit CrashedCollections(std::uint64_t seed)
      : random_(seed),
        rig_(devices::smallest_store_blocks, seed),
        users_{{*rig_.machine, seed << 32}, {*rig_.machine, seed << 48}} {
    images_.emplace(rig_.disk, random_);
  }

  void run(std::size_t steps) {
    for (std::size_t step = 0; step < steps; ++step) {
      CAPTURE(step);
      const CollectionsModel before = model_;
      if (random_.chance(10)) rig_.pool().blocks().want_checkpoint();
      change(users_[random_.below(2)]);
      judge(before);
    }
    CHECK(users_[random_.below(2)].contents() == model_);
  }
  std::size_t judged = 0, old = 0;

 private:
  std::string text() { return std::string(random_.below(4) == 0 ? 500 : 5, 'a') + std::to_string(random_.below(20)); }

  void change(CollectionsUser& user) {
    const std::string key = text();
    const auto value = static_cast<std::int64_t>(random_.below(1000));
    switch (random_.below(6)) {
      case 0:
        REQUIRE_OK(user.map->put(key, value));
        model_.map[key] = value;
        break;
      case 1:
        REQUIRE_OK(user.map->put({{key, value}, {"same", value + 1}, {"z" + key, value + 2}}));
        model_.map[key] = value;
        model_.map["same"] = value + 1;
        model_.map["z" + key] = value + 2;
        break;
      case 2: {
        const std::string first = model_.map.empty() ? key : model_.map.begin()->first;
        const auto removed = user.map->remove(first);
        REQUIRE_OK(removed);
        REQUIRE_EQ(*removed, model_.map.erase(first) == 1);
        break;
      }
      case 3: {
        std::vector<std::string> some(1 + random_.below(4));
        for (std::string& one : some) model_.queue.push_back(one = text());
        REQUIRE_OK(user.queue->push(some));
        break;
      }
      default: {
        const auto popped = user.queue->pop();
        REQUIRE_OK(popped);
        REQUIRE(*popped == (model_.queue.empty() ? std::nullopt : std::optional(model_.queue.front())));
        if (!model_.queue.empty()) model_.queue.pop_front();
      }
    }
  }

  void judge(const CollectionsModel& before) {
    for (const io::DiskImage& image : images_->since()) {
      ++judged;
      devices::testing::PoolRig crashed(image);
      CollectionsUser user(*crashed.machine, 1);
      const CollectionsModel found = user.contents();
      const bool is_old = found == before;
      old += is_old && !(before == model_) ? 1 : 0;
      REQUIRE((is_old || found == model_));
      REQUIRE_EQ(problems_of(user.link, map_name), "");
      REQUIRE_EQ(problems_of(user.link, queue_name), "");
    }
  }

  io::SeededRandom random_;
  devices::testing::PoolRig rig_;
  CollectionsUser users_[2];
  CollectionsModel model_;
  std::optional<TakenImages> images_;
};

TEST_CASE("a crash leaves whole operations of maps and queues") {
  std::size_t judged = 0, old = 0;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    CAPTURE(seed);
    CrashedCollections collections(seed);
    collections.run(80);
    judged += collections.judged;
    old += collections.old;
  }
  CHECK_GT(judged, 50);
  CHECK_GT(old, 5);
  CHECK_GT(judged, old);
}

}  // namespace
}  // namespace chimera::tables::testing
