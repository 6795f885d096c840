#pragma once
// Stores on disks: making, opening, growing and checking them.

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "devices/discards.h"
#include "devices/store.h"
#include "io/disk.h"
#include "io/loop.h"

namespace chimera::devices {

struct OpenOptions {
  std::uint64_t cache_bytes = 256ull << 20;  ///< at least limits::smallest_cache
  bool any_cache = false;                    ///< even less will do: nothing large will be moved, as in simulations
  bool read_only = false;                    ///< nothing is written to the disk; writing instructions answer 17
  bool without_journal = false;              ///< the state of the last checkpoint, to be looked at
  bool salvage = false;                      ///< what is damaged is given up first (devices/salvage.h)
  /// What is freed is given back to the disk, unless the store is to keep its space (FormatOptions).
  Discards::Options discards;
  std::uint64_t most_memory_bytes = MemoryOptions::half_of_memory();  ///< for devices in memory
  std::shared_ptr<io::Folder> folder;  ///< below which devices are files; null: those that there are cannot be reached
};

/// What the first blocks of a disk say it is.
enum class Contents : std::uint8_t { blank, store, damaged_store, newer_store, other };
[[nodiscard]] std::expected<Contents, std::string> identify(io::Loop&, io::Disk&);

/// Overwrites the whole disk with zeros, so that a file system has placed every block of a file before a store is made
/// in it: writes are faster then, and never find the file system full. `progress` counts blocks.
/// The error is the system's words.
[[nodiscard]] std::expected<void, std::string> preallocate(
    io::Loop&, io::Disk&, const std::function<void(std::uint64_t done, std::uint64_t all)>& progress);
struct FormatOptions {
  /// Bytes of the journal: 0 for none (a flush is a checkpoint then), else from limits::smallest_journal to
  /// limits::largest_journal and a quarter of the store. By default a sixteenth of the store within 2 to 64 MiB.
  std::optional<std::uint64_t> journal_bytes;
  /// Free space is never given back to the disk of itself: the store was preallocated.
  bool keeps_space = false;
};
/// Makes an empty store that fills the disk (at least 16 MiB). Overwrites without asking.
[[nodiscard]] std::expected<void, std::string> format(io::Loop&, io::Disk&, const FormatOptions& = {});
/// Opens a store; the loop and the disk must outlive it. Errors are whole sentences for the user. To use it, open a
/// machine on it (vm::Machine::open), which replays the journal.
[[nodiscard]] std::expected<std::unique_ptr<Store>, std::string> open_store(io::Loop&, io::Disk&, const OpenOptions&);
/// Takes the disk's present size into use, on an open store; durable when it returns.
[[nodiscard]] std::expected<void, std::string> grow(io::Loop&, Store&);

/// Gives all free blocks back to the disk, on an open store that nobody else uses; what is deleted is freed first. How
/// many bytes that were. Blocks that were given back before count again.
[[nodiscard]] std::expected<std::uint64_t, std::string> trim(io::Loop&, Store&);

/// A record of the journal that is not part of the last checkpoint's state: opening the store runs it again.
struct WaitingRecord {
  std::uint64_t sequence = 0;
  std::uint64_t offset = 0;  ///< bytes, of its first block in the store
  std::uint64_t size = 0;    ///< bytes that it takes in the journal
  std::vector<std::uint8_t> instructions;
};
struct WaitingJournal {
  std::uint64_t size = 0;        ///< bytes; 0: the store has none
  std::uint64_t generation = 0;  ///< of the checkpoint that the records follow
  std::vector<WaitingRecord> records;
};
/// Reads the journal as it lies on the disk, of a store that was opened without it. The error is a sentence.
[[nodiscard]] std::expected<WaitingJournal, std::string> read_journal(io::Loop&, Store&);

struct CheckReport {
  std::uint64_t devices = 0, data_blocks = 0, map_blocks = 0, other_blocks = 0, shared_blocks = 0, free_blocks = 0;
  std::uint64_t bad_checksums = 0, leaked_blocks = 0, misbooked_blocks = 0;  ///< misbooked: used but marked free, or
                                                                             ///< a wrong reference count
  std::uint64_t unreadable_blocks = 0;
  std::uint64_t journal_records = 0;      ///< that wait to be replayed
  std::uint64_t damaged_superblocks = 0;  ///< perhaps torn by a crash, so it is no problem if the other one is good
  std::uint64_t problem_count = 0;
  std::vector<std::string> problems;  ///< a line each, at most 100
};
/// Walks everything, reads every block, compares the books. The store is otherwise idle.
[[nodiscard]] CheckReport check(io::Loop&, Store&,
                                const std::function<void(std::uint64_t done, std::uint64_t all)>& progress);

}  // namespace chimera::devices
