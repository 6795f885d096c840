// Several machines in one process: beside each other in one thread, and in a thread each.

#include <atomic>
#include <memory>
#include <thread>

#include "tests/embed/own_disk.h"
#include "tests/embed/places.h"
#include "tests/embed/store_server.h"

using namespace chimera_testing;

namespace {

/// Works on a device of this name, a session beside another, and says how often something was not as it should be.
int work(chimera::Store& store, const std::string& name) {
  int wrong = 0;
  chimera::Session first(store);
  chimera::Session second(store);
  chimera::Program program;
  program.assemble(("create device \"" + name + "\" \"\"").c_str());
  wrong += first.run(program) != CHIMERA_OK;
  for (int n = 0; n < 50; ++n) {
    program.clear();
    program.assemble(("open device \"" + name + "\"\nappend bytes \"" +
                      std::string(1, static_cast<char>('a' + n % 26)) + name + "\"\nflush device")
                         .c_str());
    wrong += first.submit(program) != CHIMERA_OK;
    wrong += second.submit(program) != CHIMERA_OK;
  }
  std::vector<chimera::Result> results;
  for (int left = 100; left > 0; left -= static_cast<int>(results.size())) {
    if (store.reap(results, -1) <= 0) return wrong + left;
    for (const chimera::Result& result : results) wrong += result.status != CHIMERA_OK;
  }
  program.clear();
  program.assemble("read length");
  chimera::Answers answers;
  wrong += first.run(program, answers) != CHIMERA_OK;
  wrong += answers.at(0).number() != 100 * (name.size() + 1);
  return wrong;
}

}  // namespace

TEST_CASE("several stores in one thread, each with its own words") {
  chimera::Store first;
  chimera::Store second;
  REQUIRE(first.open(":memory:") == CHIMERA_OK);
  REQUIRE(second.open(":memory:") == CHIMERA_OK);
  CHECK(work(first, "a") == 0);
  chimera::Session session(second);
  chimera::Program program;
  program.assemble("open device \"a\"");
  CHECK(session.run(program) == CHIMERA_NOT_FOUND);
  CHECK(std::string(first.error()) == "");
  CHECK(work(second, "a") == 0);
  CHECK(first.close() == CHIMERA_OK);
  CHECK(second.close() == CHIMERA_OK);
}

TEST_CASE("a store in each of many threads") {
  const Scratch scratch;
  const StoreServer server;
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int n = 0; n < 8; ++n) {
    threads.emplace_back([&, n] {
      const std::string name = "thread " + std::to_string(n);
      chimera::Store store;
      chimera_options options = chimera::Store::options();
      options.size = 32 << 20;
      options.cache_bytes = 128 << 20;
      OwnDisk disk(32 << 20);
      disk.on_start = [](OwnDisk& on, const chimera_disk_request& request) { on.hand_over(request); };
      const std::string path = scratch.file(name);
      int opened = CHIMERA_OK;
      switch (n % 4) {
        case 0: opened = store.open(":memory:"); break;
        case 1: opened = store.connect(server.address().c_str()); break;
        case 2:
          options.disk = disk.for_store(store.get());
          opened = store.format(nullptr, options);
          if (opened == CHIMERA_OK) opened = store.open(nullptr, options);
          break;
        default:
          opened = store.format(path.c_str(), options);
          if (opened == CHIMERA_OK) opened = store.open(path.c_str(), options);
      }
      wrong += opened != CHIMERA_OK;
      if (opened == CHIMERA_OK) wrong += work(store, name);
      wrong += store.close() != CHIMERA_OK;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}
