#include "io/file_disk.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <random>
#include <thread>
#include <utility>

#include "io/file_lock.h"
#include "io/kernel_file.h"
#include "io/process.h"
#include "tests/io/scratch.h"

using namespace chimera::io;
using namespace chimera::io::testing;
using Kind = DiskRequest::Kind;

namespace {

std::unique_ptr<FileDisk> opened(KernelLoop& loop, const std::string& path, OpenMode mode, std::uint64_t blocks = 0) {
  auto disk = FileDisk::open(loop, path, mode);
  if (!disk) FAIL(disk.error());
  if (blocks > 0) REQUIRE((*disk)->grow(blocks) == 0);
  return std::move(*disk);
}

std::string refusal(KernelLoop& loop, const std::string& path, OpenMode mode) {
  const auto disk = FileDisk::open(loop, path, mode);
  return disk ? "" : disk.error();
}

/// A kernel that transfers less than it is asked for, or nothing, or is interrupted.
class StingyLoop final : public KernelLoop {
 public:
  explicit StingyLoop(KernelLoop& inner) : inner_(inner) {}
  std::size_t most_bytes = 1'000'000;  ///< of each transfer
  int next_result = 0;                 ///< if negative, the next transfer ends with it
  std::size_t transfers = 0;
  std::size_t written_through = 0;
  std::size_t written_ahead = 0;
  std::size_t syncs = 0;
  std::size_t waits_for_disk = 0;

  void readv(int fd, const iovec* parts, unsigned count, std::uint64_t offset, Completion& completion) override {
    if (fail(completion)) return;
    cut(parts, count);
    inner_.readv(fd, cut_.data(), cut_count_, offset, completion);
  }
  void writev(int fd, const iovec* parts, unsigned count, std::uint64_t offset, Durable durable,
              Completion& completion) override {
    if (fail(completion)) return;
    cut(parts, count);
    written_through += durable != Durable::no ? 1 : 0;
    written_ahead += durable == Durable::ahead ? 1 : 0;
    inner_.writev(fd, cut_.data(), cut_count_, offset, durable, completion);
  }
  std::size_t step(int timeout_ms) override {
    if (failing_ == nullptr) return inner_.step(timeout_ms);
    std::exchange(failing_, nullptr)->complete(std::exchange(next_result, 0));
    return 1;
  }
  void sync_data(int fd, Completion& completion) override {
    ++syncs;
    inner_.sync_data(fd, completion);
  }
  void punch_hole(int fd, std::uint64_t offset, std::uint64_t length, Completion& completion) override {
    inner_.punch_hole(fd, offset, length, completion);
  }
  void after(std::uint64_t milliseconds, Completion& completion) override { inner_.after(milliseconds, completion); }
  void accept(int, Completion&) override {}
  void receive(int, void*, std::size_t, Completion&) override {}
  void send(int, const void*, std::size_t, Completion&) override {}
  void wait_readable(int, Completion&) override {}
  void wait_writable(int, Completion&) override {}
  void cancel(Completion&) override {}
  void register_memory(void*, std::size_t) override {}
  void waited_for_disk() override { ++waits_for_disk; }
  [[nodiscard]] std::string_view name() const noexcept override { return "stingy"; }

 private:
  bool fail(Completion& completion) {
    ++transfers;
    if (next_result < 0) failing_ = &completion;
    return next_result < 0;
  }
  void cut(const iovec* parts, unsigned count) {
    cut_.assign(parts, parts + count);
    std::size_t left = most_bytes;
    cut_count_ = 0;
    for (iovec& part : cut_) {
      if (left == 0) break;
      part.iov_len = std::min(part.iov_len, left);
      left -= part.iov_len;
      ++cut_count_;
    }
  }

  KernelLoop& inner_;
  std::vector<iovec> cut_;
  unsigned cut_count_ = 0;
  Completion* failing_ = nullptr;
};

/// With a disk of 8 blocks on each kind of loop there is, moved block by block, and memory for 4.
void with_stingy_disks(const std::function<void(StingyLoop&, FileDisk&, const Blocks&)>& test) {
  for (const LoopKind kind : {LoopKind::uring, LoopKind::posix}) {
    const auto loop = loop_of(kind);
    if (!loop) continue;
    const ScratchDirectory scratch(scratch_parents().front());
    StingyLoop stingy(*loop);
    const auto disk = opened(stingy, scratch.file("disk"), OpenMode::create, 8);
    stingy.most_bytes = 4096;
    test(stingy, *disk, Blocks(4));
  }
}

}  // namespace

