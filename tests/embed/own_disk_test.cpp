// A disk of the caller's own that fails, lies, forgets or is slow: everything that it does has its answer.

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <random>
#include <stdexcept>

#include "tests/embed/own_disk.h"
#include "tests/embed/places.h"

using namespace chimera_testing;

namespace {

constexpr std::uint64_t disk_size = 32ull << 20;

chimera_options on(OwnDisk& disk, chimera::Store& store) {
  chimera_options options = chimera::Store::options();
  options.disk = disk.for_store(store.get());
  options.cache_bytes = 128ull << 20;
  return options;
}

int open_on(OwnDisk& disk, chimera::Store& store) { return store.open(nullptr, on(disk, store)); }

std::vector<std::uint8_t> make_content() {
  OwnDisk disk(disk_size);
  chimera::Store store;
  REQUIRE_MESSAGE(store.format(nullptr, on(disk, store)) == CHIMERA_OK, store.error());
  REQUIRE(open_on(disk, store) == CHIMERA_OK);
  chimera::Session session(store);
  run(store, session, "create device \"d\" \"\"\nwrite bytes @0 \"first\"\nwrite bytes @1M \"second\"\nsync");
  REQUIRE(store.close() == CHIMERA_OK);
  return disk.content();
}

/// An honest disk with a store that holds one device of some content.
std::unique_ptr<OwnDisk> make_disk() {
  static const std::vector<std::uint8_t> content = make_content();
  return std::make_unique<OwnDisk>(content);
}

/// Opens, works and closes, whatever comes of it; nothing but codes may.
void work(OwnDisk& disk) {
  chimera::Store store;
  if (open_on(disk, store) != CHIMERA_OK) {
    CHECK(!std::string(store.error()).empty());
    return;
  }
  {
    chimera::Session session(store);
    chimera::Program program;
    program.assemble(
        "open device \"d\"\nread bytes @0 #5\nread bytes @1M #6\nwrite bytes @2M \"third\"\nflush device\n"
        "create device \"e\" \"\"\nbegin\nwrite bytes @0 \"in e\"\ncommit\ndelete device\nclone device \"f\"\nsync");
    chimera::Answers answers;
    const int status = session.run(program, answers);
    CHECK(status >= 0);
    CHECK(answers.size() == 12);
    for (const chimera::Answer& answer : answers) {
      // What was read is right, or was not read.
      if (answer.ok() && answer.operation == CHIMERA_OP_READ_BYTES) {
        CHECK((answer.text() == "first" || answer.text() == "second"));
      }
    }
    (void)session.submit(program);
    std::vector<chimera::Result> results;
    CHECK(store.reap(results, 0) >= 0);
  }
  CHECK(store.close() >= 0);
}

/// What was durable before is there, on a disk that is honest again.
void check_repaired(OwnDisk& disk) {
  disk.on_start = nullptr;
  chimera::Store store;
  REQUIRE_MESSAGE(open_on(disk, store) == CHIMERA_OK, store.error());
  chimera::Session session(store);
  run(store, session, "open device \"d\"\ncheck bytes @0 \"first\"\ncheck bytes @1M \"second\"");
  CHECK(store.close() == CHIMERA_OK);
}

/// How many requests of a kind `work` makes on a disk that is well.
std::uint64_t count_requests(int kind) {
  const auto disk = make_disk();
  const std::uint64_t before = disk->started[kind];
  work(*disk);
  return disk->started[kind] - before;
}

using Spoil = std::function<void(OwnDisk&, const chimera_disk_request&)>;

/// `spoil` in place of each request of the kind in turn, once or from then on.
void spoil_each(int kind, bool from_then_on, const Spoil& spoil, bool is_repairable = true) {
  const std::uint64_t count = count_requests(kind);
  REQUIRE(count > 2);
  for (std::uint64_t nth = 1; nth <= count; ++nth) {
    CAPTURE(kind);
    CAPTURE(nth);
    const auto disk = make_disk();
    const std::uint64_t first = disk->started[kind] + nth;
    disk->on_start = [&, first](OwnDisk& on, const chimera_disk_request& request) {
      const std::uint64_t now = on.started[kind];
      if (request.kind == kind && (from_then_on ? now >= first : now == first)) return spoil(on, request);
      on.carry_out(request);
      on.report(request);
    };
    const int closes = disk->closes;
    work(*disk);
    CHECK(disk->closes == closes + 1);
    if (is_repairable) check_repaired(*disk);
  }
}

}  // namespace

