// Collections against those of the standard library, in a store's memory and through a server, with two sessions that
// have each of them open.

#include <doctest/doctest.h>

#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "links/remote_link.h"
#include "tables/collections/counter.h"
#include "tables/collections/map.h"
#include "tables/collections/sequence.h"
#include "tables/collections/set.h"
#include "tests/server/running.h"
#include "tests/tables/memory_ground.h"
#include "tests/tables/table_rig.h"

namespace chimera::tables::testing {
namespace {

using Random = std::mt19937_64;
constexpr const char* place = "test/main/collection";

/// The same collection twice, each with a session and a memory of its own: in this process, and in another turn of the
/// test through a server.
template <typename T>
struct Two {
  Two() {
    SUBCASE("embedded") {
      ground = std::make_unique<MemoryGround>();
      for (auto& link : links) link = std::make_unique<links::SessionLink>(ground->machine);
    }
    SUBCASE("through a server") {
      server = std::make_unique<server::testing::RunningServer>(
          server::testing::RunningServer::Setup{.kind = io::LoopKind::posix});
      for (auto& link : links) link = std::move(*links::RemoteLink::connect(to_string(server->address())));
    }
    for (auto& link : links) {
      if (link) both.push_back(open(*link));
    }
  }

  T& any(Random& random) { return both[random() % 2]; }

  std::unique_ptr<MemoryGround> ground;
  std::unique_ptr<server::testing::RunningServer> server;
  std::unique_ptr<Link> links[2];
  std::vector<T> both;

