// A store in memory: its catalogue, and what its devices do with room, lengths and extents.

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "devices/store.h"
#include "isa/limits.h"

namespace chimera::devices {
namespace {

class Patience final : public Waiter {
 public:
  void wake() override { woken = true; }
  bool woken = false;
};

struct Shelf {
  explicit Shelf(MemoryOptions options = {}) : store(std::move(options)) {}
  Device& create(std::string_view name, const CreateOptions& options = {}) {
    Device* made = nullptr;
    REQUIRE(store.create(waiter, name, {}, options, made).is_ready());
    return *made;
  }
  void write(Device& device, std::uint64_t offset, std::size_t size) {
    REQUIRE(device.prepare(waiter, Plane::data, offset, size).is_ready());
    device.write(Plane::data, offset, std::vector<std::uint8_t>(size, 1));
  }
  std::string names(std::string_view prefix, std::string_view after, std::size_t most) const {
    std::string all;
    for (const Device* device : store.list(prefix, after, most)) all += device->name() + " ";
    return all;
  }

  Store store;
  Patience waiter;
};

TEST_CASE("names and UUIDs are unique, and lists are in the order of the names' bytes") {
  Shelf shelf;
  for (const char* name : {"b", "a", "ab", "aa", "\xC3\xA4", "Z"}) shelf.create(name);
  CHECK_EQ(shelf.names("", "", 10), "Z a aa ab b \xC3\xA4 ");
  CHECK_EQ(shelf.names("a", "", 10), "a aa ab ");
  CHECK_EQ(shelf.names("a", "aa", 10), "ab ");
  CHECK_EQ(shelf.names("a", "a", 1), "aa ");
  CHECK_EQ(shelf.names("a", "Z", 10), "a aa ab ");
  CHECK_EQ(shelf.names("a", "b", 10), "");

  Device* made = nullptr;
  CHECK_EQ(shelf.store.create(shelf.waiter, "a", {}, {}, made).status(), Status::exists);
  CreateOptions same;
  same.uuid = shelf.store.find("a")->uuid();
  CHECK_EQ(shelf.store.create(shelf.waiter, "new", {}, same, made).status(), Status::exists);
  CHECK_EQ(made, nullptr);
  CHECK_EQ(shelf.store.find("new"), nullptr);
  CHECK_EQ(shelf.store.device_count(), 6);

  CHECK(shelf.store.rename(shelf.waiter, *shelf.store.find("b"), "a0").is_ready());
  CHECK_EQ(shelf.store.rename(shelf.waiter, *shelf.store.find("a0"), "ab").status(), Status::exists);
  CHECK(shelf.store.rename(shelf.waiter, *shelf.store.find("a0"), "a0").is_ready());
  CHECK_EQ(shelf.names("", "", 3), "Z a a0 ");
  CHECK(shelf.store.remove(shelf.waiter, *shelf.store.find("a0")).is_ready());
  CHECK_EQ(shelf.names("", "", 3), "Z a aa ");
}

TEST_CASE("a snapshot is of all or of none") {
  Shelf shelf;
  Device& a = shelf.create("a");
  Device& b = shelf.create("b");
  std::vector<Device*> made;
  const SnapshotTarget taken[] = {{&a, "a1"}, {&b, "a"}};
  CHECK_EQ(shelf.store.snapshot(shelf.waiter, taken, made).status(), Status::exists);
  CHECK_EQ(shelf.store.device_count(), 2);
  const SnapshotTarget fine[] = {{&a, "a1"}, {&b, "b1"}, {&a, "a2"}};
  CHECK(shelf.store.snapshot(shelf.waiter, fine, made).is_ready());
  REQUIRE_EQ(made.size(), 3);
  CHECK_EQ(made[0]->family(), a.family());
  CHECK_EQ(made[1]->family(), b.family());
  CHECK_NE(made[0]->uuid(), made[2]->uuid());
  CHECK_EQ(shelf.store.roll_back(shelf.waiter, a, *made[1]).status(), Status::unsupported);
  CHECK(shelf.store.roll_back(shelf.waiter, *made[2], *made[0]).is_ready());
}

TEST_CASE("clones cost no room, and the last holder gives it back") {
  Shelf shelf({.most_bytes = 8 << 20, .make = {}});
  Device& a = shelf.create("a");
  shelf.write(a, 0, 6 << 20);
  const std::string described = shelf.store.figures().to_json().end();
  std::vector<Device*> made;
  for (int i = 0; i < 20; ++i) {
    const SnapshotTarget target[] = {{&a, "clone" + std::to_string(i)}};
    REQUIRE(shelf.store.snapshot(shelf.waiter, target, made).is_ready());
  }
  // Now every change needs a block of its own, and there is room for few.
  CHECK(a.prepare(shelf.waiter, Plane::data, 0, 1 << 20).is_ready());
  CHECK_EQ(a.prepare(shelf.waiter, Plane::data, 0, 4 << 20).status(), Status::no_space);
  CHECK_NE(shelf.waiter.message.find("\"a\""), std::string::npos);
  for (Device* clone : made) REQUIRE(shelf.store.remove(shelf.waiter, *clone).is_ready());
  CHECK(a.prepare(shelf.waiter, Plane::data, 0, 6 << 20).is_ready());
  CHECK(shelf.store.remove(shelf.waiter, a).is_ready());
  CHECK(shelf.create("b").prepare(shelf.waiter, Plane::data, 0, 7 << 20).is_ready());
}

TEST_CASE("a full store still clears and shortens, where that needs no room") {
  Shelf shelf({.most_bytes = 4 << 20, .make = {}});
  Device& a = shelf.create("a");
  std::uint64_t size = 0;
  while (a.prepare(shelf.waiter, Plane::data, size, 4096).is_ready()) {
    shelf.write(a, size, 4096);
    size += 4096;
  }
  CHECK(a.prepare(shelf.waiter, Plane::data, 100, 10000).is_ready());  // its own blocks already
  CHECK(a.clear(shelf.waiter, Plane::data, 100, 10000).is_ready());
  CHECK(a.set_length(shelf.waiter, size / 2 + 1).is_ready());
  CHECK(a.prepare(shelf.waiter, Plane::data, size, 4096).is_ready());
}

TEST_CASE("a long digest lets others have their turn and is of one moment") {
  Shelf shelf;
  Device& a = shelf.create("a");
  shelf.write(a, 0, 30 << 20);
  std::vector<std::uint8_t> before(32);
  std::vector<std::uint8_t> during(32);
  const auto digest = [&](std::vector<std::uint8_t>& out, bool disturb) {
    int waits = 0;
    const std::span<std::uint8_t, 32> to(out.data(), 32);
    while (a.digest(shelf.waiter, 0, 30 << 20, to).waits()) {
      CHECK(shelf.waiter.woken);
      if (disturb) a.write(Plane::data, 25 << 20, std::vector<std::uint8_t>(100, 9));
      ++waits;
    }
    shelf.store.release(shelf.waiter);
    return waits;
  };
  CHECK_GT(digest(before, false), 1);
  CHECK_GT(digest(during, true), 1);
  CHECK_EQ(before, during);
  digest(during, false);
  CHECK_NE(before, during);
}

TEST_CASE("extents stop at so many and tell holes") {
  Shelf shelf;
  Device& a = shelf.create("a");
  for (std::uint64_t i = 0; i < limits::most_extents; ++i) shelf.write(a, 8192 * i, 1);
  std::vector<Extent> extents;
  REQUIRE(a.extents(shelf.waiter, Plane::data, 10, 8192 * limits::most_extents, extents).is_ready());
  CHECK_EQ(extents.size(), limits::most_extents);
  CHECK_EQ(extents[0].length, 4086);
  CHECK_EQ(extents[0].flags, 0);
  CHECK_EQ(extents[1].length, 4096);
  CHECK_EQ(extents[1].flags, Extent::hole | Extent::zeros);
}

}  // namespace
}  // namespace chimera::devices