TEST_CASE("each read, write and flush fails in turn, once or from then on") {
  for (int kind = CHIMERA_DISK_READ; kind <= CHIMERA_DISK_FLUSH; ++kind) {
    for (const bool from_then_on : {false, true}) {
      spoil_each(kind, from_then_on,
                 [](OwnDisk& disk, const chimera_disk_request& request) { disk.report(request, EIO); });
    }
  }
}

TEST_CASE("errors that are none, exceptions, reports that come twice or for nobody") {
  const Spoil nonsense = [](OwnDisk& disk, const chimera_disk_request& request) {
    CHECK(disk.report(request, -17) == CHIMERA_OK);
    CHECK(disk.report(request, 0) == CHIMERA_E_ARGUMENT);
  };
  const Spoil throwing = [](OwnDisk&, const chimera_disk_request&) { throw std::runtime_error("out of paper"); };
  const Spoil twice = [](OwnDisk& disk, const chimera_disk_request& request) {
    disk.carry_out(request);
    CHECK(disk.report(request) == CHIMERA_OK);
    CHECK(disk.report(request) == CHIMERA_E_ARGUMENT);
    chimera_disk_request other = request;
    for (const std::uint64_t ticket : {std::uint64_t{0}, request.ticket + 1, ~std::uint64_t{0}}) {
      other.ticket = ticket;
      CHECK(disk.report(other) == CHIMERA_E_ARGUMENT);
    }
  };
  for (int kind = CHIMERA_DISK_READ; kind <= CHIMERA_DISK_FLUSH; ++kind) {
    spoil_each(kind, false, nonsense);
    spoil_each(kind, false, throwing);
  }
  spoil_each(CHIMERA_DISK_READ, true, twice);
  spoil_each(CHIMERA_DISK_WRITE, true, twice);
}

TEST_CASE("reads that give something else, or only half of it, are found out") {
  spoil_each(CHIMERA_DISK_READ, true, [](OwnDisk& disk, const chimera_disk_request& request) {
    disk.carry_out(request);
    static_cast<std::uint8_t*>(request.parts[0].iov_base)[100] ^= 1;
    disk.report(request);
  });
  spoil_each(CHIMERA_DISK_READ, false, [](OwnDisk& disk, const chimera_disk_request& request) {
    chimera_disk_request half = request;
    iovec part = request.parts[0];
    part.iov_len /= 2;
    half.parts = &part;
    half.part_count = 1;
    disk.carry_out(half);
    disk.report(request);
  });
  spoil_each(CHIMERA_DISK_READ, true, [](OwnDisk& disk, const chimera_disk_request& request) { disk.report(request); });
}

TEST_CASE("writes that get lost, land in part or elsewhere: the store may be beyond repair, the process is not") {
  spoil_each(
      CHIMERA_DISK_WRITE, true, [](OwnDisk& disk, const chimera_disk_request& request) { disk.report(request); },
      false);
  spoil_each(
      CHIMERA_DISK_WRITE, false,
      [](OwnDisk& disk, const chimera_disk_request& request) {
        chimera_disk_request astray = request;
        astray.offset = (request.offset + request.size + 8192 < disk_size) ? request.offset + 8192 : 0;
        disk.carry_out(astray);
        disk.report(request);
      },
      false);
}