TEST_CASE("a durable write is written through, or followed by a flush, and others are not") {
  with_stingy_disks([](StingyLoop& stingy, FileDisk& disk, const Blocks& memory) {
    for (const bool durable : {true, false}) {
      for (const auto& [count, is_ahead] : {std::pair(1u, false), {1u, true}, {4u, false}}) {
        stingy.written_through = stingy.written_ahead = stingy.syncs = 0;
        std::vector<std::byte*> buffers;
        for (std::size_t n = 0; n < count; ++n) buffers.push_back(memory.at(n));
        Request request(Kind::write, 1, buffers);
        request.durable = durable;
        request.ahead = is_ahead;
        disk.start(request);
        CHECK(finish(stingy, request) == 0);
        CHECK(stingy.written_through == (durable && count == 1 ? 1 : 0));
        CHECK(stingy.written_ahead == (is_ahead ? stingy.written_through : 0));
        CHECK(stingy.syncs == (durable && count > 1 ? 1 : 0));
      }
    }
  });
}

TEST_CASE("the loop is told once of each read that has ended, so that it does not look for the next") {
  with_stingy_disks([](StingyLoop& stingy, FileDisk& disk, const Blocks& memory) {
    const std::vector<std::byte*> buffers{memory.at(0), memory.at(2)};
    Request write(Kind::write, 1, buffers);
    disk.start(write);
    CHECK(finish(stingy, write) == 0);
    CHECK(stingy.waits_for_disk == 0);
    Request read(Kind::read, 1, buffers);
    disk.start(read);
    CHECK(finish(stingy, read) == 0);
    CHECK(stingy.waits_for_disk == 1);
  });
}

TEST_CASE("random requests, many under way, whatever the loop and the file system: the file is as the model") {
  for (const std::string& parent : scratch_parents()) {
    for (const LoopKind kind : {LoopKind::uring, LoopKind::posix}) {
      const auto loop = loop_of(kind);
      if (!loop) continue;
      const ScratchDirectory scratch(parent);
      constexpr std::size_t block_count = 600;
      const auto disk = opened(*loop, scratch.file("disk"), OpenMode::create, block_count);
      CHECK(disk->block_count() == block_count);
      const Blocks memory(512);
      disk->register_memory(memory.at(0), 256 * 4096);
      std::vector<unsigned> model(block_count, 0);
      std::mt19937 random(1);
      for (int round = 0; round < 12; ++round) {
        std::vector<std::unique_ptr<Request>> requests;
        std::size_t next_buffer = 0;
        std::size_t block = random() % 20;
        while (true) {  // writes that do not overlap, their buffers in some order
          const std::size_t count = 1 + random() % (round % 3 == 0 ? 256 : 40);
          if (block + count > block_count || next_buffer + count > memory.size()) break;
          std::vector<std::byte*> buffers;
          for (std::size_t i = 0; i < count; ++i) buffers.push_back(memory.at(next_buffer + i));
          if (random() % 2) std::ranges::shuffle(buffers, random);
          for (std::size_t i = 0; i < count; ++i) {
            const auto index = static_cast<std::size_t>(buffers[i] - memory.at(0)) / 4096;
            memory.fill(index, model[block + i] = static_cast<unsigned>(random() % 256));
          }
          requests.push_back(std::make_unique<Request>(Kind::write, block, buffers));
          disk->start(*requests.back());
          next_buffer += count;
          block += count + random() % 5;
        }
        for (const auto& request : requests) CHECK(finish(*loop, *request) == 0);
        CHECK(transfer(*loop, *disk, Kind::flush, 0) == 0);
        for (std::size_t start = 0; start < block_count; start += 200) {
          std::vector<std::byte*> buffers;
          for (std::size_t i = 0; i < 200; ++i) buffers.push_back(memory.at(511 - i));
          CHECK(transfer(*loop, *disk, Kind::read, start, buffers) == 0);
          for (std::size_t i = 0; i < 200; ++i) {
            if (!memory.holds(511 - i, model[start + i])) FAIL("block " << start + i << " is not as the model");
          }
        }
      }
    }
  }
}

