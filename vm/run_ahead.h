#pragma once
// Running ahead: while an instruction waits for its blocks, those behind it in the stream are decoded and the reads
// that they will need are started, so that one in-order stream keeps the disk busy. It only guesses: whatever it gets
// wrong costs a read in vain and nothing else.

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include <boost/functional/hash.hpp>
#include <boost/uuid/uuid_hash.hpp>

#include "devices/store.h"
#include "isa/instruction.h"
#include "vm/registers.h"

namespace chimera::vm {

class RunAhead {
 public:
  /// So far it goes ahead of the instruction that waits: instructions, and bytes of blocks that they touch.
  static constexpr std::size_t most_instructions = 256;
  static constexpr std::uint64_t most_bytes = 16 << 20;

  /// Where in the stream the waiting instruction stands.
  struct Place {
    std::uint64_t position;                ///< bytes of the stream before it
    std::uint64_t size;                    ///< its own bytes
    std::span<const std::uint8_t> behind;  ///< what has arrived behind it
  };

  /// Goes on from where it was, or from behind the waiting instruction if the session has passed that or runs another
  /// one there. The registers are those that the waiting instruction sees.
  void run(const Instruction& waiting, const Place& place, Registers& registers, devices::Store& store);

 private:
  using Offset = std::optional<std::uint64_t>;

  /// An instruction that has been looked at.
  struct Passed {
    std::uint64_t position = 0;
    std::uint64_t bytes = 0;
  };
  /// What it will touch, where not all reads could be started at once: the map has to be there first.
  struct Unfinished {
    std::uint64_t position;
    Uuid device;
    devices::Plane plane;
    bool reads;
    std::uint64_t offset, count;
  };

  void start_over(const Place& place, Registers& registers);
  void forget_before(std::uint64_t position);
  void note(std::uint64_t position, std::uint64_t bytes);
  void go_on_with_unfinished(devices::Store& store);
  static bool start_reads(devices::Device& device, const Unfinished& what);
  /// Follows the registers over an instruction and starts its reads. The bytes that it touches; nothing if what comes
  /// behind it cannot be told.
  std::optional<std::uint64_t> follow(const Instruction& instruction, Registers& registers, devices::Store& store,
                                      bool prefetch);
  std::optional<std::uint64_t> follow_access(const Instruction& instruction, Registers& registers,
                                             devices::Store& store, bool prefetch);
  bool follow_other(const Instruction& instruction, devices::Store& store);
  [[nodiscard]] Offset cursor_of(const Uuid& uuid, Registers& registers) const;

  std::uint64_t next_ = 0;                          ///< the first position not looked at yet
  std::array<Passed, most_instructions> passed_{};  ///< a ring
  std::size_t first_passed_ = 0, passed_count_ = 0;
  std::uint64_t passed_bytes_ = 0;
  std::vector<Unfinished> unfinished_;  ///< in the order of the stream
  std::optional<Uuid> current_;
  /// The cursors that have moved since; empty ones are not known.
  std::unordered_map<Uuid, Offset, boost::hash<Uuid>> cursors_;
};

}  // namespace chimera::vm
