#include "tables/heap.h"

#include <doctest/doctest.h>

#include <cstring>

#include "io/seeded_random.h"
#include "tests/tables/heap_rig.h"
#include "tests/tables/memory_ground.h"

namespace chimera::tables::testing {
namespace {

std::string content(io::SeededRandom& random, std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(random.next());
  return bytes;
}

/// Mostly small, now and then large.
std::size_t some_size(io::SeededRandom& random) {
  if (random.chance(30)) return 1 + random.below(20);
  if (random.chance(60)) return 1 + random.below(200);
  return 1 + random.below(random.chance(90) ? 5'000 : 200'000);
}

/// Some id of the plan.
std::uint64_t some_id(const HeapRig& rig, io::SeededRandom& random) {
  auto found = rig.planned.lower_bound(random.below(1 << 20));
  if (found == rig.planned.end()) found = rig.planned.begin();
  return found->first;
}

void do_something(HeapRig& rig, io::SeededRandom& random, unsigned new_percent) {
  if (rig.planned.empty() || random.chance(new_percent)) {
    std::uint64_t id = random.below(1 << 20);
    while (rig.planned.contains(id)) ++id;
    return rig.put(id, content(random, some_size(random)));
  }
  const std::uint64_t id = some_id(rig, random);
  switch (random.below(4)) {
    case 0: return rig.replace(id, content(random, some_size(random)));
    case 1: return rig.append(id, content(random, some_size(random)));
    case 2: {
      const std::uint64_t size = rig.planned.at(id).at.size;
      const std::uint64_t offset = random.below(size);
      return rig.write(id, offset, content(random, 1 + random.below(size - offset)));
    }
    default: return rig.erase(id);
  }
}

TEST_CASE("random batches leave what a map has, and every granule belongs to one thing") {
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    CAPTURE(seed);
    MemoryGround ground;
    io::SeededRandom random(seed);
    HeapRig rig(ground.link, create_version(ground.link, "version"), create_device(ground.link, "heap"));
    rig.create();
    for (int round = 0; round < 60; ++round) {
      const unsigned new_percent = round / 15 % 2 == 0 ? 60 : 15;
      for (std::uint64_t i = random.below(40); i-- > 0;) do_something(rig, random, new_percent);
      random.chance(85) ? rig.commit() : rig.abandon();
      rig.check();
      if (random.chance(20)) rig.heap.forget();
    }
  }
}

TEST_CASE("a heap does not grow where values are replaced by others of the same sizes") {
  MemoryGround ground;
  io::SeededRandom random(1);
  HeapRig rig(ground.link, create_version(ground.link, "version"), create_device(ground.link, "heap"));
  rig.create();
  for (std::uint64_t id = 0; id < 500; ++id) rig.put(id, content(random, 1 + random.below(3000)));
  rig.commit();
  std::uint64_t tail = 0;
  for (int round = 0; round < 60; ++round) {
    // Two that change places: what one of them leaves the other needs, a little later.
    for (int pair = 0; pair < 20; ++pair) {
      const std::uint64_t one = random.below(250), two = 250 + random.below(250);
      const std::size_t size = rig.planned.at(one).at.size;
      rig.replace(one, content(random, rig.planned.at(two).at.size));
      rig.replace(two, content(random, size));
    }
    rig.commit();
    if (round == 20) tail = rig.tail();
  }
  rig.check();
  // Lists may have become longer by a few.
  CHECK_LE(rig.tail(), tail + tail / 50);
}

TEST_CASE("a value grows by appending, reading only its directory, to as many pieces as it takes") {
  MemoryGround ground;
  io::SeededRandom random(2);
  HeapRig rig(ground.link, create_version(ground.link, "version"), create_device(ground.link, "heap"));
  rig.create();
  rig.put(1, content(random, 30));
  rig.commit();
  for (int step = 0; step < 400; ++step) {
    rig.append(1, content(random, 1 + random.below(step < 200 ? 100 : 5000)));
    if (random.chance(30)) rig.commit();
    if (random.chance(10)) rig.put(100 + static_cast<std::uint64_t>(step), content(random, 40));
  }
  rig.commit();
  rig.check();
  std::vector<HeapPart> parts;
  const HeapValue value = rig.model.at(1).at;
  CHECK(value.place.is_chained());
  REQUIRE(rig.heap.locate(value, 0, value.size, parts).has_value());
  CHECK_LE(parts.size(), 20);
  for (int step = 0; step < 200; ++step) {
    const std::uint64_t offset = random.below(value.size);
    const std::uint64_t count = random.below(value.size - offset);
    CHECK(rig.read(value, offset, count) == rig.model.at(1).content.substr(offset, count));
  }
  std::vector<std::uint8_t> bytes;
  CHECK_EQ(rig.heap.read(value, 1, value.size, bytes).error().status, Status::out_of_range);
  // Large pieces begin where blocks do, and what is left over before them is free.
  rig.put(2, content(random, 100'000));
  rig.commit();
  CHECK_EQ(rig.model.at(2).at.place.offset() % 4096, 0);
  rig.check();
  for (const auto& item : HeapRig::Model(rig.model)) rig.erase(item.first);
  rig.commit();
  rig.check();
}

TEST_CASE("a value of more bytes than a slot can say is erased by what the slot says") {
  MemoryGround ground;
  HeapRig rig(ground.link, create_version(ground.link, "version"), create_device(ground.link, "heap"));
  // Made by hand, since its bytes need not be there: 65 pieces of 64 MiB behind their directory.
  constexpr std::uint64_t parts = 65, granules = heap_largest_piece / heap_granule;
  const Place directory(heap_first_granule, heap_class_of(2048));
  const std::uint64_t first = 2 * heap_first_granule;
  HeapHeader header;
  header.tail = first + parts * granules;
  header.used = parts + 2;
  std::vector<std::uint8_t> bytes(2048);
  for (std::uint32_t i = 0; i < parts; ++i) {
    HeapDirectory::set(bytes, i, {Place(first + i * granules, heap_classes - 1), heap_largest_piece});
  }
  const HeapValue rest{Place(heap_first_granule + 128, heap_class_of(2048)), 2048};
  Script script;
  Answers answers;
  script.write_bytes(rig.device, 0, header.bytes());
  script.write_bytes(rig.device, directory.offset(), bytes);
  REQUIRE(ground.link.run(script, answers).has_value());
  const Place chained = directory.with(Place::chained_flag);
  CHECK_EQ(rig.heap.erase({chained, HeapValue::long_size - 1}).error().status, Status::corrupt);
  rig.abandon();
  rig.planned[1] = {{chained, HeapValue::long_size}, {}};
  rig.erase(1);
  rig.planned[2] = {rest, std::string(2048, '\0')};
  rig.commit();
  rig.check();
  CHECK_EQ(rig.heap.header()->used, 1);
}

TEST_CASE("a list of free pieces that overlap gives none of them away") {
  MemoryGround ground;
  HeapRig rig(ground.link, create_version(ground.link, "version"), create_device(ground.link, "heap"));
  rig.create();
  constexpr std::size_t size = 256;
  for (std::uint64_t id = 0; id < 4; ++id) rig.put(id, std::string(size, 'x'));
  rig.commit();
  const std::uint64_t first = rig.model.at(0).at.place.granule();
  for (std::uint64_t id = 0; id < 3; ++id) rig.erase(id);
  rig.commit();
  const std::uint64_t trunk = rig.heap.header()->lists[heap_class_of(size)].trunk;
  const auto refuses = [&](std::uint64_t granule, std::string_view words) {
    Script script;
    Answers answers;
    std::vector<std::uint8_t> entry(sizeof granule);
    std::memcpy(entry.data(), &granule, sizeof granule);
    script.write_bytes(rig.device, trunk * heap_granule + HeapTrunk::entry_at(1), entry);
    REQUIRE(ground.link.run(script, answers).has_value());
    rig.heap.forget();
    const auto put = rig.heap.put(bytes_of(std::string(size, 'y')));
    REQUIRE_FALSE(put.has_value());
    CHECK_EQ(put.error().status, Status::corrupt);
    CHECK_MESSAGE(put.error().words.find(words) != std::string::npos, put.error().words);
  };
  refuses(first, "within another free piece");
  refuses(first + 1, "within another free piece");
  refuses(trunk, "where it stands itself");
}

}  // namespace
}  // namespace chimera::tables::testing