TEST_CASE("a discard gives a file's space back, and what it leaves reads as zeros") {
  for (const std::string& parent : scratch_parents()) {
    for (const LoopKind kind : {LoopKind::uring, LoopKind::posix}) {
      const auto loop = loop_of(kind);
      if (!loop) continue;
      const ScratchDirectory scratch(parent);
      const auto disk = opened(*loop, scratch.file("disk"), OpenMode::create, 300);
      const Blocks memory(256);
      std::vector<std::byte*> buffers;
      for (std::size_t i = 0; i < 256; ++i) {
        memory.fill(i, 'a');
        buffers.push_back(memory.at(i));
      }
      CHECK(transfer(*loop, *disk, Kind::write, 0, buffers) == 0);
      CHECK(transfer(*loop, *disk, Kind::flush, 0) == 0);
      const auto blocks_of = [&] {
        struct stat status {};
        REQUIRE(::stat(scratch.file("disk").c_str(), &status) == 0);
        CHECK(status.st_size == 300 * 4096);
        return status.st_blocks / 8;
      };
      const auto before = blocks_of();
      Request discard(Kind::discard, 16);
      discard.discarded_blocks = 200;
      disk->start(discard);
      CHECK(discard.calls == 0);
      const int error = finish(*loop, discard);
      if (error == EOPNOTSUPP) {
        MESSAGE("skipped: the file system of ", parent, " cannot punch holes");
        continue;
      }
      CHECK(error == 0);
      CHECK(blocks_of() == before - 200);
      CHECK(transfer(*loop, *disk, Kind::read, 0, buffers) == 0);
      for (std::size_t i = 0; i < 256; ++i) CHECK(memory.holds(i, i >= 16 && i < 216 ? 0 : 'a'));
      Request outside(Kind::discard, 299);
      outside.discarded_blocks = 2;
      disk->start(outside);
      CHECK(finish(*loop, outside) == EIO);
    }
  }
}

TEST_CASE("short transfers are continued, none at all is an error, interruptions are tried again") {
  const auto inner = loop_of(LoopKind::posix);
  const ScratchDirectory scratch(scratch_parents()[0]);
  StingyLoop loop(*inner);
  const auto disk = opened(loop, scratch.file("disk"), OpenMode::create, 16);
  const Blocks memory(16);
  std::vector<std::byte*> buffers;
  for (std::size_t i = 0; i < 8; ++i) buffers.push_back(memory.at(i % 2 == 0 ? i + 1 : i - 1));  // no neighbours
  for (const std::size_t most : {512u, 3 * 512u, 4096u + 512u, 2 * 4096u}) {
    loop.most_bytes = most;
    for (unsigned i = 0; i < 8; ++i) memory.fill(i, i + static_cast<unsigned>(most / 512));
    CHECK(transfer(loop, *disk, Kind::write, 3, buffers) == 0);
    for (unsigned i = 0; i < 8; ++i) memory.fill(i, 0xEE);
    loop.transfers = 0;
    CHECK(transfer(loop, *disk, Kind::read, 3, buffers) == 0);
    CHECK(loop.transfers == (8 * 4096 + most - 1) / most);
    for (unsigned i = 0; i < 8; ++i) CHECK(memory.holds(i, i + static_cast<unsigned>(most / 512)));
  }
  for (const int error : {EINTR, EAGAIN}) {
    loop.next_result = -error;
    CHECK(transfer(loop, *disk, Kind::read, 3, buffers) == 0);
  }
  loop.next_result = -ENOSPC;
  CHECK(transfer(loop, *disk, Kind::write, 3, buffers) == ENOSPC);
  if (!disk->is_direct()) {
    loop.most_bytes = 100;  // not even a sector
    CHECK(transfer(loop, *disk, Kind::read, 3, buffers) == EIO);
  }
}

