#include "io/flushing.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <limits>

#include "io/ring_loop.h"
#include "tests/io/scratch.h"

using namespace chimera::io;
using namespace chimera::io::testing;

namespace {

constexpr std::uint64_t longest_ns = 300'000;
constexpr std::uint64_t quick_ns = 80'000;

/// Flushes until the loop would do it itself, and says how often that was.
std::uint64_t flushes_until_itself(Flushing& flushing) {
  std::uint64_t count = 0;
  for (; !flushing.flushes_itself(); ++count) flushing.flushed(quick_ns, true);
  return count;
}

/// A ring that takes every flush for a quick one, and a file.
struct Ring {
  ScratchDirectory scratch{scratch_parents()[0]};
  std::unique_ptr<KernelLoop> loop;
  int fd = -1;
  Ring() {
    auto made = RingLoop::make();
    if (!made) return;
    loop = std::move(*made);
    fd = ::open(scratch.file("f").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0);
  }
  ~Ring() {
    if (fd >= 0) ::close(fd);
  }
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  [[nodiscard]] bool exists() const {
    if (loop == nullptr) MESSAGE("skipped: io_uring is refused");
    return loop != nullptr;
  }
  [[nodiscard]] std::uint64_t carried_out() const { return static_cast<const RingLoop&>(*loop).carried_out(); }
  int sync() const {
    Noted synced;
    loop->sync_data(fd, synced);
    return wait_for(*loop, synced);
  }
  /// As at first, and then until it flushes itself.
  void warm_up() const {
    loop->flush_itself(std::numeric_limits<std::uint64_t>::max());
    while (!loop->flushes_itself()) REQUIRE(sync() == 0);
  }
};

}  // namespace

TEST_CASE("who has seen flushes that were quick and alone flushes itself") {
  Flushing flushing;
  flushing.quick_below(longest_ns);
  CHECK(flushes_until_itself(flushing) == Flushing::least_patience);
  for (int n = 0; n < 1000; ++n) {
    flushing.flushed(longest_ns - 1, true);
    CHECK(flushing.flushes_itself());
  }
}

TEST_CASE("where flushes are slow, or others end beside them, it never does") {
  Flushing slow, crowded, forbidden;
  slow.quick_below(longest_ns);
  crowded.quick_below(longest_ns);
  forbidden.quick_below(0);
  for (int n = 0; n < 1000; ++n) {
    for (std::uint64_t quick = 1; quick < Flushing::least_patience; ++quick) {
      slow.flushed(quick_ns, true);
      crowded.flushed(quick_ns, true);
    }
    slow.flushed(longest_ns, true);
    crowded.flushed(quick_ns, false);
    forbidden.flushed(0, true);
    CHECK_FALSE(slow.flushes_itself());
    CHECK_FALSE(crowded.flushes_itself());
    CHECK_FALSE(forbidden.flushes_itself());
  }
}

TEST_CASE("what goes wrong now and then ends nothing, and one long flush is soon made up for") {
  constexpr std::uint64_t somewhat_long_ns = 600'000, very_long_ns = 1'000'000'000;
  Flushing flushing;
  flushing.quick_below(longest_ns);
  for (std::uint64_t n = 0; n < 4 * Flushing::most_credit; ++n) flushing.flushed(quick_ns, true);
  for (int n = 0; n < 1000; ++n) {
    for (int quick = 0; quick < 50; ++quick) flushing.flushed(quick_ns, true);
    flushing.flushed(n % 2 == 0 ? somewhat_long_ns : quick_ns, n % 2 == 0);
    REQUIRE(flushing.flushes_itself());
  }
  flushing.flushed(very_long_ns, true);
  CHECK(flushes_until_itself(flushing) == 2 * Flushing::least_patience);
  // Neither does the kernel have to do it without a fault before the loop does.
  flushing.flushed(very_long_ns, true);
  for (int n = 0; n < 4; ++n) flushing.flushed(quick_ns, true);
  flushing.flushed(quick_ns, false);
  for (std::uint64_t n = 0; n < 4 * Flushing::least_patience; ++n) flushing.flushed(quick_ns, true);
  CHECK(flushing.flushes_itself());
}

