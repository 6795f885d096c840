#pragma once
// What the tests of this folder share: places for files, loops of both kinds, completions and requests that remember.

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "io/disk.h"
#include "io/loop.h"

namespace chimera::io::testing {

/// A directory of its own, gone with the object.
class ScratchDirectory {
 public:
  explicit ScratchDirectory(const std::string& parent) : path_(parent + "/chimera-test-XXXXXX") {
    REQUIRE(::mkdtemp(path_.data()) != nullptr);
  }
  ~ScratchDirectory() { std::filesystem::remove_all(path_); }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

/// The path of this one is short enough for a socket, and nothing depends on its kind.
inline std::string temporary_parent() { return std::filesystem::temp_directory_path().string(); }

/// A file system on a disk (the build directory's) and one in memory.
inline std::vector<std::string> scratch_parents() {
  std::vector<std::string> parents{std::filesystem::current_path().string()};
  if (std::filesystem::is_directory("/dev/shm")) parents.emplace_back("/dev/shm");
  return parents;
}

inline std::unique_ptr<KernelLoop> loop_of(LoopKind kind) {
  std::string warning;
  auto loop = make_loop(kind, warning);
  if (loop) return std::move(*loop);
  MESSAGE("skipped: " << loop.error());
  return nullptr;
}

struct Noted final : Completion {
  static constexpr int nothing = -100'000;
  int result = nothing;
  int calls = 0;
  void complete(int value) override {
    result = value;
    ++calls;
  }
};

/// Steps until the operation has ended (it must, within some seconds).
inline int wait_for(Loop& loop, const Noted& noted) {
  for (int turn = 0; turn < 2000 && noted.calls == 0; ++turn) loop.step(5);
  REQUIRE(noted.calls == 1);
  return noted.result;
}

/// Blocks of memory, aligned as disks want it.
class Blocks {
 public:
  explicit Blocks(std::size_t count)
      : count_(count), base_(static_cast<std::byte*>(::aligned_alloc(4096, count * 4096))) {
    std::memset(base_, 0, count * 4096);
  }
  ~Blocks() { ::free(base_); }
  Blocks(const Blocks&) = delete;
  Blocks& operator=(const Blocks&) = delete;
  [[nodiscard]] std::byte* at(std::size_t index) const { return base_ + index * 4096; }
  [[nodiscard]] std::size_t size() const { return count_; }
  void fill(std::size_t index, unsigned value) const { std::memset(at(index), static_cast<int>(value), 4096); }
  [[nodiscard]] bool holds(std::size_t index, unsigned value) const {
    for (std::size_t i = 0; i < 4096; ++i) {
      if (at(index)[i] != static_cast<std::byte>(value)) return false;
    }
    return true;
  }

 private:
  std::size_t count_;
  std::byte* base_;
};

struct Request final : DiskRequest {
  std::vector<std::byte*> places;
  int calls = 0;
  Request(Kind what, std::uint64_t block, std::vector<std::byte*> to = {}) : places(std::move(to)) {
    kind = what;
    first_block = block;
    buffers = places;
  }
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;
  void finished() override { ++calls; }
};

inline int finish(Loop& loop, const Request& request) {
  for (int turn = 0; turn < 2000 && request.calls == 0; ++turn) loop.step(5);
  REQUIRE(request.calls == 1);
  return request.error;
}

inline int transfer(Loop& loop, Disk& disk, DiskRequest::Kind kind, std::uint64_t block,
                    std::vector<std::byte*> buffers = {}) {
  Request request(kind, block, std::move(buffers));
  disk.start(request);
  CHECK(request.calls == 0);
  return finish(loop, request);
}

}  // namespace chimera::io::testing
