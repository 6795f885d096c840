#pragma once
// A client of a store on a simulated disk whose device `disk` has been filled.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "nbd/conversation.h"
#include "tests/devices/pool_rig.h"
#include "tests/nbd/client_bytes.h"

namespace chimera::nbd::testing {

using devices::block_size;
using devices::testing::PoolRig;

inline constexpr std::uint64_t blocks = 600;  ///< of the device

/// Whose bytes say which block it is, and which of its versions.
inline Bytes block_bytes(std::uint64_t block, std::uint64_t version) {
  Bytes bytes(block_size, static_cast<std::uint8_t>(version));
  std::memcpy(bytes.data(), &block, sizeof block);
  std::memcpy(bytes.data() + sizeof block, &version, sizeof version);
  return bytes;
}

/// An image of a store whose device `disk` has version 1 of each block.
inline io::DiskImage filled_image() {
  PoolRig rig;
  const Uuid device = rig.create("disk", "size=2400K");
  for (std::uint64_t block = 0; block < blocks; ++block) {
    rig.run_well(Program().write_bytes(device, block * block_size, block_bytes(block, 1)));
  }
  rig.checkpoint();
  return rig.disk.content();
}

/// A client of a store that has just been opened: nothing of it lies in memory.
struct DiskRig final : private Outlet {
  explicit DiskRig(std::uint64_t seed, std::uint64_t cache_bytes = limits::smallest_cache)
      : rig(filled_image(), seed, cache_bytes), random(seed) {
    conversation = std::make_unique<Conversation>(
        *rig.machine, options, transfers, statistics, [this] { is_changed = true; }, static_cast<Outlet*>(this));
    say(client_flags() + option_on(Option::go, "disk"));
    settle();
    REQUIRE_FALSE(conversation->is_negotiating());
    received.clear();
  }

  /// Requests that the client has sent, as far as they are taken; the rest comes with the next ones.
  void say(const Bytes& bytes) {
    unread = std::move(unread) + bytes;
    const std::size_t taken = conversation->take(unread);
    unread.erase(unread.begin(), unread.begin() + static_cast<std::ptrdiff_t>(taken));
  }
  void take_output() {
    if (conversation->output().empty() && conversation->is_worth_sending()) conversation->sent(0);
    while (!conversation->output().empty()) {
      const auto output = conversation->output();
      received.insert(received.end(), output.begin(), output.end());
      conversation->sent(output.size());
    }
  }
  /// Of long replies nothing, some, or all.
  std::size_t send_at_once(std::span<const std::span<const std::uint8_t>> parts) override {
    std::size_t whole = 0;
    for (const auto part : parts) whole += part.size();
    std::size_t size = whole;
    if (random.chance(takes_part_percent)) {
      size = static_cast<std::size_t>(random.below(random.chance(50) ? whole : 100));
    }
    if (size == whole) ++left_whole;
    const std::size_t end = received.size() + size;
    for (const auto part : parts) {
      const auto from = part.begin();
      received.insert(received.end(), from,
                      from + static_cast<std::ptrdiff_t>(std::min(part.size(), end - received.size())));
    }
    return size;
  }
  /// One turn, as a server has it.
  void turn() {
    rig.machine->run_ready();
    if (std::exchange(is_changed, false)) conversation->proceed();
    take_output();
    say({});
    rig.loop.step(0);
  }
  void settle() {
    unsigned turns = 0;
    do {
      turn();
      REQUIRE_LT(++turns, 100'000);
    } while (rig.machine->has_ready() || rig.loop.pending() > 0 || is_changed ||
             !(conversation->is_negotiating() || conversation->is_idle()));
  }
  [[nodiscard]] std::uint64_t measured(std::string_view name, std::string_view label = {}) const {
    for (const vm::Measurement& one : rig.machine->measure()) {
      if (one.name != name) continue;
      for (const vm::Measurement::Sample& sample : one.samples) {
        if (sample.label_value == label) return sample.value;
      }
    }
    return 0;
  }

  struct Reply {
    Error error = Error::none;
    std::uint64_t cookie = 0;
    Bytes data;
  };
  /// Of requests whose cookie says how many bytes are read, above the lowest 32 bits.
  std::vector<Reply> take_replies() {
    std::vector<Reply> replies;
    std::span<const std::uint8_t> rest = received;
    while (rest.size() >= simple_reply_size) {
      Reply reply;
      reply.error = Error{load_big<std::uint32_t>(rest.data() + 4)};
      reply.cookie = load_big<std::uint64_t>(rest.data() + 8);
      const std::size_t size = reply.error == Error::none ? static_cast<std::size_t>(reply.cookie >> 32) : 0;
      if (rest.size() < simple_reply_size + size) break;
      reply.data.assign(rest.begin() + simple_reply_size, rest.begin() + simple_reply_size + size);
      rest = rest.subspan(simple_reply_size + size);
      replies.push_back(std::move(reply));
    }
    received.erase(received.begin(), received.end() - static_cast<std::ptrdiff_t>(rest.size()));
    return replies;
  }

  PoolRig rig;
  io::SeededRandom random;
  unsigned takes_part_percent = 70;
  std::size_t left_whole = 0;  ///< long replies
  Options options;
  vm::TransferBudget transfers{limits::smallest_transfer_memory};
  Statistics statistics;
  Bytes unread, received;
  bool is_changed = true;
  std::unique_ptr<Conversation> conversation;
};

inline Bytes read_of(std::uint64_t offset, std::uint64_t size, std::uint64_t number) {
  return request(Command::read, offset, size, size << 32 | number);
}

}  // namespace chimera::nbd::testing
