#pragma once
// A B+tree and the same entries in a map, changed together in committed batches.

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

#include "tables/answers.h"
#include "tables/btree.h"
#include "tables/btree_check.h"
#include "tables/version.h"
#include "tests/tables/memory_ground.h"

namespace chimera::tables::testing {

class TreeRig {
 public:
  using Map = std::map<std::string, std::string>;

  TreeRig(Link& used, const Version& at, const Uuid& on, BTree::Shape shape, std::size_t cached = 4096)
      : link(used), version(at), device(on), tree(link, version, device, "the tree", cached) {
    Script script;
    Answers answers;
    BTree::create(script, device, shape);
    const auto done = link.run(script, answers);
    REQUIRE_MESSAGE(done.has_value(), words_of(done));
  }

  /// Commits what is planned.
  void commit() {
    Script script;
    Answers answers;
    script.begin();
    version.check(script);
    tree.emit(script);
    version.change(script, version.number + 1);
    script.commit();
    const auto done = link.run(script, answers);
    REQUIRE_MESSAGE(done.has_value(), words_of(done));
    ++version.number;
    tree.keep();
  }
  void put(const Map& batch) {
    const auto done = tree.put(entries_of(batch));
    REQUIRE_MESSAGE(done.has_value(), words_of(done));
    for (const auto& [key, value] : batch) model[key] = value;
    commit();
  }
  void erase(const Map& batch) {
    const auto done = tree.erase(entries_of(batch));
    REQUIRE_MESSAGE(done.has_value(), words_of(done));
    for (const auto& item : batch) model.erase(item.first);
    commit();
  }
  [[nodiscard]] static std::vector<BTree::Entry> entries_of(const Map& batch) {
    std::vector<BTree::Entry> entries;
    for (const auto& [key, value] : batch) entries.push_back({bytes_of(key), bytes_of(value)});
    return entries;
  }
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> range(const BTree::Range& wanted,
                                                                       std::size_t limit = 1 << 20) {
    Entries found;
    const auto done = tree.range(wanted, limit, found);
    REQUIRE_MESSAGE(done.has_value(), words_of(done));
    std::vector<std::pair<std::string, std::string>> items;
    for (std::size_t i = 0; i < found.size(); ++i) items.emplace_back(text_of(found.key(i)), text_of(found.value(i)));
    return items;
  }
  void compare() {
    const auto all = range({});
    REQUIRE_EQ(all.size(), model.size());
    CHECK(std::equal(all.begin(), all.end(), model.begin(),
                     [](const auto& a, const auto& b) { return a.first == b.first && a.second == b.second; }));
    const auto size = tree.size();
    REQUIRE(size.has_value());
    CHECK_EQ(*size, model.size());
  }
  /// What the checker finds wrong, a line each.
  [[nodiscard]] std::vector<std::string> problems() {
    std::vector<std::string> found;
    const auto done = check_btree(link, version, device, "the tree",
                                  {[&](std::string words) { found.push_back(std::move(words)); }, {}});
    REQUIRE_MESSAGE(done.has_value(), words_of(done));
    return found;
  }
  /// What is on the device is whole, and is the model.
  void check() {
    std::vector<std::string> found;
    auto expected = model.begin();
    bool same = true;
    const auto entry = [&](const BTreeEntry& one) {
      same = same && expected != model.end() && text_of(one.key) == expected->first &&
             text_of(one.value) == expected->second;
      if (same) ++expected;
    };
    const auto done = check_btree(link, version, device, "the tree",
                                  {[&](std::string words) { found.push_back(std::move(words)); }, entry});
    REQUIRE_MESSAGE(done.has_value(), words_of(done));
    REQUIRE_MESSAGE(found.empty(), found.front());
    REQUIRE(same);
    REQUIRE(expected == model.end());
  }

  Link& link;
  Version version;
  Uuid device;
  BTree tree;
  Map model;
};

}  // namespace chimera::tables::testing
