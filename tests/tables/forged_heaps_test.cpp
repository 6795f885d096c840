// Heaps whose parts are each right but do not belong together: what a change and what the checker say of each.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstring>
#include <string>
#include <vector>

#include "tables/heap.h"
#include "tables/heap_check.h"
#include "tables/heap_directory.h"
#include "tests/tables/heap_rig.h"
#include "tests/tables/memory_ground.h"

namespace chimera::tables::testing {
namespace {

constexpr unsigned of_256 = heap_class_of(256);
constexpr std::uint64_t chained_id = 3;

struct HeapGround {
  MemoryGround ground;
};

/// Three values of 256 bytes, of which one is gone, and one in two parts.
struct ForgedHeap : HeapGround, HeapRig {
  ForgedHeap() : HeapRig(ground.link, create_version(ground.link, "version"), create_device(ground.link, "heap")) {
    create();
    for (std::uint64_t id = 0; id < 3; ++id) put(id, std::string(256, 'x'));
    put(chained_id, std::string(16, 'y'));
    commit();
    append(chained_id, std::string(100, 'y'));
    erase(0);
    commit();
    check();
    header = *heap.header();
  }
  [[nodiscard]] HeapValue at(std::uint64_t id) const { return model.at(id).at; }
  [[nodiscard]] std::uint64_t trunk() const { return header.lists[of_256].trunk; }
  void put_bytes(std::uint64_t offset, std::span<const std::uint8_t> bytes) {
    Script script;
    Answers answers;
    script.write_bytes(device, offset, bytes);
    REQUIRE(ground.link.run(script, answers).has_value());
    heap.forget();
  }
  void put_number(std::uint64_t offset, std::uint64_t number) {
    put_bytes(offset, {reinterpret_cast<const std::uint8_t*>(&number), sizeof number});
  }
  void put_header() { put_bytes(0, header.bytes()); }
  std::string reading(const HeapValue& value, std::uint64_t offset = 0, std::uint64_t count = 1) {
    static_cast<void>(heap.header());  // who only reads may do without, and looks at less
    std::vector<std::uint8_t> bytes;
    return ending(heap.read(value, offset, count, bytes));
  }
  std::string putting(std::size_t size) { return ending(heap.put(std::vector<std::uint8_t>(size))); }
  /// The clause of a failure, or the status of one that is no damage.
  template <typename Value>
  std::string ending(const Result<Value>& result) {
    if (result) return "done";
    if (result.error().status != Status::corrupt) return std::string(status_text(result.error().status));
    const std::string& words = result.error().words;
    CHECK(words.starts_with("\"the heap\" is damaged: what is at granule "));
    return words.substr(words.find("be used, ") + 9, words.size() - words.find("be used, ") - 10);
  }
  std::string problems(const std::vector<HeapValue>& values) {
    std::string all;
    HeapCheck checker(link, version, device, "the heap", [&](const std::string& words) {
      CHECK(words.starts_with("\"the heap\" is damaged: what is at granule "));
      all += words.substr(words.find("be used, ") + 9) + "\n";
    });
    REQUIRE(checker.begin().has_value());
    for (const HeapValue& value : values) REQUIRE(checker.value(value).has_value());
    REQUIRE(checker.finish().has_value());
    return all;
  }