TEST_CASE("where it fares badly each time, it seldom tries") {
  constexpr std::uint64_t a_tick_ns = 4'000'000;
  for (const bool is_long : {true, false}) {
    CAPTURE(is_long);
    Flushing flushing;
    flushing.quick_below(longest_ns);
    // Time and again in vain: each time twice as many, up to a bound.
    for (std::uint64_t last = Flushing::least_patience; last < Flushing::most_patience; last *= 2) {
      CHECK(flushes_until_itself(flushing) == last);
      int bad = 0;
      for (; flushing.flushes_itself(); ++bad) flushing.flushed(is_long ? a_tick_ns : quick_ns, is_long);
      CHECK(bad <= (is_long ? 1 : 20));
    }
    CHECK(flushes_until_itself(flushing) == Flushing::most_patience);
    // And where it has done well for as long, it is soon as ready as at first.
    for (std::uint64_t n = 0; n < Flushing::most_patience; ++n) flushing.flushed(quick_ns, true);
    flushing.flushed(a_tick_ns, true);
    CHECK(flushes_until_itself(flushing) == 2 * Flushing::least_patience);
  }
}

TEST_CASE("a ring carries out flushes and durable writes instead of sleeping, with what the kernel would say") {
  const Ring ring;
  if (!ring.exists()) return;
  ring.warm_up();
  CHECK(ring.carried_out() == 0);
  CHECK(ring.sync() == 0);
  CHECK(ring.carried_out() == 1);

  std::string text = "written through";
  const std::array<iovec, 2> parts{iovec{text.data(), 8}, iovec{text.data() + 8, text.size() - 8}};
  Noted wrote;
  ring.loop->writev(ring.fd, parts.data(), 2, 100, Durable::yes, wrote);
  CHECK(wrote.calls == 0);
  CHECK(wait_for(*ring.loop, wrote) == static_cast<int>(text.size()));
  CHECK(ring.carried_out() == 2);
  std::string back(text.size(), 'x');
  REQUIRE(::pread(ring.fd, back.data(), back.size(), 100) == static_cast<ssize_t>(back.size()));
  CHECK(back == text);

  // What fails, fails as with the kernel's threads.
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  const int reading = ::open(ring.scratch.file("f").c_str(), O_RDONLY | O_CLOEXEC);
  Noted refused, forbidden;
  ring.loop->sync_data(ends[0], refused);
  CHECK(wait_for(*ring.loop, refused) == -EINVAL);
  ring.loop->writev(reading, parts.data(), 2, 0, Durable::yes, forbidden);
  CHECK(wait_for(*ring.loop, forbidden) == -EBADF);
  CHECK(ring.carried_out() == 4);
  for (const int fd : {ends[0], ends[1], reading}) ::close(fd);
}