TEST_CASE("a disk whose whole content is rubbish, or damaged here and there") {
  std::mt19937 random(5);
  for (int turn = 0; turn < 60; ++turn) {
    CAPTURE(turn);
    const auto disk = make_disk();
    auto& content = disk->content();
    if (turn == 0) {
      for (auto& byte : content) byte = static_cast<std::uint8_t>(random());
    } else {
      // Where there is something: zeros stay zeros most of the time.
      for (int spot = 0; spot < 40; ++spot) {
        const std::size_t block = random() % (content.size() / 4096) * 4096;
        for (int byte = 0; byte < turn; ++byte) content[block + random() % 4096] ^= static_cast<std::uint8_t>(random());
      }
      content[random() % 4096] ^= static_cast<std::uint8_t>(turn % 3 == 0);
      content[65536 + random() % 4096] ^= static_cast<std::uint8_t>(turn % 5 == 0);
    }
    chimera::Store store;
    if (open_on(*disk, store) != CHIMERA_OK) continue;
    chimera::Session session(store);
    chimera::Program program;
    program.assemble(
        "open device \"d\"\nread bytes @0 #1M\nwrite bytes @5K #3 \"abc\"\nlist devices \"\" \"\" #9\nsync");
    chimera::Answers answers;
    CHECK(session.run(program, answers) >= 0);
    CHECK(store.close() >= 0);
  }
}

TEST_CASE("a disk that never reports keeps nobody from freeing the store") {
  for (int kind = CHIMERA_DISK_READ; kind <= CHIMERA_DISK_FLUSH; ++kind) {
    CAPTURE(kind);
    const auto disk = make_disk();
    chimera::Store store;
    REQUIRE(open_on(*disk, store) == CHIMERA_OK);
    disk->on_start = [&](OwnDisk& on, const chimera_disk_request& request) {
      if (request.kind == kind) return on.hold(request);
      on.carry_out(request);
      on.report(request);
    };
    chimera_session* const session = chimera_session_new(store.get());
    chimera::Program program;
    program.assemble("open device \"d\"\nread bytes @1M #6\nwrite bytes @3M \"other\"\nflush device");
    REQUIRE(chimera_submit(session, program.get(), nullptr) == CHIMERA_OK);
    std::vector<chimera::Result> results;
    for (int turn = 0; turn < 100; ++turn) CHECK(store.reap(results, 0) == 0);
    CHECK(store.reap(results, 1) == 0);
    CHECK(disk->held() > 0);
    CHECK(store.close() == CHIMERA_E_STATE);
    // Nobody has told of the end of anything. The session goes while its program waits, or with the store.
    if (kind == CHIMERA_DISK_READ) chimera_session_free(session);
    store = chimera::Store();
    check_repaired(*disk);
  }
}