TEST_CASE("past the end: reads and writes are EIO, also where the file has become shorter meanwhile") {
  const auto loop = loop_of(LoopKind::posix);
  const ScratchDirectory scratch(scratch_parents()[0]);
  const auto disk = opened(*loop, scratch.file("disk"), OpenMode::create, 4);
  const Blocks memory(2);
  const std::vector<std::byte*> two{memory.at(0), memory.at(1)};
  for (const Kind kind : {Kind::read, Kind::write}) {
    CHECK(transfer(*loop, *disk, kind, 2, two) == 0);
    CHECK(transfer(*loop, *disk, kind, 3, two) == EIO);
    CHECK(transfer(*loop, *disk, kind, ~std::uint64_t{0}, two) == EIO);
  }
  struct stat status {};
  REQUIRE(::stat(scratch.file("disk").c_str(), &status) == 0);
  CHECK(status.st_size == 4 * 4096);
  REQUIRE(::truncate(scratch.file("disk").c_str(), 3 * 4096) == 0);
  CHECK(transfer(*loop, *disk, Kind::read, 2, two) == EIO);
}

TEST_CASE("a disk grows by a hole and never shrinks; a made file is its owner's alone") {
  const auto loop = loop_of(LoopKind::posix);
  const ScratchDirectory scratch(scratch_parents()[0]);
  const auto disk = opened(*loop, scratch.file("disk"), OpenMode::create);
  CHECK(disk->block_count() == 0);
  constexpr std::uint64_t sixteen_tib = 1ull << 32;
  // ext4 ends just below 16 TiB.
  CHECK(disk->grow(sixteen_tib - 1) == 0);
  CHECK(disk->grow(5) == 0);
  CHECK(disk->block_count() == sixteen_tib - 1);
  CHECK(disk->grow(~std::uint64_t{0}) == EFBIG);
  struct stat status {};
  REQUIRE(::stat(scratch.file("disk").c_str(), &status) == 0);
  CHECK(status.st_blocks < 1000);
  CHECK((status.st_mode & 0777) == 0600);
  const Blocks memory(1);
  memory.fill(0, 1);
  CHECK(transfer(*loop, *disk, Kind::read, sixteen_tib - 2, {memory.at(0)}) == 0);
  CHECK(memory.holds(0, 0));
}

TEST_CASE("opening says what is wrong") {
  const auto loop = loop_of(LoopKind::posix);
  const ScratchDirectory scratch(scratch_parents()[0]);
  CHECK(refusal(*loop, scratch.file("none"), OpenMode::read_write) ==
        scratch.file("none") + " cannot be opened: No such file or directory");
  CHECK(refusal(*loop, "/dev/null", OpenMode::read_write) == "/dev/null is neither a file nor a block device");
  CHECK(refusal(*loop, "/", OpenMode::read_only) == "/ is neither a file nor a block device");
}

TEST_CASE("one process writes, or several read: the second is told who has the store") {
  const auto loop = loop_of(LoopKind::posix);
  for (const std::string& parent : scratch_parents()) {
    const ScratchDirectory scratch(parent);
    const std::string path = scratch.file("disk");
    auto writer = opened(*loop, path, OpenMode::create, 4);
    const std::string in_use = path + " is in use by process " + std::to_string(::getpid()) + " (test_io)";
    // Another process, so that it is not our own locks that are asked.
    const pid_t child = ::fork();
    if (child == 0) {
      const bool is_told = refusal(*loop, path, OpenMode::read_write) == in_use &&
                           refusal(*loop, path, OpenMode::create) == in_use &&
                           refusal(*loop, path, OpenMode::read_only) == in_use;
      ::_exit(is_told ? 0 : 1);
    }
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    if (status != 0) MESSAGE("told: " << refusal(*loop, path, OpenMode::read_write));

    writer.reset();
    const auto reader = opened(*loop, path, OpenMode::read_only);
    CHECK(refusal(*loop, path, OpenMode::read_only).empty());
    CHECK(refusal(*loop, path, OpenMode::read_write) == in_use);
    const Blocks memory(1);
    CHECK(transfer(*loop, *reader, Kind::read, 0, {memory.at(0)}) == 0);
    CHECK(transfer(*loop, *reader, Kind::write, 0, {memory.at(0)}) == EBADF);
  }
}

