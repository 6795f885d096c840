#include "io/simulated_disk.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "tests/io/scratch.h"

using namespace chimera::io;
using namespace chimera::io::testing;

namespace {

constexpr std::size_t sectors = DiskImage::sectors_per_block;
using Kind = DiskRequest::Kind;
using Effect = Fault::Effect;

/// The first byte of each sector: what the tests tell versions apart by.
std::string fingerprint(const DiskImage& image) {
  std::string text;
  std::array<std::byte, DiskImage::sector_size> bytes{};
  for (std::uint64_t sector = 0; sector < image.block_count() * sectors; ++sector) {
    image.read_sector(sector, bytes);
    text += static_cast<char>(bytes[0]);
    if (std::ranges::count(bytes, bytes[0]) != 512) FAIL("a sector is torn");
  }
  return text;
}

/// Of every byte.
std::size_t hash_of(const DiskImage& image) {
  std::string bytes(image.block_count() * DiskImage::block_size, '\0');
  for (std::uint64_t block = 0; block < image.block_count(); ++block) {
    std::byte* const place = reinterpret_cast<std::byte*>(bytes.data()) + block * DiskImage::block_size;
    image.read_block(block, std::span<std::byte, DiskImage::block_size>(place, DiskImage::block_size));
  }
  return std::hash<std::string>()(bytes);
}

std::set<std::string> all_fingerprints(const CrashImages& images) {
  std::set<std::string> found;
  for (std::size_t i = 0; i < images.size(); ++i) found.insert(fingerprint(images.at(i)));
  return found;
}

/// Every string that takes one of the given letters at each place.
std::set<std::string> every_choice(const std::vector<std::string>& letters) {
  std::set<std::string> found{""};
  for (const std::string& at_place : letters) {
    std::set<std::string> longer;
    for (const std::string& start : found) {
      for (const char letter : at_place) longer.insert(start + letter);
    }
    found = longer;
  }
  return found;
}

struct Rig {
  SimulatedLoop loop;
  SimulatedDisk disk;
  Blocks memory{8};
  Rig(std::uint64_t seed, std::uint64_t block_count) : loop(seed), disk(loop, block_count) {}
  int write(std::uint64_t block, char value) {
    memory.fill(7, static_cast<unsigned>(value));
    return transfer(loop, disk, Kind::write, block, {memory.at(7)});
  }
  int flush() { return transfer(loop, disk, Kind::flush, 0); }
  char read(std::uint64_t block) {
    REQUIRE(transfer(loop, disk, Kind::read, block, {memory.at(6)}) == 0);
    return static_cast<char>(*memory.at(6));
  }
};

}  // namespace

TEST_CASE("images share what they have in common and compare by content") {
  DiskImage image(1ull << 32);  // 16 TiB
  std::array<std::byte, 4096> bytes{};
  bytes.fill(std::byte{7});
  image.write_block((1ull << 32) - 1, bytes);
  image.write_block(100, bytes);
  DiskImage copy = image;
  CHECK(copy == image);
  copy.flip_bit(100, 12'345);
  CHECK(!(copy == image));
  copy.flip_bit(100, 12'345);
  CHECK(copy == image);
  copy.resize(101);
  CHECK(!(copy == image));
  copy.resize(100);
  copy.resize(1ull << 32);
  copy.read_block(100, bytes);
  CHECK(std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{0}; }));
  image.read_block(100, bytes);
  CHECK(bytes[4095] == std::byte{7});
  bytes.fill(std::byte{0});
  DiskImage zeros(8);
  zeros.write_block(3, bytes);
  CHECK(zeros == DiskImage(8));
}

TEST_CASE("what has been written is read; a read does not show before it has finished; outside is EIO") {
  Rig rig(1, 4);
  CHECK(rig.write(2, 'a') == 0);
  CHECK(rig.read(2) == 'a');
  Request read(Kind::read, 2, {rig.memory.at(0)});
  rig.disk.start(read);
  CHECK(!rig.memory.holds(0, 'a'));
  CHECK(finish(rig.loop, read) == 0);
  CHECK(rig.memory.holds(0, 'a'));
  CHECK(rig.write(4, 'x') == EIO);
  CHECK(transfer(rig.loop, rig.disk, Kind::read, 3, {rig.memory.at(0), rig.memory.at(1)}) == EIO);
  CHECK(rig.disk.grow(5) == 0);
  CHECK(rig.write(4, 'x') == 0);
  CHECK(rig.disk.started(Kind::write) == 3);
}

