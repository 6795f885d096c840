// Programs that are submitted and reaped: a model of many sessions, each with many programs under way.

#include <poll.h>

#include <deque>
#include <map>
#include <memory>
#include <random>

#include "tests/embed/places.h"

using namespace chimera_testing;

namespace {

/// One session on a device of its own, and what its programs have to answer.
struct Worker {
  explicit Worker(chimera::Store& store) : session(store) {}

  chimera::Session session;
  std::string content;  ///< of its device
  struct Expected {
    int status;
    std::vector<std::string> results;  ///< of each answer that is ok, "" for one that is not
  };
  std::deque<Expected> under_way;
  std::uintptr_t submitted = 0;
  std::uintptr_t reaped = 0;
};

class Model {
 public:
  Model(chimera::Store& store, unsigned seed, std::size_t worker_count) : store_(store), random_(seed) {
    for (std::size_t n = 0; n < worker_count; ++n) {
      auto& worker = *workers_.emplace_back(std::make_unique<Worker>(store));
      REQUIRE_MESSAGE(worker.session.is_open(), store.error());
      run(store, worker.session, "create device \"worker " + std::to_string(n) + "\" \"\"");
      by_handle_[worker.session.get()] = &worker;
    }
  }

  void step() {
    Worker& worker = *workers_[random_() % workers_.size()];
    switch (random_() % 8) {
      case 0: reap(random_() % 2 == 0 ? 0 : 1000); break;
      case 1: run_now(worker); break;
      default: submit(worker);
    }
  }
  void finish() {
    while (under_way_ > 0) reap(-1);
    std::vector<chimera::Result> none;
    CHECK(store_.reap(none, -1) == 0);
    for (const auto& worker : workers_) CHECK(worker->submitted == worker->reaped);
    for (std::size_t n = 0; n < workers_.size(); ++n) run(store_, workers_[n]->session, "delete device");
  }
  [[nodiscard]] std::size_t under_way() const { return under_way_; }

  void reap(int timeout_ms) {
    std::vector<chimera::Result> results;
    const std::size_t most = 1 + random_() % 20;
    REQUIRE(store_.reap(results, timeout_ms, most) >= 0);
    if (timeout_ms < 0) CHECK(!results.empty());
    CHECK(results.size() <= most);
    for (const chimera::Result& result : results) {
      Worker& worker = *by_handle_.at(result.session);
      CHECK(reinterpret_cast<std::uintptr_t>(result.tag) == ++worker.reaped);
      compare(worker, result.status, result.all());
      CHECK((std::string(result.message).empty()) == (result.status == CHIMERA_OK));
      --under_way_;
    }
  }

  void submit(Worker& worker) {
    const chimera::Program program = make(worker);
    REQUIRE(worker.session.submit(program, reinterpret_cast<void*>(++worker.submitted)) == CHIMERA_OK);
    ++under_way_;
  }
  Worker& worker(std::size_t n) { return *workers_[n]; }

 private:
  void compare(Worker& worker, int status, const chimera::Answers& answers) {
    const Worker::Expected expected = std::move(worker.under_way.front());
    worker.under_way.pop_front();
    CHECK(status == expected.status);
    REQUIRE(answers.size() == expected.results.size());
    std::size_t n = 0;
    for (const chimera::Answer& answer : answers) {
      if (answer.ok()) CHECK((answer.text() == expected.results[n]));
      ++n;
    }
    CHECK(n == answers.size());
  }

  /// Waits for this one alone, behind all that the session has under way, which is told later.
  void run_now(Worker& worker) {
    const std::size_t before = worker.under_way.size();
    const chimera::Program program = make(worker);
    chimera::Answers answers;
    const int status = worker.session.run(program, answers);
    const Worker::Expected expected = worker.under_way.back();
    worker.under_way.pop_back();
    CHECK(worker.under_way.size() == before);
    worker.under_way.push_front(expected);
    compare(worker, status, answers);
  }

  chimera::Program make(Worker& worker) {
    chimera::Program program;
    Worker::Expected expected{CHIMERA_OK, {}};
    for (auto left = 1 + random_() % 6; left > 0; --left) {
      const std::size_t offset = random_() % 20'000;
      const std::size_t count = random_() % 9 == 0 ? 10'000 : random_() % 40;
      chimera_instruction instruction{};
      std::string payload(count, static_cast<char>('a' + random_() % 26));
      switch (random_() % 5) {
        case 0:
        case 1:
          instruction = {.operation = CHIMERA_OP_WRITE_BYTES,
                         CHIMERA_AT(offset),
                         .payload = payload.data(),
                         .payload_size = count};
          expected.results.emplace_back();
          if (count == 0) break;  // behind the end too: it is done, and grows nothing
          if (worker.content.size() < offset + count) worker.content.resize(offset + count);
          worker.content.replace(offset, count, payload);
          break;
        case 2:
          instruction.operation = CHIMERA_OP_FLUSH_DEVICE;
          expected.results.emplace_back();
          break;
        default:
          instruction = {.operation = CHIMERA_OP_READ_BYTES, CHIMERA_AT(offset), .count = count};
          if (offset + count > worker.content.size()) {
            if (expected.status == CHIMERA_OK) expected.status = CHIMERA_OUT_OF_RANGE;
            expected.results.emplace_back();
          } else {
            expected.results.push_back(worker.content.substr(offset, count));
          }
      }
      program.add(instruction);
    }
    REQUIRE_MESSAGE(std::string(program.error()).empty(), program.error());
    worker.under_way.push_back(std::move(expected));
    return program;
  }

