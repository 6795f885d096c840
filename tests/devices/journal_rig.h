#pragma once
// A store whose superblocks can be held back and whose writes can be made to fail, and what a crash leaves of it.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "devices/journal_format.h"
#include "devices/salvage.h"
#include "isa/opcodes.h"
#include "tests/devices/crash_content.h"
#include "tests/devices/pool_rig.h"

namespace chimera::devices::testing {

/// What tests of the journal call a device and what is copied to.
inline const Uuid plain = numbered(1), target = numbered(5);

inline const OnProgress nobody = [](std::uint64_t, std::uint64_t) {};

[[nodiscard]] inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

[[nodiscard]] inline bool is_superblock(const io::DiskRequest& request) {
  return request.kind == io::DiskRequest::Kind::write &&
         (request.first_block == superblock_places[0] || request.first_block == superblock_places[1]);
}

class JournalDisk final : public io::Disk {
 public:
  explicit JournalDisk(io::SimulatedDisk& below) : below_(below) {}
  [[nodiscard]] std::uint64_t block_count() const noexcept override { return below_.block_count(); }
  [[nodiscard]] int grow(std::uint64_t block_count) override { return below_.grow(block_count); }
  void start(io::DiskRequest& request) override {
    if ((hold && is_superblock(request)) || (hold_flushes && request.kind == io::DiskRequest::Kind::flush)) {
      held_ = &request;
      return;
    }
    if (fails_at && fails_at(request)) {
      below_.inject({request.kind});
      fails_at = {};
    }
    below_.start(request);
  }

  /// Superblocks that are written do not come to an end.
  bool hold = false;
  /// Nor does a flush.
  bool hold_flushes = false;
  [[nodiscard]] bool holding() const { return held_ != nullptr; }
  void release() {
    hold = hold_flushes = false;
    if (held_ != nullptr) below_.start(*std::exchange(held_, nullptr));
  }
  /// The first request of which this is true fails.
  std::function<bool(const io::DiskRequest&)> fails_at;

 private:
  io::SimulatedDisk& below_;
  io::DiskRequest* held_ = nullptr;
};

class JournalRig {
 public:
  explicit JournalRig(std::uint64_t blocks = smallest_store_blocks, const FormatOptions& options = {},
                      std::uint64_t cache_bytes = limits::smallest_cache)
      : rig(blocks, 1, options), disk(rig.disk) {
    open(cache_bytes);
  }
  ~JournalRig() { close(); }
  JournalRig(const JournalRig&) = delete;
  JournalRig& operator=(const JournalRig&) = delete;

  void close() {
    disk.release();
    rig.close();
  }
  void open(std::uint64_t cache_bytes = limits::smallest_cache) {
    close();
    auto opened = vm::open_store(rig.loop, disk, {.cache_bytes = cache_bytes});
    REQUIRE_MESSAGE(opened.has_value(), error_of(opened));
    rig.machine = std::make_unique<vm::Machine>(rig.loop, std::move(*opened));
    rig.session = rig.machine->connect();
  }

  /// False if the machine comes to a stand before all has been answered.
  bool wait() {
    while (!rig.session->idle()) {
      const bool more = rig.machine->run_ready();
      if (rig.session->idle()) break;
      if (rig.loop.step(0) == 0 && !more && !rig.machine->run_ready() && !rig.session->idle()) return false;
    }
    return true;
  }
  /// Whether all of a program that has been answered has gone well.
  bool all_well(const Program& program) {
    const std::vector<Reply> replies = replies_of(program, rig.session->answers());
    rig.session->take_answers(rig.session->answers().size());
    return std::ranges::all_of(replies, [](const Reply& reply) { return reply.ok(); });
  }
  /// Runs a program. False if it does not come to its end, or not to a good one.
  bool try_run(const Program& program) {
    rig.session->feed(program.bytes());
    return wait() && all_well(program);
  }

  [[nodiscard]] const JournalWriter& writer() { return rig.pool().journal().writer(); }
  [[nodiscard]] const Superblock& superblock() { return rig.pool().checkpoint().superblock(); }
  [[nodiscard]] Content content() { return content_of(rig.loop, rig.store()); }
  /// A crash that leaves nothing but what has been flushed.
  [[nodiscard]] io::DiskImage crash() const { return rig.disk.crash_images({.enumerate_up_to = 0}).at(0); }

  PoolRig rig;
  JournalDisk disk;
};

/// The store in an image, opened by itself.
class Recovered {
 public:
  explicit Recovered(io::DiskImage image, bool read_only = true) : loop(1), disk(loop, std::move(image)) {
    auto opened = vm::open_store(loop, disk, {.cache_bytes = limits::smallest_cache, .read_only = read_only});
    error = error_of(opened);
    if (opened) store = std::move(*opened);
  }
  [[nodiscard]] Content content() { return content_of(loop, *store); }
  /// What stands at the start of a device.
  [[nodiscard]] std::uint64_t number_in(std::string_view name) {
    Device* const device = store->find(name);
    if (device == nullptr) return 0;
    std::uint64_t number = 0;
    std::vector<std::uint8_t> bytes(sizeof number);
    const Outcome outcome = finish(loop, *store, [&](Waiter& waiter) {
      const Outcome fetched = device->fetch(waiter, Plane::data, 0, bytes.size());
      if (fetched.is_ready()) device->read(Plane::data, 0, bytes);
      return fetched;
    });
    if (outcome.is_ready()) std::memcpy(&number, bytes.data(), sizeof number);
    return number;
  }

  io::SimulatedLoop loop;
  io::SimulatedDisk disk;
  std::string error;  ///< why there is no store
  std::unique_ptr<Store> store;
};

/// A small commit: a number at the start of a device.
[[nodiscard]] inline Program commit_of(const Uuid& device, std::uint64_t number) {
  std::vector<std::uint8_t> bytes(sizeof number);
  std::memcpy(bytes.data(), &number, sizeof number);
  return Program().write_bytes(device, 0, bytes).sync();
}

/// The records that would be replayed, as the pool finds them.
[[nodiscard]] inline std::vector<JournalRecord> records_of(const io::DiskImage& image) {
  io::SimulatedLoop loop(1);
  io::SimulatedDisk disk(loop, image);
  const auto store = open_store(loop, disk, {.cache_bytes = limits::smallest_cache, .read_only = true});
  REQUIRE_MESSAGE(store.has_value(), error_of(store));
  return (*store)->pool()->log().records;
}

/// Names of the instructions that records hold; "7F 80" of the journal's own.
[[nodiscard]] inline std::set<std::string> kinds_in(const std::vector<JournalRecord>& records) {
  std::set<std::string> kinds;
  for (const JournalRecord& record : records) {
    for (const Instruction& instruction : instructions_of(record.instructions)) {
      const bool own = instruction.operation == Operation::journal_record;
      kinds.insert(own ? fmt::format("7F {:02X}", instruction.extension)
                       : std::string(mnemonic(instruction.operation)));
    }
  }
  return kinds;
}

/// What a crash leaves holds what is there now.
inline void check_crash(JournalRig& journal) {
  Recovered recovered(journal.crash());
  REQUIRE_EQ(recovered.error, "");
  CHECK_EQ(difference(journal.content(), recovered.content()), "");
}

inline void check_books(const io::DiskImage& image) {
  PoolRig rig(image);
  CHECK_EQ(first_problem(rig.check()), "");
}

[[nodiscard]] inline Uuid named(PoolRig& rig, std::string_view name) {
  Device* const device = rig.store().find(name);
  REQUIRE(device != nullptr);
  return device->uuid();
}

}  // namespace chimera::devices::testing
