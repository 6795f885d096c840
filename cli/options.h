#pragma once
// Options that several subcommands share, and how their values are read.

#include <cstdint>
#include <optional>
#include <string>

#include "devices/store.h"
#include "io/loop.h"

// CLI11 takes the compiler seconds a file; only those that make options include it.
namespace CLI {  // NOLINT(readability-identifier-naming)
class App;
class Option;
}  // namespace CLI

namespace chimera::cli {

/// How a store is opened in this process.
struct StoreOptions {
  io::LoopKind loop = io::LoopKind::automatic;
  std::uint64_t cache_bytes = 256ull << 20;
  std::uint64_t memory_bytes = devices::MemoryOptions::half_of_memory();  ///< for devices in memory
  std::string folder;  ///< below which devices may be files; empty: none
  bool read_only = false;
  bool without_journal = false;  ///< the state of the last checkpoint, to be looked at
};

/// `--io`, `--cache`, `--memory` and `--without-journal`.
void add_store_options(CLI::App& command, StoreOptions& options);

/// An option whose value is a size: a whole number with an optional K, M, G or T behind it.
CLI::Option* add_size_option(CLI::App& command, const std::string& name, std::uint64_t& bytes,
                             const std::string& description);
/// This one may be 0.
CLI::Option* add_size_option(CLI::App& command, const std::string& name, std::optional<std::uint64_t>& bytes,
                             const std::string& description);

/// An option whose value is a time: `500ms`, `10s`, `5m`, `2h`, or 0.
CLI::Option* add_time_option(CLI::App& command, const std::string& name, std::uint64_t& milliseconds,
                             const std::string& description);

/// The name of a store that is gone when the program ends.
inline constexpr const char* memory_store = ":memory:";

}  // namespace chimera::cli