TEST_CASE("a durable write that somebody is about to wait for may have that one for company") {
  const Ring ring;
  if (!ring.exists()) return;
  std::array<int, 2> ends{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
  REQUIRE(::send(ends[1], "x", 1, 0) == 1);
  const iovec part{const_cast<char*>("durable"), 7};
  // With the kernel's threads: flushes are left to them until the loop has seen enough that count as alone.
  const auto flushes_itself_with = [&](Durable durable, unsigned company) {
    ring.loop->flush_itself(0);
    ring.loop->flush_itself(std::numeric_limits<std::uint64_t>::max());
    for (std::uint64_t n = 0; n < Flushing::least_patience; ++n) {
      std::array<Noted, 2> beside;
      Noted wrote;
      ring.loop->writev(ring.fd, &part, 1, 0, durable, wrote);
      for (unsigned i = 0; i < company; ++i) ring.loop->wait_readable(ends[0], beside.at(i));
      for (unsigned i = 0; i < company; ++i) CHECK(wait_for(*ring.loop, beside.at(i)) > 0);
      CHECK(wait_for(*ring.loop, wrote) == 7);
    }
    return ring.loop->flushes_itself();
  };
  CHECK(flushes_itself_with(Durable::yes, 0));
  CHECK(flushes_itself_with(Durable::ahead, 1));
  CHECK_FALSE(flushes_itself_with(Durable::yes, 1));
  CHECK_FALSE(flushes_itself_with(Durable::ahead, 2));
  // In its own thread: who watches the file hears of the write before that is over.
  std::array<int, 2> watchers{};
  for (int& watcher : watchers) {
    watcher = ::inotify_init1(IN_CLOEXEC);
    REQUIRE(::inotify_add_watch(watcher, ring.scratch.file("f").c_str(), IN_MODIFY) >= 0);
  }
  const auto goes_on_with = [&](Durable durable, unsigned company) {
    ring.warm_up();
    const std::uint64_t before = ring.carried_out();
    std::array<Noted, 2> heard;
    Noted wrote;
    for (unsigned i = 0; i < company; ++i) ring.loop->wait_readable(watchers.at(i), heard.at(i));
    ring.loop->step(0);
    ring.loop->writev(ring.fd, &part, 1, 0, durable, wrote);
    CHECK(wait_for(*ring.loop, wrote) == 7);
    CHECK(ring.carried_out() == before + 1);
    const bool goes_on = ring.loop->flushes_itself();
    std::array<char, 4096> events;
    for (unsigned i = 0; i < company; ++i) CHECK(wait_for(*ring.loop, heard.at(i)) > 0);
    for (const int watcher : watchers) REQUIRE(::read(watcher, events.data(), events.size()) > 0);
    return goes_on;
  };
  CHECK(goes_on_with(Durable::yes, 0));
  CHECK(goes_on_with(Durable::ahead, 1));
  CHECK_FALSE(goes_on_with(Durable::yes, 1));
  CHECK_FALSE(goes_on_with(Durable::ahead, 2));
  for (const auto& pair : {ends, watchers}) {
    for (const int fd : pair) ::close(fd);
  }
}

TEST_CASE("a ring that has something else to do leaves flushes to the kernel") {
  const Ring ring;
  if (!ring.exists()) return;
  ring.warm_up();
  std::array<int, 2> ends{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
  // A step that may not wait, with nothing there.
  Noted polled;
  ring.loop->sync_data(ring.fd, polled);
  for (int turn = 0; turn < 50'000'000 && polled.calls == 0; ++turn) ring.loop->step(0);
  CHECK(polled.result == 0);
  CHECK(ring.carried_out() == 0);
  // Something that is ready.
  REQUIRE(::send(ends[1], "x", 1, 0) == 1);
  Noted readable, beside;
  ring.warm_up();
  const std::uint64_t before = ring.carried_out();
  ring.loop->wait_readable(ends[0], readable);
  ring.loop->sync_data(ring.fd, beside);
  CHECK(wait_for(*ring.loop, readable) > 0);
  while (beside.calls == 0) ring.loop->step(5);
  CHECK(beside.result == 0);
  CHECK(ring.carried_out() == before);
  CHECK_FALSE(ring.loop->flushes_itself());
  // Two at once: one of them is the kernel's.
  ring.warm_up();
  Noted first, second;
  ring.loop->sync_data(ring.fd, first);
  ring.loop->sync_data(ring.fd, second);
  CHECK(wait_for(*ring.loop, first) == 0);
  CHECK(wait_for(*ring.loop, second) == 0);
  for (const int fd : ends) ::close(fd);
}

TEST_CASE("a flush that a ring holds back can be cancelled, and ends where somebody polls") {
  const Ring ring;
  if (!ring.exists()) return;
  ring.warm_up();
  Noted cancelled, polled;
  ring.loop->sync_data(ring.fd, cancelled);
  ring.loop->cancel(cancelled);
  const int result = wait_for(*ring.loop, cancelled);
  CHECK((result == 0 || result == -ECANCELED));
  ring.warm_up();
  ring.loop->sync_data(ring.fd, polled);
  const auto descriptor = ring.loop->descriptor();
  REQUIRE(descriptor);
  CHECK_FALSE(ring.loop->flushes_itself());
  while (polled.calls == 0) {
    pollfd watched{*descriptor, POLLIN, 0};
    REQUIRE(::poll(&watched, 1, 60'000) == 1);
    ring.loop->step(0);
  }
  CHECK(polled.result == 0);
}