TEST_CASE("legal images: every sector, any of its versions since the flush that covers it, and no other") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Rig rig(seed, 1);
    CHECK(rig.write(0, 'a') == 0);
    CHECK(rig.flush() == 0);
    CHECK(all_fingerprints(rig.disk.crash_images()) == std::set<std::string>{"aaaaaaaa"});
    CHECK(rig.write(0, 'b') == 0);
    CHECK(all_fingerprints(rig.disk.crash_images()) == every_choice(std::vector<std::string>(8, "ab")));
    rig.memory.fill(0, 'c');
    Request under_way(Kind::write, 0, {rig.memory.at(0)});
    rig.disk.start(under_way);
    const CrashImages images = rig.disk.crash_images({.enumerate_up_to = 10'000});
    CHECK(images.legal_count() == 6561);
    CHECK(all_fingerprints(images) == every_choice(std::vector<std::string>(8, "abc")));
    Request flush(Kind::flush, 0);
    rig.disk.start(flush);
    finish(rig.loop, flush);
    finish(rig.loop, under_way);
    // The flush covers b. It does not cover c, even if that had landed when the flush ended.
    CHECK(all_fingerprints(rig.disk.crash_images()) == every_choice(std::vector<std::string>(8, "bc")));
    CHECK(rig.flush() == 0);
    CHECK(all_fingerprints(rig.disk.crash_images()) == std::set<std::string>{"cccccccc"});
  }
}

TEST_CASE("legal images: what is discarded is there or zeros, sector by sector, until a flush") {
  Rig rig(1, 3);
  for (std::uint64_t block = 0; block < 3; ++block) CHECK(rig.write(block, 'a') == 0);
  CHECK(rig.flush() == 0);
  Request discard(Kind::discard, 1);
  discard.discarded_blocks = 1;
  rig.disk.start(discard);
  CHECK(finish(rig.loop, discard) == 0);
  CHECK(rig.read(1) == 0);
  const std::string whole(8, 'a');
  std::set<std::string> expected;
  for (const std::string& middle : every_choice(std::vector<std::string>(8, std::string("a\0", 2)))) {
    expected.insert(whole + middle + whole);
  }
  CHECK(all_fingerprints(rig.disk.crash_images()) == expected);
  CHECK(rig.flush() == 0);
  CHECK(all_fingerprints(rig.disk.crash_images()) == std::set<std::string>{whole + std::string(8, '\0') + whole});
  Request outside(Kind::discard, 2);
  outside.discarded_blocks = 2;
  rig.disk.start(outside);
  CHECK(finish(rig.loop, outside) == EIO);
  CHECK(rig.disk.started(Kind::discard) == 2);
}

TEST_CASE("legal images: a disk that has grown may be found with its old size until it is flushed") {
  Rig rig(3, 1);
  CHECK(rig.write(0, 'a') == 0);
  CHECK(rig.flush() == 0);
  CHECK(rig.disk.grow(2) == 0);
  std::set<std::string> expected{"aaaaaaaa"};
  expected.insert(std::string("aaaaaaaa") + std::string(8, '\0'));
  CHECK(all_fingerprints(rig.disk.crash_images()) == expected);
  CHECK(rig.write(1, 'b') == 0);
  std::set<std::string> with_write = every_choice(std::vector<std::string>(8, std::string("b\0", 2)));
  expected = {"aaaaaaaa"};
  for (const std::string& tail : with_write) expected.insert("aaaaaaaa" + tail);
  CHECK(all_fingerprints(rig.disk.crash_images()) == expected);
  CHECK(rig.flush() == 0);
  CHECK(all_fingerprints(rig.disk.crash_images()) == std::set<std::string>{"aaaaaaaabbbbbbbb"});
}

TEST_CASE("too many images to enumerate: the choice holds none, all, each one missing and present, and is legal") {
  Rig rig(5, 6);
  for (std::uint64_t block = 0; block < 6; ++block) CHECK(rig.write(block, 'o') == 0);
  CHECK(rig.flush() == 0);
  for (std::uint64_t block = 0; block < 6; ++block) CHECK(rig.write(block, static_cast<char>('a' + block)) == 0);
  const CrashImages images = rig.disk.crash_images({.most_singles = 4, .samples = 300, .seed = 9});
  CHECK(images.legal_count() == 1ull << 48);
  CHECK(images.size() == 2 + 12 + 8 + 300);
  const std::set<std::string> found = all_fingerprints(images);
  const std::string old(48, 'o');
  std::string all;
  for (char letter = 'a'; letter <= 'f'; ++letter) all += std::string(8, letter);
  CHECK(found.contains(old));
  CHECK(found.contains(all));
  for (std::size_t block = 0; block < 6; ++block) {
    std::string missing = all;
    std::string present = old;
    for (std::size_t i = block * 8; i < block * 8 + 8; ++i) std::swap(missing[i], present[i]);
    CHECK(found.contains(missing));
    CHECK(found.contains(present));
  }
  for (const std::string& image : found) {
    for (std::size_t i = 0; i < 48; ++i) {
      if (image[i] != old[i] && image[i] != all[i]) FAIL("not a version of the sector: " << image);
    }
  }
  CHECK(found.size() > 150);
  for (std::size_t i = 0; i < images.size(); i += 7) CHECK(images.at(i) == images.at(i));
}