  HeapHeader header;
};

TEST_CASE("a heap does not follow a forged place, size or list, and says so each time") {
  ForgedHeap of;
  const HeapValue value = of.at(1), chained = of.at(chained_id);
  const auto with_class = [](Place place, unsigned size_class) {
    return Place(place.granule(), size_class).with(Place::chained_flag);
  };
  CHECK_EQ(of.reading(value, 0, 256), "done");
  SUBCASE("places and sizes") {
    CHECK_EQ(of.reading({value.place, 0}, 0, 0), "0 bytes in a piece of 256");
    CHECK_EQ(of.reading({value.place, 257}), "257 bytes in a piece of 256");
    CHECK_EQ(of.reading(value, 257, 0), status_text(Status::out_of_range));
    CHECK_EQ(of.reading(value, 257, 1), status_text(Status::out_of_range));
    CHECK_EQ(of.reading(value, 256, 1), status_text(Status::out_of_range));
    const Place last(of.header.tail - 15, of_256), unsound(value.place.raw() | std::uint64_t{1} << 50);
    CHECK_EQ(of.reading({last, 256}), fmt::format("there is no piece 0x{:x}", last.raw()));
    CHECK_EQ(of.reading({unsound, 256}), fmt::format("there is no piece 0x{:x}", unsound.raw()));
    CHECK_EQ(of.ending(of.heap.erase({last, 256})), fmt::format("there is no piece 0x{:x}", last.raw()));
  }
  SUBCASE("what is no directory") {
    of.put(9, std::string(2 << 20, 'z'));
    of.commit();
    CHECK_EQ(of.reading({with_class(of.at(9).place, heap_class_of(2 << 20)), 100}), "a directory has no 2097152 bytes");
    CHECK_EQ(of.reading({with_class(value.place, 0), 100}), "a directory has no 16 bytes");
    CHECK_EQ(of.reading(chained), "done");
    CHECK_EQ(of.reading({with_class(chained.place, 3), chained.size}), "two things are there");
    CHECK_EQ(of.ending(of.heap.erase(value)), "done");  // reads the list
    CHECK_EQ(of.reading({Place(of.trunk(), heap_class_of(HeapTrunk::size)).with(Place::chained_flag), 100}),
             "two things are there");
  }
  SUBCASE("a directory that is damaged stays so") {
    of.put_number(chained.place.offset(), 100);
    for (int time = 0; time < 2; ++time) {
      CHECK_EQ(of.reading({chained.place, 100}), "it says 100 bytes, its parts have 116");
    }
    of.put_number(chained.place.offset(), 116);
    CHECK_EQ(of.reading({chained.place, 100}), "it has 116 bytes, not 100");
    CHECK_EQ(of.reading({chained.place, HeapValue::long_size}), "it has 116 bytes, not 4294967294");
  }
  SUBCASE("a part behind the end, which was looked at while that was to move") {
    const Place part(of.header.tail + 100, heap_class_of(128));
    of.put_number(chained.place.offset() + HeapDirectory::front + HeapDirectory::entry_size, part.raw());
    CHECK_EQ(of.reading(chained), fmt::format("its part 1 is at 0x{:x}", part.raw()));
    CHECK_EQ(of.putting(4000), "done");
    CHECK_EQ(of.reading(chained), "done");
    of.heap.abandon();
    CHECK_EQ(of.ending(of.heap.erase(chained)), fmt::format("there is no piece 0x{:x}", part.raw()));
  }
  SUBCASE("a directory behind the device's end") {
    of.header.tail += 1 << 20;
    of.put_header();
    const Place beyond(of.header.tail - 8, heap_class_of(128));
    CHECK_EQ(of.reading({beyond.with(Place::chained_flag), 100}), "the device ends before it does");
  }
  SUBCASE("free pieces that are none") {
    // The list of one class has become that of two, and what it lists is a directory.
    const std::uint64_t trunk = of.trunk();
    const unsigned size_class = heap_class_of(128);
    of.header.lists[size_class] = of.header.lists[of_256];
    of.put_header();
    of.put_number(trunk * heap_granule + HeapTrunk::count_at, std::uint64_t{size_class} << 32 | 1);
    of.put_number(trunk * heap_granule + HeapTrunk::entry_at(0), chained.place.granule());
    CHECK_EQ(of.reading(chained), "done");
    CHECK_EQ(of.ending(of.heap.append(value, std::vector<std::uint8_t>(1))), "two things are there");
    of.heap.abandon();
    CHECK_EQ(of.putting(128), "done");
    CHECK_EQ(of.putting(256), "it lists pieces of another size");
  }
  SUBCASE("a list that is damaged stays so") {
    of.put_number(of.trunk() * heap_granule + HeapTrunk::entry_at(0), 5);
    for (int time = 0; time < 2; ++time) {
      CHECK_EQ(of.putting(256), fmt::format("it lists granule 5 of {}", of.header.tail));
    }
  }
  SUBCASE("counts") {
    of.header.lists[of_256].free = 2;
    of.put_header();
    CHECK_EQ(of.putting(256), "done");
    CHECK_EQ(of.putting(256), "it counts more free pieces than are listed");
    of.header.lists[of_256].free = 1;
    of.header.used = 0;
    of.put_header();
    CHECK_EQ(of.ending(of.heap.erase(value)), "it counts fewer pieces than there are");
  }
  SUBCASE("a heap that is full") {
    of.header.tail = Place::most_granules - 1;
    of.put_header();
    CHECK_EQ(of.putting(16), "done");
    CHECK_EQ(of.putting(16), status_text(Status::no_space));
  }
  SUBCASE("a value of as many pieces as there may be") {
    constexpr std::uint32_t most = (HeapDirectory::largest_piece - HeapDirectory::front) / HeapDirectory::entry_size;
    std::vector<std::uint8_t> directory(HeapDirectory::largest_piece);
    of.put(9, std::string(directory.size(), 'z'));
    of.commit();
    for (std::uint32_t i = 0; i < most; ++i) HeapDirectory::set(directory, i, {Place(300, 0), 16});
    of.put_bytes(of.at(9).place.offset(), directory);
    const HeapValue value_of_most{of.at(9).place.with(Place::chained_flag), std::uint64_t{most} * 16};
    CHECK_EQ(of.ending(of.heap.append(value_of_most, std::vector<std::uint8_t>(1))), status_text(Status::too_large));
  }
}

TEST_CASE("what the checker of heaps tells, and nothing else") {
  ForgedHeap of;
  std::vector<HeapValue> values{of.at(1), of.at(2), of.at(chained_id)};
  const auto told = [&](const std::string& words) { CHECK_EQ(of.problems(values), words); };
  const std::string lost = "256 bytes belong to nobody and are not free.\n";
  told("");
  SUBCASE("counts") {
    of.header.lists[of_256].free = 2;
    ++of.header.used;
    of.put_header();
    told("it counts 2 free pieces of 256 bytes, but 1 are listed.\nit counts 6 pieces, but there are 5.\n");
  }
  SUBCASE("a value that nobody owns, and one that two do") {
    values[0] = values[1];
    told("a value lies where something else does.\n" + lost);
  }
  SUBCASE("places that cannot be") {
    values[0].place = Place(of.header.tail - 15, of_256);
    told(fmt::format("there is no piece 0x{:x}.\n{}it counts 5 pieces, but there are 4.\n", values[0].place.raw(),
                     lost));
    values[0].place = Place(of.at(1).place.raw() | std::uint64_t{1} << 50);
    told(fmt::format("there is no piece 0x{:x}.\n{}it counts 5 pieces, but there are 4.\n", values[0].place.raw(),
                     lost));
  }
  SUBCASE("sizes") {
    values[0].size = 0;
    values[1].size = 257;
    values[2].size = 115;
    told("0 bytes in a piece of 256.\n257 bytes in a piece of 256.\nit has 116 bytes, not 115.\n");
  }
  SUBCASE("a directory whose parts do not add up") {
    of.put_number(of.at(chained_id).place.offset(), 100);
    values[2].size = 100;
    CHECK(of.problems(values).starts_with("it says 100 bytes, its parts have 116.\n"));
  }
  SUBCASE("a directory that is too large") {
    of.put(9, std::string(2 << 20, 'z'));
    of.commit();
    of.header = *of.heap.header();
    values.push_back({of.at(9).place.with(Place::chained_flag), 100});
    told("a directory is not so large.\n");
  }
  SUBCASE("a header that is none: nothing else is said of it") {
    of.put_number(0, 1);
    told("it does not begin as a heap does.\n");
  }
}

}  // namespace
}  // namespace chimera::tables::testing
