// There is no memory, at any moment: every call answers, the process goes on, and what was durable is there afterwards.
// Each life is a process of its own, which the fault may end without harm to the others. A program of its own, because
// it takes the place of `new`.

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>

#include "include/chimera.hpp"
#include "tests/embed/own_disk.h"
#include "tests/embed/starved.h"
#include "tests/embed/store_server.h"

using namespace chimera_testing;

namespace {

constexpr std::uint64_t disk_size = 16ull << 20;
constexpr std::uint64_t for_ever = ~std::uint64_t{0};
/// A life that does not end hangs.
constexpr unsigned longest_life_s = 120;
/// Under the sanitizers, where a process is slow to begin, fewer lives have to do.
#if defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t densely = 20, share = 5;
#else
constexpr std::uint64_t densely = 100, share = 1;
#endif

enum Verdict : int { good = 0, bad_answer = 3, cannot_be_opened = 4, content_is_lost = 5, cannot_be_closed = 6 };

/// Says why, where the child's words are seen.
Verdict because(Verdict verdict, chimera::Store& store) {
  std::fprintf(stderr, "verdict %d: %s\n", verdict, store.error());
  return verdict;
}

chimera_options usual(int loop = CHIMERA_LOOP_AUTOMATIC) {
  chimera_options options = chimera::Store::options();
  options.cache_bytes = 128ull << 20;
  options.size = disk_size;
  options.loop = loop;
  return options;
}

/// Where a store is opened, formatted or connected to.
using Opener = std::function<int(chimera_store*)>;

/// Everything that a host does, one thing after the other, whatever comes of the last.
Verdict use(const Opener& open, bool closes) {
  const char* const text =
      "open device \"d\"\nread bytes @0 #5\nwrite bytes @2M \"third\"\nbegin\nwrite bytes @3M \"fourth\"\n"
      "create device \"e\" \"\"\ncommit\nread bytes @0 #0\nclone device \"f\"\nlist devices \"\" \"\" #9\n"
      "begin\nwrite bytes @4M \"fifth\"\nabort\ndelete device\nsync\n"
      "describe device\ndescribe store";
  const char* const unfinished = "open device \"d\"\nbegin\nwrite bytes @5M \"never committed\"";
  bool is_right = true;
  const auto has = [&](int status) {
    is_right = is_right && status >= CHIMERA_E_BROKEN && status <= CHIMERA_NO_CURSOR;
  };
  chimera_program* const program = chimera_program_new();
  chimera_program* const last = chimera_program_new();
  if (program != nullptr) has(chimera_assemble(program, text));
  if (last != nullptr) has(chimera_assemble(last, unfinished));
  if (chimera_store* const store = chimera_new()) {
    has(open(store));
    chimera_session* const session = chimera_session_new(store);
    chimera_session* const second = chimera_session_new(store);
    has(chimera_descriptor(store) < 0 ? CHIMERA_E_SYSTEM : CHIMERA_OK);
    chimera_answers answers;
    has(chimera_run(session, program, &answers));
    for (int n = 0; n < 3; ++n) has(chimera_submit(n == 1 ? second : session, program, nullptr));
    has(chimera_submit(session, last, nullptr));
    chimera_result results[4];
    for (int n = 0; n < 3; ++n) {
      const int count = chimera_reap(store, results, 4, 1000);
      has(count < 0 ? count : CHIMERA_OK);
      // "No memory, and nothing was run" it cannot say, since programs have been submitted.
      is_right = is_right && count != CHIMERA_E_MEMORY;
    }
    chimera_session_free(second);
    if (closes) has(chimera_close(store));
    is_right = is_right && chimera_error(store) != nullptr;
    chimera_free(store);
  }
  chimera_program_free(program);
  chimera_program_free(last);
  return is_right ? good : bad_answer;
}

/// What was left has given up its lock, whatever was under way.
Verdict has_content(const Opener& open) {
  chimera::Store store;
  if (open(store.get()) != CHIMERA_OK) return because(cannot_be_opened, store);
  chimera::Session session(store);
  chimera::Program program;
  program.assemble("open device \"d\"\ncheck bytes @0 \"first\"\ncheck bytes @1M \"second\"");
  if (session.run(program) != CHIMERA_OK) return because(content_is_lost, store);
  return store.close() == CHIMERA_OK ? good : because(cannot_be_closed, store);
}

/// Not closed, so that there is something to be replayed when it is opened.
void make_content(const Opener& format, const Opener& open) {
  chimera::Store store;
  REQUIRE_MESSAGE(format(store.get()) == CHIMERA_OK, store.error());
  REQUIRE_MESSAGE(open(store.get()) == CHIMERA_OK, store.error());
  chimera::Session session(store);
  chimera::Program program;
  program.assemble(
      "create device \"d\" \"\"\nwrite bytes @0 \"first\"\nsync\nwrite bytes @1M \"second\"\nflush device");
  REQUIRE(session.run(program) == CHIMERA_OK);
}

struct Case {
  std::uint64_t lives;  ///< so many of each kind, about
  std::function<Verdict()> live;
  std::function<Verdict()> is_whole;      ///< afterwards, with memory
  std::function<void()> prepare = [] {};  ///< before
  std::uint64_t dense = densely;          ///< the first so many of each kind, all of them
};

/// In the child, which never comes back from here.
Verdict lead(const Case& of, std::uint64_t first, std::uint64_t last, std::uint64_t& asked) noexcept {
  ::alarm(longest_life_s);
  Verdict verdict = good;
  {
    const Starved starved(first, last);
    verdict = of.live();
  }
  asked = Starved::count();
  return verdict == good ? of.is_whole() : verdict;
}

/// What a life came to, in a process of its own; `asked` is how often it asked for memory.
int end_of(const Case& of, std::uint64_t first, std::uint64_t last, std::uint64_t& asked) {
  of.prepare();
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) ::_exit(lead(of, first, last, asked));
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/// Lives it again and again, each time with another allocation failing: alone, with some behind it, with all behind it.
/// The first of them each, then one in so many.
void starve(const Case& of) {
  void* const shared =
      ::mmap(nullptr, sizeof(std::uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  REQUIRE(shared != MAP_FAILED);
  auto& asked = *static_cast<std::uint64_t*>(shared);
  REQUIRE(end_of(of, for_ever, for_ever, asked) == good);
  const std::uint64_t all = asked;
  REQUIRE(all > 50);
  const std::uint64_t stride = std::getenv("EVERY_ALLOCATION") != nullptr ? 1 : 1 + all * share / of.lives;
  INFO("memory is asked for " << all << " times; every one of them: EVERY_ALLOCATION=1");
  for (std::uint64_t nth = 1; nth <= all; nth += nth < of.dense ? 1 : stride) {
    for (const std::uint64_t more : {std::uint64_t{0}, std::uint64_t{3}, for_ever - nth}) {
      INFO("from allocation " << nth << " on, and " << more << " more, fail");
      CHECK(end_of(of, nth, nth + more, asked) == good);
    }
  }
  ::munmap(shared, sizeof asked);
}

/// In a process of its own. What many programs have come to is asked for, and the n-th piece of memory is not there.
int reap_with_failing(std::uint64_t nth, bool& is_last) {
  constexpr int programs = 40;
  chimera::Store store;
  const chimera_options options = usual();
  if (store.open(":memory:", options) != CHIMERA_OK) return because(cannot_be_opened, store);
  chimera::Session session(store);
  chimera::Program program;
  program.assemble("sync");
  for (int n = 0; n < programs; ++n) {
    if (session.submit(program) != CHIMERA_OK) return because(bad_answer, store);
  }
  chimera_result results[programs];
  int count = 0;
  {
    const Starved starved(nth, nth);
    count = chimera_reap(store.get(), results, programs, -1);
    is_last = Starved::count() < nth;
  }
  // "Nothing has been run" it cannot say.
  return count > 0 || count == CHIMERA_E_BROKEN ? good : because(bad_answer, store);
}

}  // namespace

TEST_CASE("there is no memory when answers are asked for: they are all there, or the store says that it is broken") {
  constexpr int last_one = 99;
  int end = good;
  for (std::uint64_t nth = 1; end == good; ++nth) {
    INFO("allocation " << nth << " fails");
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      bool is_last = false;
      const int verdict = reap_with_failing(nth, is_last);
      ::_exit(verdict == good && is_last ? last_one : verdict);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    end = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    CHECK((end == good || end == last_one));
  }
}

TEST_CASE("there is no memory: a disk of the caller's own") {
  OwnDisk disk(disk_size);
  const auto with_disk = [&](chimera_store* store) {
    chimera_options options = usual();
    options.disk = disk.for_store(store);
    return options;
  };
  const Opener open = [&](chimera_store* store) {
    const chimera_options options = with_disk(store);
    return chimera_open(store, nullptr, &options);
  };
  const Opener format = [&](chimera_store* store) {
    chimera_options options = with_disk(store);
    options.overwrite = 1;
    return chimera_format(store, nullptr, &options);
  };
  make_content(format, open);
  const auto is_whole = [&] { return has_content(open); };
  SUBCASE("opened, used, closed") {
    starve({.lives = 600, .live = [&] { return use(open, true); }, .is_whole = is_whole});
  }
  SUBCASE("not closed") {
    starve({.lives = 100, .live = [&] { return use(open, false); }, .is_whole = is_whole});
  }
  SUBCASE("made") {
    const auto make = [&] {
      chimera_store* const store = chimera_new();
      if (store == nullptr) return good;
      const int status = format(store);
      chimera_free(store);
      return status >= CHIMERA_E_BROKEN && status <= CHIMERA_OK ? good : bad_answer;
    };
    const auto can_be_made = [&] {
      chimera::Store store;
      if (format(store.get()) != CHIMERA_OK || open(store.get()) != CHIMERA_OK) return because(cannot_be_opened, store);
      return store.close() == CHIMERA_OK ? good : because(cannot_be_closed, store);
    };
    starve({.lives = 300, .live = make, .is_whole = can_be_made});
  }
}

TEST_CASE("there is no memory: a file, on either loop") {
  const Scratch scratch;
  const std::string master = scratch.file("master");
  const std::string path = scratch.file("store");
  for (const int loop : {CHIMERA_LOOP_URING, CHIMERA_LOOP_POSIX}) {
    CAPTURE(loop);
    const chimera_options options = usual(loop);
    const auto opens = [&](const std::string& what) -> Opener {
      return [&options, &what](chimera_store* store) { return chimera_open(store, what.c_str(), &options); };
    };
    const Opener format = [&](chimera_store* store) {
      chimera_options wanted = options;
      wanted.overwrite = 1;
      return chimera_format(store, master.c_str(), &wanted);
    };
    {
      chimera::Store trial;
      if (const int made = format(trial.get()); made == CHIMERA_E_SYSTEM) {
        MESSAGE("left out: " << trial.error());
        continue;
      }
    }
    make_content(format, opens(master));
    const Opener opened = opens(path);
    const auto prepare = [&] {
      std::filesystem::copy_file(master, path, std::filesystem::copy_options::overwrite_existing);
    };
    starve({.lives = 100,
            .live = [&] { return use(opened, true); },
            .is_whole = [&] { return has_content(opened); },
            .prepare = prepare});
  }
}

TEST_CASE("there is no memory: a file that is served in place gives up its lock with the store") {
  const Scratch scratch;
  const std::string path = scratch.file("store");
  const std::string folder = scratch.file("images");
  std::filesystem::create_directories(folder);
  for (const int loop : {CHIMERA_LOOP_URING, CHIMERA_LOOP_POSIX}) {
    CAPTURE(loop);
    chimera_options options = usual(loop);
    options.attach = folder.c_str();
    options.overwrite = 1;
    std::ofstream(folder + "/disk.img") << "served";
    {
      chimera::Store store;
      if (const int made = store.format(path.c_str(), options); made == CHIMERA_E_SYSTEM) {
        MESSAGE("left out: " << store.error());
        continue;
      }
      REQUIRE_MESSAGE(store.open(path.c_str(), options) == CHIMERA_OK, store.error());
      chimera::Session session(store);
      chimera::Program program;
      program.assemble("create device \"d\" \"\" \"kind=file,path=disk.img\"");
      REQUIRE_MESSAGE(session.run(program) == CHIMERA_OK, store.error());
      REQUIRE(store.close() == CHIMERA_OK);
    }
    const auto run_in_it = [&](const char* text, Verdict otherwise) {
      chimera::Store store;
      if (store.open(path.c_str(), options) != CHIMERA_OK) return because(cannot_be_opened, store);
      chimera::Session session(store);
      chimera::Program program;
      return session.run(program.assemble(text)) == CHIMERA_OK ? good : because(otherwise, store);
    };
    const auto live = [&] {
      try {
        run_in_it(
            "open device \"d\"\nread bytes @0 #5\nwrite bytes @100 \"x\"\nbegin\nwrite bytes @200 \"y\"\n"
            "write length @300\ncommit\nwrite bytes @8K \"z\"\nflush device\nread bytes @8K #1",
            good);
      } catch (const std::bad_alloc&) {
        // The C++ layer's own.
      }
      return good;
    };
    const auto is_whole = [&] { return run_in_it("open device \"d\"\ncheck bytes @0 \"served\"", content_is_lost); };
    starve({.lives = 50, .live = live, .is_whole = is_whole, .dense = 1});
  }
}

TEST_CASE("there is no memory: behind a server") {
  const StoreServer server;
  const std::string address = server.address();
  const Opener connect = [&](chimera_store* store) { return chimera_connect(store, address.c_str()); };
  // What one life left unfinished there the next one finds; the server itself has to go on.
  const auto can_be_used = [&] {
    chimera::Store store;
    if (connect(store.get()) != CHIMERA_OK) return because(cannot_be_opened, store);
    chimera::Session session(store);
    chimera::Program program;
    const int status = session.run(program.assemble("list devices \"\" \"\" #9"));
    return status == CHIMERA_OK ? good : because(bad_answer, store);
  };
  starve({.lives = 150, .live = [&] { return use(connect, true); }, .is_whole = can_be_used});
}