TEST_CASE("the mark of an image stands for its content, whenever it is taken") {
  std::map<std::uint64_t, std::size_t> content;
  std::map<std::size_t, std::uint64_t> mark;
  const auto note_all = [&](const SimulatedDisk& disk) {
    const CrashImages images = disk.crash_images({.enumerate_up_to = 300, .most_singles = 8, .samples = 20});
    for (std::size_t i = 0; i < images.size(); ++i) {
      const std::size_t hash = hash_of(images.at(i));
      CHECK(content.try_emplace(images.mark(i), hash).first->second == hash);
      CHECK(mark.try_emplace(hash, images.mark(i)).first->second == images.mark(i));
    }
  };
  Rig rig(7, 2);
  for (int round = 0; round < 60; ++round) {
    CHECK(rig.write(rig.loop.random().below(2), static_cast<char>('a' + rig.loop.random().below(3))) == 0);
    note_all(rig.disk);
    if (rig.loop.random().chance(30)) rig.disk.flip_bit(rig.loop.random().below(2), 12'345);
    if (rig.loop.random().chance(50)) CHECK(rig.flush() == 0);
    if (round == 30) CHECK(rig.disk.grow(3) == 0);
    note_all(rig.disk);
  }
  CHECK(content.size() > 100);
}

TEST_CASE("the n-th request fails, once or from then on") {
  for (const bool from_then_on : {false, true}) {
    Rig rig(7, 4);
    rig.disk.inject({.kind = Kind::write, .nth = 2, .from_then_on = from_then_on, .error = ENOSPC});
    rig.disk.inject({.kind = Kind::read, .nth = 1, .from_then_on = from_then_on});
    CHECK(rig.write(0, 'a') == 0);
    CHECK(rig.write(1, 'b') == ENOSPC);
    CHECK(rig.write(2, 'c') == (from_then_on ? ENOSPC : 0));
    CHECK(transfer(rig.loop, rig.disk, Kind::read, 0, {rig.memory.at(0)}) == EIO);
    CHECK(transfer(rig.loop, rig.disk, Kind::read, 0, {rig.memory.at(0)}) == (from_then_on ? EIO : 0));
    rig.disk.clear_faults();
    CHECK(rig.read(0) == 'a');
  }
}

TEST_CASE("after a flush that failed, no later one makes durable what it should have covered") {
  Rig rig(11, 1);
  CHECK(rig.write(0, 'a') == 0);
  CHECK(rig.flush() == 0);
  CHECK(rig.write(0, 'b') == 0);
  rig.disk.inject({.kind = Kind::flush});
  CHECK(rig.flush() == EIO);
  CHECK(rig.flush() == 0);
  CHECK(rig.read(0) == 'b');
  CHECK(all_fingerprints(rig.disk.crash_images()) == every_choice(std::vector<std::string>(8, "ab")));
  CHECK(rig.write(0, 'c') == 0);
  CHECK(rig.flush() == 0);
  CHECK(all_fingerprints(rig.disk.crash_images()) == std::set<std::string>{"cccccccc"});
}

TEST_CASE("writes that fail may land in part; lost and misdirected ones end well and do not land where they should") {
  bool has_torn = false;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Rig rig(seed, 16);
    CHECK(rig.write(0, 'a') == 0);
    CHECK(rig.flush() == 0);
    rig.disk.inject({.kind = Kind::write});
    CHECK(rig.write(0, 'b') == EIO);
    const std::string torn = fingerprint(rig.disk.content()).substr(0, 8);
    has_torn = has_torn || (torn != "aaaaaaaa" && torn != "bbbbbbbb");
    CHECK(rig.flush() == 0);
    CHECK(rig.disk.crash_images().legal_count() == 256);

    rig.disk.inject({.kind = Kind::write, .effect = Effect::lose});
    CHECK(rig.write(1, 'l') == 0);
    CHECK(fingerprint(rig.disk.content()).find('l') == std::string::npos);
    rig.disk.inject({.kind = Kind::write, .effect = Effect::misdirect});
    CHECK(rig.write(1, 'm') == 0);
    const std::string after = fingerprint(rig.disk.content());
    CHECK(std::ranges::count(after, 'm') == 8);
    rig.disk.inject({.kind = Kind::flush, .effect = Effect::lose});
    CHECK(rig.flush() == 0);
    CHECK(rig.disk.crash_images().legal_count() == 65536);
  }
  CHECK(has_torn);
}