  chimera::Store& store_;
  std::mt19937 random_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::map<chimera_session*, Worker*> by_handle_;
  std::size_t under_way_ = 0;
};

bool is_ready(int descriptor, int timeout_ms) {
  pollfd waiting{descriptor, POLLIN, 0};
  return ::poll(&waiting, 1, timeout_ms) == 1;
}

}  // namespace

TEST_CASE("many programs of many sessions under way agree with the model") {
  with_each_place([](Place& place) {
    for (unsigned seed = 1; seed <= 3; ++seed) {
      CAPTURE(seed);
      chimera::Store store;
      REQUIRE(place.open(store) == CHIMERA_OK);
      Model model(store, seed, 7);
      for (int step = 0; step < 600; ++step) model.step();
      model.finish();
      CHECK(store.close() == CHIMERA_OK);
    }
  });
}

TEST_CASE("a host with a loop of its own does nothing but poll and reap without waiting") {
  with_each_place([](Place& place) {
    chimera::Store store;
    REQUIRE(place.open(store) == CHIMERA_OK);
    Model model(store, 11, 5);
    const int descriptor = store.descriptor();
    REQUIRE_MESSAGE(descriptor >= 0, store.error());
    CHECK(store.descriptor() == descriptor);
    for (int round = 0; round < 40; ++round) {
      for (std::size_t n = 0; n < 25; ++n) model.submit(model.worker(n % 5));
      constexpr int long_enough_ms = 60'000;
      while (model.under_way() > 0) {
        REQUIRE(is_ready(descriptor, long_enough_ms));
        model.reap(0);
      }
    }
    // Then there is peace: background work may take some turns more.
    int turns = 0;
    for (; is_ready(descriptor, 0) && turns < 10'000; ++turns) model.reap(0);
    CHECK(turns < 10'000);
    model.finish();
    CHECK(store.close() == CHIMERA_OK);
  });
}

TEST_CASE("results that there was no room for are told by the next reap, and the descriptor says so") {
  with_each_place([](Place& place) {
    chimera::Store store;
    REQUIRE(place.open(store) == CHIMERA_OK);
    chimera::Session session(store);
    const int descriptor = store.descriptor();
    chimera::Program program;
    program.assemble("hello");
    for (std::uintptr_t tag = 1; tag <= 3; ++tag) CHECK(session.submit(program, reinterpret_cast<void*>(tag)) == 0);
    // A session that goes takes what it had under way with it, and what was not told.
    {
      chimera::Session other(store);
      CHECK(other.submit(program) == CHIMERA_OK);
    }
    std::vector<chimera::Result> results;
    for (std::uintptr_t tag = 1; tag <= 3; ++tag) {
      REQUIRE(is_ready(descriptor, 60'000));
      REQUIRE(store.reap(results, -1, 1) == 1);
      CHECK(results[0].tag == reinterpret_cast<void*>(tag));
      CHECK(results[0].session == session.get());
      CHECK(results[0].all().size() == 1);
    }
    CHECK(store.reap(results, -1, 1) == 0);
    CHECK(store.close() == CHIMERA_OK);
  });
}

TEST_CASE("a program is taken as it was when it was submitted") {
  with_each_place([](Place& place) {
    chimera::Store store;
    REQUIRE(place.open(store) == CHIMERA_OK);
    chimera::Session session(store);
    run(store, session, "create device \"d\" \"\"\nwrite bytes @0 \"0123456789\"");
    chimera::Program program;
    for (int n = 0; n < 10; ++n) {
      if (n % 2 == 0) program.clear();
      program.assemble(("read byte @" + std::to_string(n)).c_str());
      CHECK(session.submit(program) == CHIMERA_OK);
    }
    program = chimera::Program();
    std::vector<chimera::Result> results;
    for (std::size_t told = 0; told < 10; told += results.size()) {
      REQUIRE(store.reap(results, -1) > 0);
      for (std::size_t n = 0; n < results.size(); ++n) {
        const chimera::Answers answers = results[n].all();
        REQUIRE(answers.size() == 1 + (told + n) % 2);
        CHECK(answers.at(answers.size() - 1).number() == '0' + told + n);
      }
    }
    run(store, session, "delete device");
    CHECK(store.close() == CHIMERA_OK);
  });
}
