#pragma once
// Reading a journal back: which of its records count.

#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <vector>

#include "devices/journal_format.h"
#include "devices/layout.h"
#include "io/disk.h"
#include "io/loop.h"

namespace chimera::devices {

struct JournalRecord {
  JournalPosition position{};
  std::uint64_t blocks = 0;                ///< that it takes in the journal
  std::uint64_t done_before = 0;           ///< bytes of instructions that the superblock's state has already
  std::vector<std::uint8_t> instructions;  ///< without those
};

/// A record that cannot be replayed since one before it is damaged.
struct LostRecord {
  std::uint64_t sequence = 0;
  std::uint64_t blocks = 0;  ///< that it takes in the journal
};

/// The records that are not part of the state of a superblock, and what is needed to replay them.
struct JournalLog {
  std::vector<JournalRecord> records;
  JournalPosition next{};               ///< behind the last of them
  std::vector<std::uint64_t> named;     ///< addresses of the blocks that they name, sorted
  bool names_twice = false;             ///< one of them: no machine has written that
  std::uint64_t newest_generation = 0;  ///< of those blocks
  bool has_remains = false;             ///< records of this epoch lie where the next one belongs, or behind
  /// Of the named blocks those that nothing says are durable; what was read may be in a cache and nowhere else.
  std::vector<std::uint64_t> unflushed;
  // Where damage has been cut off; both 0 if there was none.
  std::uint64_t first_lost = 0;  ///< sequence of the damaged record
  std::uint64_t last_lost = 0;   ///< up to this one they had been made durable, or lie there
  std::vector<LostRecord> lost;  ///< those whose headers can still be read, by sequence
};

enum class JournalDamage : std::uint8_t { refused, cut_off };

/// Reads the records from the superblock's position on. The first one that is not whole ends the log, and so does one
/// that names blocks that are not on the medium, if nothing says that it was durable. An error, for the user, where
/// something behind that end says that more was durable: the journal is damaged, and going on would lose it. There is
/// none where that damage is to be cut off.
[[nodiscard]] std::expected<JournalLog, std::string> scan_journal(io::Loop& loop, io::Disk& disk,
                                                                  const Superblock& superblock,
                                                                  JournalDamage damage = JournalDamage::refused);

/// Calls visit(device, plane, entry) for each block that a record names, up to what is no instruction. False if the
/// record holds that, or names what cannot be.
[[nodiscard]] bool each_named_block(
    const JournalRecord& record,
    const std::function<void(const Uuid& device, std::uint8_t plane, const JournalEntry& entry)>& visit);

}  // namespace chimera::devices
