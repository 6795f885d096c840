#pragma once
// Options that several subcommands share, and how their values are read.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "devices/store.h"
#include "io/loop.h"

// CLI11 reads the command line. It takes the compiler seconds a file, so commands say what they take by this header
// alone.
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
  std::size_t spin_us = 0;       ///< how long the loop may look before it sleeps, where that helps
  bool keep_space = false;       ///< free space is not given back to the file system
};

/// Looks at the text of a value. Returns what is wrong with it, or nothing.
using Check = std::function<std::string(std::string& text)>;

/// An option, a flag or an operand of a subcommand. Copies are the same one; it lives as long as its subcommand.
class Option {
 public:
  explicit Option(CLI::Option* option) : option_(option) {}

  Option& required();
  Option& check(Check check);
  /// Of a size: 0 is none.
  Option& above_zero();
  /// Before anything is checked: what it leaves in its text is what the option's type reads.
  Option& rewrite(Check rewrite);
  /// Both of them together are wrong usage.
  Option& excludes(const Option& other);
  /// Without the other one this is wrong usage.
  Option& needs(const Option& other);
  /// The heading of the help under which it stands.
  Option& under(const std::string& heading);
  Option& with_default_shown();

 private:
  CLI::Option* option_;
};

// The values stay with the caller and outlive the subcommand; they are set where the command line gives them.

/// A word at its place among the operands. `name` stands in the help: `FILE`, `STORE|ADDRESS`.
Option add_operand(CLI::App& command, const std::string& name, std::string& value, const std::string& help);
/// At least one word, up to the end.
Option add_operand(CLI::App& command, const std::string& name, std::vector<std::string>& values,
                   const std::string& help);

/// `names`: `-o,--output`; `what` stands for the value in the help.
Option add_option(CLI::App& command, const std::string& names, const std::string& what, std::string& value,
                  const std::string& help);
/// May be given any number of times, a value each.
Option add_option(CLI::App& command, const std::string& names, const std::string& what,
                  std::vector<std::string>& values, const std::string& help);
Option add_option(CLI::App& command, const std::string& names, const std::string& what, unsigned& value,
                  const std::string& help);
/// A whole number from `least` to `most`.
Option add_count_option(CLI::App& command, const std::string& names, std::size_t& count, std::size_t least,
                        std::size_t most, const std::string& help);
Option add_flag(CLI::App& command, const std::string& names, bool& is_given, const std::string& help);

/// Runs when the command line has been read and this is its subcommand.
void once_read(CLI::App& command, std::function<void()> action);
/// To be called from there: ends as wrong usage, for `what` has to be given.
[[noreturn]] void refuse_without(const std::string& what);

/// `--io`, `--cache`, `--memory`, `--keep-space` and `--without-journal`.
void add_store_options(CLI::App& command, StoreOptions& options);

/// An option whose value is a size: a whole number with an optional K, M, G or T behind it.
Option add_size_option(CLI::App& command, const std::string& name, std::uint64_t& bytes,
                       const std::string& description);
/// This one may be 0.
Option add_size_option(CLI::App& command, const std::string& name, std::optional<std::uint64_t>& bytes,
                       const std::string& description);

/// An option whose value is a time: `500ms`, `10s`, `5m`, `2h`, or 0.
Option add_time_option(CLI::App& command, const std::string& name, std::uint64_t& milliseconds,
                       const std::string& description);

/// The name of a store that is gone when the program ends.
inline constexpr const char* memory_store = ":memory:";

}  // namespace chimera::cli