TEST_CASE("the descriptor is ready when a disk has reported, and not before") {
  const auto disk = make_disk();
  chimera::Store store;
  REQUIRE(open_on(*disk, store) == CHIMERA_OK);
  disk->on_start = [](OwnDisk& on, const chimera_disk_request& request) { on.hold(request); };
  const int descriptor = store.descriptor();
  REQUIRE(descriptor >= 0);
  chimera::Session session(store);
  chimera::Program program;
  program.assemble("open device \"d\"\nread bytes @1M #6\nwrite bytes @1M \"other\"\nflush device\nread bytes @1M #5");
  REQUIRE(session.submit(program) == CHIMERA_OK);
  std::vector<chimera::Result> results;
  const auto is_ready = [&](int timeout_ms) {
    pollfd waiting{descriptor, POLLIN, 0};
    return ::poll(&waiting, 1, timeout_ms) == 1;
  };
  int rounds = 0;
  for (; results.empty() && rounds < 1000; ++rounds) {
    // As far as it goes without the disk: a few turns, and then there is peace although a program is under way.
    int turns = 0;
    for (; is_ready(0) && turns < 100 && results.empty(); ++turns) REQUIRE(store.reap(results, 0) >= 0);
    CHECK(turns < 100);
    if (!results.empty()) break;
    REQUIRE(disk->held() > 0);
    CHECK(!is_ready(0));
    std::thread other([&] { disk->release(); });
    CHECK(is_ready(60'000));
    other.join();
  }
  CHECK(rounds > 1);
  REQUIRE(results.size() == 1);
  CHECK(results[0].status == CHIMERA_OK);
  CHECK(results[0].all().at(4).text() == "other");
  disk->on_start = nullptr;
  disk->release();
  CHECK(store.close() == CHIMERA_OK);
}

TEST_CASE("from within its own disk's functions a store takes nothing but reports") {
  const auto disk = make_disk();
  chimera::Store store;
  chimera::Store other;
  REQUIRE(other.open(":memory:") == CHIMERA_OK);
  chimera::Session others(other);
  REQUIRE(open_on(*disk, store) == CHIMERA_OK);
  auto session = std::make_unique<chimera::Session>(store);
  chimera::Program program;
  program.assemble("open device \"d\"\nwrite bytes @0 \"first\"\nsync");
  chimera::Program greeting;
  greeting.assemble("hello");
  const auto try_everything = [&] {
    std::vector<chimera::Result> results;
    CHECK(session->run(program) == CHIMERA_E_REENTERED);
    CHECK(session->submit(program) == CHIMERA_E_REENTERED);
    CHECK(store.reap(results, -1) == CHIMERA_E_REENTERED);
    CHECK(store.close() == CHIMERA_E_REENTERED);
    CHECK(store.descriptor() == CHIMERA_E_REENTERED);
    CHECK(store.open(":memory:") == CHIMERA_E_REENTERED);
    CHECK(chimera_session_new(store.get()) == nullptr);
    chimera_session_free(session->get());
    chimera_free(store.get());
    CHECK(std::string(store.error()) != "");
    // Another store is another matter.
    CHECK(others.run(greeting) == CHIMERA_OK);
  };
  int calls = 0;
  disk->on_start = [&](OwnDisk& on, const chimera_disk_request& request) {
    ++calls;
    try_everything();
    on.carry_out(request);
    on.report(request);
  };
  disk->on_close = [&] {
    ++calls;
    try_everything();
  };
  CHECK(session->run(program) == CHIMERA_OK);
  CHECK(calls > 0);
  calls = 0;
  CHECK(store.close() == CHIMERA_OK);
  CHECK(calls > 0);
}

TEST_CASE("a disk is closed once, whatever came of opening it") {
  OwnDisk disk(disk_size);
  chimera::Store store;
  CHECK(open_on(disk, store) == CHIMERA_E_OPEN);
  CHECK(disk.closes == 1);
  CHECK(store.format(nullptr, on(disk, store)) == CHIMERA_OK);
  CHECK(disk.closes == 2);
  // It holds a store now.
  CHECK(store.format(nullptr, on(disk, store)) == CHIMERA_E_OPEN);
  CHECK(disk.closes == 3);
  chimera_options options = on(disk, store);
  options.overwrite = 1;
  CHECK(store.format(nullptr, options) == CHIMERA_OK);
  CHECK(open_on(disk, store) == CHIMERA_OK);
  CHECK(disk.closes == 4);
  CHECK(open_on(disk, store) == CHIMERA_E_STATE);
  CHECK(disk.closes == 4);
  CHECK(store.close() == CHIMERA_OK);
  CHECK(disk.closes == 5);
  for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{4096}, std::uint64_t{15} << 20}) {
    OwnDisk small(size);
    CHECK(store.format(nullptr, on(small, store)) == CHIMERA_E_OPEN);
    CHECK(open_on(small, store) == CHIMERA_E_OPEN);
    CHECK(small.closes == 2);
  }
}