TEST_CASE("a forked process that lets go of a disk leaves its parent the lock") {
  const auto loop = loop_of(LoopKind::posix);
  const ScratchDirectory scratch(temporary_parent());
  for (const bool in_place : {false, true}) {
    const std::string path = scratch.file(in_place ? "file" : "disk");
    std::unique_ptr<FileDisk> disk;
    std::unique_ptr<KernelFile> file;
    if (in_place) {
      const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
      REQUIRE(lock_file(fd, path, false));
      int error = 0;
      file = KernelFile::take(*loop, fd, std::make_shared<KernelFile::Opened>(), error);
      REQUIRE(file != nullptr);
    } else {
      disk = opened(*loop, path, OpenMode::create, 4);
    }
    const pid_t child = ::fork();
    if (child == 0) {
      disk.reset();
      file.reset();
      ::_exit(0);
    }
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    CHECK(refusal(*loop, path, OpenMode::read_write).starts_with(path + " is in use by process "));
    disk.reset();
    file.reset();
    CHECK(refusal(*loop, path, OpenMode::read_write).empty());
  }
}

TEST_CASE("a process on its way out is told from one that lives") {
  CHECK(is_living(::getpid()));
  CHECK_FALSE(is_living(0));
  const std::string front = "4711 (a) Z name) ", middle = " 1 1 1 0 -1 ",
                    behind = " 1 0 0 0 1 1 0 0 20 0 1 0 5 1 1 1 1 1 1 1 1 ";
  CHECK_FALSE(is_ending(front + "S" + middle + "4194560" + behind + "0 0 0"));
  CHECK_FALSE(is_ending(front + "S" + middle + "4194560" + behind + "16384 0 0"));  // SIGTERM
  CHECK(is_ending(front + "D" + middle + "4194560" + behind + "256 0 0"));          // SIGKILL
  CHECK(is_ending(front + "R" + middle + "4194564" + behind + "0 0 0"));
  CHECK(is_ending(front + "Z" + middle + "4194560" + behind + "0 0 0"));
  CHECK_FALSE(is_ending(""));
}

TEST_CASE("a lock of a process that has ended is waited for, also where nobody has asked for that process") {
  const ScratchDirectory scratch(temporary_parent());
  const std::string path = scratch.file("disk");
  const int held = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600), other = ::open(path.c_str(), O_RDWR);
  REQUIRE(other >= 0);
  // In place of a ring we hold what a process has locked that is no more.
  const pid_t child = ::fork();
  if (child == 0) ::_exit(::flock(held, LOCK_EX));
  siginfo_t ended{};
  REQUIRE(::waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT) == 0);
  REQUIRE(ended.si_status == 0);
  REQUIRE_FALSE(lock_file(other, path, false, 1));
  std::thread later([held] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    ::close(held);
  });
  constexpr int most_tries = 10'000;
  CHECK(lock_file(other, path, false, most_tries));
  later.join();
  REQUIRE(::waitpid(child, nullptr, 0) == child);
  ::close(other);
}

/// Another descriptor of the opening that the process has of this file, as a ring's request holds one.
int second_hold_of(const std::string& path) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (std::filesystem::read_symlink(entry.path(), gone) == path) return ::dup(std::stoi(entry.path().filename()));
  }
  return -1;
}

TEST_CASE(
    "a disk that goes gives up its lock, also where the kernel still holds the file for a ring that nobody steps") {
  for (const LoopKind kind : {LoopKind::posix, LoopKind::automatic}) {
    const auto loop = loop_of(kind);
    const ScratchDirectory scratch(temporary_parent());
    const std::string path = std::filesystem::canonical(scratch.file(".")) / "disk";
    auto disk = opened(*loop, path, OpenMode::create, 4);
    const int hold = second_hold_of(path);
    REQUIRE(hold >= 0);
    disk.reset();
    CHECK(refusal(*loop, path, OpenMode::read_write) == "");
    ::close(hold);
  }
}