 private:
  static T open(Link& link) {
    auto opened = T::open(link, place);
    REQUIRE_OK(opened);
    return std::move(*opened);
  }
};

template <typename T>
T good(Result<T> result) {
  REQUIRE_OK(result);
  return std::move(*result);
}

std::string random_text(Random& random) {
  return std::string(random() % 3 * random() % 40, 'a') + std::to_string(random() % 30);
}

}  // namespace

TEST_CASE("a map is one of the standard library, for whoever has it open") {
  Two<Map<std::string, std::int64_t>> maps;
  std::map<std::string, std::int64_t> model;
  Random random{1};
  for (int turn = 0; turn < 1500; ++turn) {
    CAPTURE(turn);
    auto& map = maps.any(random);
    const std::string key = random_text(random);
    const auto value = static_cast<std::int64_t>(random());
    switch (random() % 8) {
      case 0:
        REQUIRE_OK(map.put(key, value));
        model[key] = value;
        break;
      case 1: REQUIRE(good(map.remove(key)) == (model.erase(key) == 1)); break;
      case 2: REQUIRE(good(map.put_if_absent(key, value)) == model.try_emplace(key, value).second); break;
      case 3:
        // Adds to what is there, or removes what is odd.
        REQUIRE_OK(map.update(key, [&](std::optional<std::int64_t> before) -> std::optional<std::int64_t> {
          if (before && *before % 2 != 0) return std::nullopt;
          return before ? *before / 2 : value;
        }));
        if (const auto found = model.find(key); found == model.end()) {
          model[key] = value;
        } else if (found->second % 2 != 0) {
          model.erase(found);
        } else {
          found->second /= 2;
        }
        break;
      case 4:
        REQUIRE_OK(map.put({{key, 1}, {"same", 2}, {"same", 3}}));
        model[key] = 1;
        model["same"] = 3;
        break;
      case 5: {
        const auto found = model.find(key);
        REQUIRE(good(map.get(key)) == (found == model.end() ? std::nullopt : std::optional(found->second)));
        REQUIRE(good(map.contains(key)) == (found != model.end()));
        break;
      }
      case 6: {
        std::vector<std::pair<std::string, std::int64_t>> seen;
        REQUIRE_OK(map.for_each([&](const std::string& k, std::int64_t v) { return seen.emplace_back(k, v), true; }));
        REQUIRE(seen == std::vector<std::pair<std::string, std::int64_t>>(model.begin(), model.end()));
        REQUIRE(good(map.size()) == model.size());
        break;
      }
      default: {
        const auto last = good(map.end(End::last));
        REQUIRE(last.has_value() == !model.empty());
        if (last) REQUIRE((last->first == model.rbegin()->first && last->second == model.rbegin()->second));
      }
    }
    if (random() % 500 == 0) {
      REQUIRE_OK(map.clear());
      model.clear();
    }
  }
}

TEST_CASE("a set is one of the standard library") {
  Two<Set<std::int32_t>> sets;
  std::set<std::int32_t> model;
  Random random{2};
  for (int turn = 0; turn < 800; ++turn) {
    auto& set = sets.any(random);
    const auto element = static_cast<std::int32_t>(random() % 50) - 25;
    switch (random() % 5) {
      case 0: REQUIRE(good(set.add(element)) == model.insert(element).second); break;
      case 1: REQUIRE(good(set.remove(element)) == (model.erase(element) == 1)); break;
      case 2: REQUIRE(good(set.contains(element)) == model.contains(element)); break;
      case 3:
        REQUIRE_OK(set.add(std::vector{element, element + 1, element}));
        model.insert({element, element + 1});
        break;
      default: {
        std::vector<std::int32_t> seen;
        REQUIRE_OK(set.for_each([&](std::int32_t e) { return seen.push_back(e), true; }, End::last));
        REQUIRE(seen == std::vector<std::int32_t>(model.rbegin(), model.rend()));
        const auto first = good(set.end(End::first));
        REQUIRE(first == (model.empty() ? std::nullopt : std::optional(*model.begin())));
      }
    }
  }
}

TEST_CASE("a list is a vector") {
  Two<List<std::string>> lists;
  std::vector<std::string> model;
  Random random{3};
  for (int turn = 0; turn < 800; ++turn) {
    auto& list = lists.any(random);
    const std::string text = random_text(random);
    const std::uint64_t at = random() % 20;
    switch (random() % 5) {
      case 0:
        REQUIRE_OK(list.push(text));
        model.push_back(text);
        break;
      case 1: {
        const auto popped = good(list.pop());
        REQUIRE(popped == (model.empty() ? std::nullopt : std::optional(model.back())));
        if (popped) model.pop_back();
        break;
      }
      case 2: REQUIRE(good(list.get(at)) == (at < model.size() ? std::optional(model[at]) : std::nullopt)); break;
      case 3:
        REQUIRE(good(list.set(at, text)) == (at < model.size()));
        if (at < model.size()) model[at] = text;
        break;
      default: {
        std::vector<std::string> seen;
        REQUIRE_OK(list.for_each([&](const std::string& e) { return seen.push_back(e), true; }));
        REQUIRE(seen == model);
        REQUIRE(good(list.size()) == model.size());
      }
    }
  }
}

TEST_CASE("what is pushed to a queue is popped once, in its order") {
  Two<Queue<std::uint64_t>> queues;
  std::deque<std::uint64_t> model;
  Random random{4};
  std::uint64_t next = 0;
  for (int turn = 0; turn < 1500; ++turn) {
    auto& queue = queues.any(random);
    if (random() % 3 == 0) {
      std::vector<std::uint64_t> some(1 + random() % 3);
      for (auto& one : some) model.push_back(one = next++);
      REQUIRE_OK(queue.push(some));
    }
    REQUIRE(good(queue.front()) == (model.empty() ? std::nullopt : std::optional(model.front())));
    REQUIRE(good(queue.pop()) == (model.empty() ? std::nullopt : std::optional(model.front())));
    if (!model.empty()) model.pop_front();
  }
}

TEST_CASE("more is pushed at once than one transaction takes") {
  MemoryGround ground;
  auto list = good(List<std::uint64_t>::open(ground.link, place));
  std::vector<std::uint64_t> many(3000);
  for (std::size_t i = 0; i < many.size(); ++i) many[i] = i * i;
  REQUIRE_OK(list.push(many));
  CHECK(good(list.size()) == 3000);
  CHECK(good(list.get(2999)) == 2999ull * 2999);
}

TEST_CASE("counters add up, and do not overflow") {
  Two<Counter<std::string>> counters;
  for (int turn = 0; turn < 100; ++turn) {
    CHECK(good(counters.both[turn % 2].add("a", 3)) == 3 * (turn + 1));
  }
  CHECK(good(counters.both[0].number("a")) == 300);
  CHECK(good(counters.both[0].number("b")) == 0);
  CHECK(good(counters.both[1].add("b", std::numeric_limits<std::int64_t>::min())) ==
        std::numeric_limits<std::int64_t>::min());
  const auto over = counters.both[0].add("b", -1);
  REQUIRE_FALSE(over);
  CHECK(over.error().status == Status::out_of_range);
  CHECK(good(counters.both[0].number("b")) == std::numeric_limits<std::int64_t>::min());
  CHECK(good(counters.both[0].remove("b")));
  CHECK_FALSE(good(counters.both[1].remove("b")));
  std::string seen;
  REQUIRE_OK(counters.both[1].for_each(
      [&](const std::string& key, std::int64_t number) { return seen += key + std::to_string(number), true; }));
  CHECK(seen == "a300");
}

TEST_CASE("elements of every type") {
  MemoryGround ground;
  auto bools = good(Map<bool, double>::open(ground.link, "test/main/bools"));
  REQUIRE_OK(bools.put(true, 0.5));
  CHECK(good(bools.get(true)) == 0.5);
  auto bytes = good(Map<float, std::vector<std::uint8_t>>::open(ground.link, "test/main/bytes"));
  REQUIRE_OK(bytes.put(1.5f, {0, 255, 0}));
  CHECK(good(bytes.get(1.5f)) == std::vector<std::uint8_t>{0, 255, 0});
  auto values = good(Map<std::uint8_t, types::Value>::open(ground.link, "test/main/values"));
  const types::Value value = types::Value::array({types::Value::string("x"), types::Value()});
  REQUIRE_OK(values.put(7, value));
  CHECK(good(values.get(7)) == value);
  const auto bad = values.put(7, types::Value::string("\xFF"));
  REQUIRE_FALSE(bad);
  CHECK(bad.error().status == Status::bad_text);
}

TEST_CASE("a collection is not taken for another one") {
  MemoryGround ground;
  const auto map = Map<std::string, std::int64_t>::open(ground.link, place);
  REQUIRE_OK(map);
  const auto other = Map<std::string, std::uint64_t>::open(ground.link, place);
  REQUIRE_FALSE(other);
  CHECK(other.error().status == Status::mismatch);
  CHECK(other.error().words.starts_with("test/main/collection has other columns than this collection:\nrelation "));
  CHECK(Set<std::string>::open(ground.link, "no name").error().status == Status::bad_text);
}

}  // namespace chimera::tables::testing