TEST_CASE("bits flip: on the medium for good, in transfers once") {
  Rig rig(13, 2);
  CHECK(rig.write(0, 'a') == 0);
  rig.disk.flip_bit(0, 8 * 700);
  CHECK(rig.flush() == 0);
  const auto wrong_bytes = [&] {
    CHECK(transfer(rig.loop, rig.disk, Kind::read, 0, {rig.memory.at(0)}) == 0);
    return 4096 - std::count(rig.memory.at(0), rig.memory.at(1), std::byte{'a'});
  };
  CHECK(wrong_bytes() == 1);
  CHECK(rig.memory.at(0)[700] == std::byte{'a' ^ 1});
  CHECK(rig.write(0, 'a') == 0);
  CHECK(wrong_bytes() == 0);
  rig.disk.inject({.kind = Kind::read, .effect = Effect::flip_bit});
  CHECK(wrong_bytes() == 1);
  CHECK(wrong_bytes() == 0);
  rig.disk.inject({.kind = Kind::write, .effect = Effect::flip_bit});
  CHECK(rig.write(0, 'a') == 0);
  CHECK(wrong_bytes() == 1);
}

TEST_CASE("the hook sees every write and flush before and after it takes effect, and may cut the power there") {
  Rig rig(17, 2);
  std::vector<std::uint64_t> counts;
  rig.disk.at_boundaries([&](SimulatedDisk::Boundary, const DiskRequest& request) {
    CHECK(request.kind != Kind::read);
    counts.push_back(rig.disk.crash_images().legal_count());
  });
  CHECK(rig.write(0, 'a') == 0);
  rig.read(0);
  CHECK(rig.flush() == 0);
  CHECK(counts == std::vector<std::uint64_t>{256, 256, 256, 1});

  rig.disk.at_boundaries([&](SimulatedDisk::Boundary, const DiskRequest&) { rig.disk.power_off(); });
  CHECK(rig.write(0, 'b') == EIO);
  CHECK(rig.write(1, 'c') == EIO);
  CHECK(rig.flush() == EIO);
  CHECK(transfer(rig.loop, rig.disk, Kind::read, 0, {rig.memory.at(0)}) == EIO);
  CHECK(all_fingerprints(rig.disk.crash_images()).contains("aaabbbab" + std::string(8, '\0')));
  CHECK(rig.disk.crash_images().legal_count() == 256);
}

TEST_CASE("a seed decides the order of completions, and another seed another") {
  const auto order_of = [](std::uint64_t seed) {
    Rig rig(seed, 8);
    std::vector<std::unique_ptr<Request>> requests;
    std::string order;
    rig.disk.at_boundaries([&](SimulatedDisk::Boundary boundary, const DiskRequest& request) {
      if (boundary == SimulatedDisk::Boundary::after) order += static_cast<char>('0' + request.first_block);
    });
    for (std::uint64_t block = 0; block < 6; ++block) {
      requests.push_back(std::make_unique<Request>(Kind::write, block, std::vector{rig.memory.at(block)}));
      rig.disk.start(*requests.back());
    }
    while (rig.loop.pending() > 0) rig.loop.step(0);
    CHECK(rig.loop.step(0) == 0);
    return order;
  };
  std::set<std::string> orders;
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    CHECK(order_of(seed) == order_of(seed));
    orders.insert(order_of(seed));
  }
  CHECK(orders.size() > 20);
}

TEST_CASE("a snapshot restored is as if nothing had happened since; a disk may go with requests under way") {
  Rig rig(19, 2);
  CHECK(rig.write(0, 'a') == 0);
  const SimulatedDisk::State before = rig.disk.snapshot();
  CHECK(rig.write(0, 'b') == 0);
  CHECK(rig.flush() == 0);
  rig.disk.restore(before);
  CHECK(rig.read(0) == 'a');
  CHECK(rig.disk.crash_images().legal_count() == 256);
  Request left(Kind::write, 0, {rig.memory.at(0)});
  {
    SimulatedDisk other(rig.loop, 2);
    other.start(left);
  }
  CHECK(rig.loop.step(0) == 0);
  CHECK(left.calls == 0);
}

TEST_CASE("random work: what reads see is what a plain model holds, and each flushed state is among the images") {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    Rig rig(seed, 4);
    SeededRandom random(seed * 77);
    DiskImage model(4);
    for (int turn = 0; turn < 60; ++turn) {
      const std::uint64_t block = random.below(4);
      const char value = static_cast<char>('a' + random.below(26));
      if (random.chance(25)) {
        CHECK(rig.flush() == 0);
        CHECK(rig.disk.crash_images().legal_count() == 1);
        CHECK(rig.disk.crash_images().at(0) == model);
        continue;
      }
      CHECK(rig.write(block, value) == 0);
      std::array<std::byte, 4096> bytes{};
      bytes.fill(static_cast<std::byte>(value));
      model.write_block(block, bytes);
      CHECK(rig.disk.content() == model);
    }
  }
}
