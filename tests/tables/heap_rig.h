#pragma once
// A heap and the same values in a map, changed together in committed batches.

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

#include "tables/answers.h"
#include "tables/heap.h"
#include "tables/heap_check.h"
#include "tests/tables/memory_ground.h"

namespace chimera::tables::testing {

class HeapRig {
 public:
  struct Value {
    HeapValue at;
    std::string content;
  };
  using Model = std::map<std::uint64_t, Value>;

  HeapRig(Link& used, const Version& at, const Uuid& on)
      : link(used), version(at), device(on), heap(link, version, device, "the heap") {}

  void create() {
    Script script;
    Answers answers;
    Heap::create(script, device);
    const auto done = link.run(script, answers);
    REQUIRE_MESSAGE(done.has_value(), words_of(done));
  }

  void put(std::uint64_t id, const std::string& content) {
    const auto place = heap.put(bytes_of(content));
    REQUIRE_MESSAGE(place.has_value(), words_of(place));
    planned[id] = {{*place, content.size()}, content};
  }
  void replace(std::uint64_t id, const std::string& content) {
    Value& value = planned.at(id);
    const auto place = heap.replace(value.at, bytes_of(content));
    REQUIRE_MESSAGE(place.has_value(), words_of(place));
    value = {{*place, content.size()}, content};
  }
  void append(std::uint64_t id, const std::string& more) {
    Value& value = planned.at(id);
    const auto longer = heap.append(value.at, bytes_of(more));
    REQUIRE_MESSAGE(longer.has_value(), words_of(longer));
    value = {*longer, value.content + more};
    CHECK_EQ(value.at.size, value.content.size());
  }
  void write(std::uint64_t id, std::uint64_t offset, const std::string& bytes) {
    Value& value = planned.at(id);
    const auto done = heap.write(value.at, offset, bytes_of(bytes));
    REQUIRE_MESSAGE(done.has_value(), words_of(done));
    value.content.replace(offset, bytes.size(), bytes);
  }
  void erase(std::uint64_t id) {
    const auto done = heap.erase(planned.at(id).at);
    REQUIRE_MESSAGE(done.has_value(), words_of(done));
    planned.erase(id);
  }
  void commit() {
    Script script;
    Answers answers;
    script.begin();
    version.check(script);
    heap.emit(script);
    version.change(script, version.number + 1);
    script.commit();
    const auto done = link.run(script, answers);
    REQUIRE_MESSAGE(done.has_value(), words_of(done));
    ++version.number;
    heap.keep();
    model = planned;
  }
  void abandon() {
    heap.abandon();
    planned = model;
  }

  [[nodiscard]] std::string read(const HeapValue& value, std::uint64_t offset, std::uint64_t count) {
    std::vector<std::uint8_t> bytes;
    const auto done = heap.read(value, offset, count, bytes);
    REQUIRE_MESSAGE(done.has_value(), words_of(done));
    return text_of(bytes);
  }
  /// Every value reads as it is, and every granule belongs to one.
  void check() {
    for (const auto& [id, value] : model) {
      const bool same = read(value.at, 0, value.at.size) == value.content;
      REQUIRE_MESSAGE(same, "value " << id);
    }
    std::vector<std::string> problems;
    HeapCheck checker(link, version, device, "the heap", [&](std::string words) { problems.push_back(words); });
    REQUIRE(checker.begin().has_value());
    for (const auto& item : model) {
      const auto done = checker.value(item.second.at);
      REQUIRE_MESSAGE(done.has_value(), words_of(done));
    }
    REQUIRE(checker.finish().has_value());
    REQUIRE_MESSAGE(problems.empty(), problems.front());
  }
  [[nodiscard]] std::uint64_t tail() {
    const auto header = heap.header();
    REQUIRE_MESSAGE(header.has_value(), words_of(header));
    return header->tail;
  }

  Link& link;
  Version version;
  Uuid device;
  Heap heap;
  Model model;    ///< what is committed
  Model planned;  ///< what is to be
};

}  // namespace chimera::tables::testing
