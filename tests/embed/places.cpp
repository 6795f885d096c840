#include "tests/embed/places.h"

#include <memory>

#include "tests/embed/own_disk.h"
#include "tests/embed/store_server.h"

namespace chimera_testing {
namespace {

constexpr std::uint64_t store_size = 64ull << 20;

chimera_options with(int loop) {
  chimera_options options = chimera::Store::options();
  options.cache_bytes = 128ull << 20;
  options.loop = loop;
  options.size = store_size;
  return options;
}

class MemoryPlace final : public Place {
 public:
  std::string name() const override { return "in memory"; }
  int open(chimera::Store& store) override { return store.open(":memory:"); }
  bool keeps() const override { return false; }
};

class FilePlace final : public Place {
 public:
  explicit FilePlace(int loop) : options_(with(loop)) {}
  std::string name() const override { return options_.loop == CHIMERA_LOOP_URING ? "file, uring" : "file, posix"; }
  int open(chimera::Store& store) override {
    if (!std::exchange(is_made_, true)) {
      const int made = store.format(path_.c_str(), options_);
      if (made != CHIMERA_OK) return made;
    }
    return store.open(path_.c_str(), options_);
  }

 private:
  chimera_options options_;
  Scratch scratch_;
  std::string path_ = scratch_.file("store");
  bool is_made_ = false;
};

class OwnDiskPlace final : public Place {
 public:
  explicit OwnDiskPlace(bool has_thread) : has_thread_(has_thread) {
    if (has_thread) {
      disk_.on_start = [](OwnDisk& disk, const chimera_disk_request& request) { disk.hand_over(request); };
    }
  }
  std::string name() const override { return has_thread_ ? "own disk, a thread" : "own disk, at once"; }
  int open(chimera::Store& store) override {
    chimera_options options = with(CHIMERA_LOOP_AUTOMATIC);
    options.disk = disk_.for_store(store.get());
    if (!std::exchange(is_made_, true)) {
      const int made = store.format(nullptr, options);
      if (made != CHIMERA_OK) return made;
    }
    return store.open(nullptr, options);
  }

 private:
  bool has_thread_;
  OwnDisk disk_{store_size};
  bool is_made_ = false;
};

class ServerPlace final : public Place {
 public:
  std::string name() const override { return "behind a server"; }
  int open(chimera::Store& store) override { return store.connect(server_.address().c_str()); }

 private:
  StoreServer server_;
};

}  // namespace

void with_each_place(const std::function<void(Place&)>& body) {
  const auto visit = [&](Place& place) {
    CAPTURE(place.name());
    chimera::Store trial;
    const int opened = place.open(trial);
    if (opened == CHIMERA_E_SYSTEM) {
      MESSAGE("left out: " << place.name() << ": " << trial.error());
      return;
    }
    REQUIRE_MESSAGE(opened == CHIMERA_OK, trial.error());
    REQUIRE(trial.close() == CHIMERA_OK);
    body(place);
  };
  visit(*std::make_unique<MemoryPlace>());
  visit(*std::make_unique<FilePlace>(CHIMERA_LOOP_URING));
  visit(*std::make_unique<FilePlace>(CHIMERA_LOOP_POSIX));
  visit(*std::make_unique<OwnDiskPlace>(false));
  visit(*std::make_unique<OwnDiskPlace>(true));
  visit(*std::make_unique<ServerPlace>());
}

chimera::Answers run(chimera::Store& store, chimera::Session& session, const std::string& text) {
  chimera::Program program;
  program.assemble(text.c_str());
  chimera::Answers answers;
  REQUIRE_MESSAGE(session.run(program, answers) == CHIMERA_OK, store.error());
  return answers;
}

}  // namespace chimera_testing
