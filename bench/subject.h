#pragma once
// What the driver (run.py) measures: a process that prepares its work, says that it is ready, and then does it once for
// each line that it is sent, answering with one number. So two of them can be measured in turns.

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace chimera::bench {

/// Ends the process with status 1. A measurement that is not what it says is worth nothing, so every surprise ends
/// here.
[[noreturn]] void fail(const std::string& message);

/// `name=value` words of the command line.
class Arguments {
 public:
  Arguments(int count, const char* const* words);
  // Both fail if there is none of this name.
  [[nodiscard]] const std::string& text(const std::string& name) const;
  [[nodiscard]] std::uint64_t number(const std::string& name) const;
  [[nodiscard]] double seconds() const;  ///< how long a sample takes at least

 private:
  std::map<std::string, std::string> values_;
};

class Subject {
 public:
  virtual ~Subject() = default;
  /// Does the work once. Operations or bytes a second, or the seconds that one operation took.
  virtual double sample() = 0;
};

class Stopwatch {
 public:
  [[nodiscard]] double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Calls `pass`, which returns how many operations it did, until `seconds` have gone by. Operations a second.
template <typename Pass>
double rate_of(double seconds, Pass&& pass) {
  const Stopwatch watch;
  std::uint64_t operations = 0;
  do operations += pass();
  while (watch.seconds() < seconds);
  return static_cast<double>(operations) / watch.seconds();
}

// All of them, by the files that define them. Each documents its arguments there.
using Maker = std::unique_ptr<Subject> (*)(const Arguments&);
std::unique_ptr<Subject> make_byte_reads(const Arguments&);
std::unique_ptr<Subject> make_implied_byte_reads(const Arguments&);
std::unique_ptr<Subject> make_block_reads(const Arguments&);
std::unique_ptr<Subject> make_switch_loop(const Arguments&);
std::unique_ptr<Subject> make_byte_scan(const Arguments&);
std::unique_ptr<Subject> make_random_copy(const Arguments&);
std::unique_ptr<Subject> make_client(const Arguments&);
std::unique_ptr<Subject> make_random_reads(const Arguments&);
std::unique_ptr<Subject> make_random_writes(const Arguments&);
std::unique_ptr<Subject> make_sequential_reads(const Arguments&);
std::unique_ptr<Subject> make_sequential_writes(const Arguments&);
std::unique_ptr<Subject> make_commits(const Arguments&);
std::unique_ptr<Subject> make_commit_latency(const Arguments&);
std::unique_ptr<Subject> make_sqlite_upserts(const Arguments&);
std::unique_ptr<Subject> make_lmdb_puts(const Arguments&);
std::unique_ptr<Subject> make_table_inserts(const Arguments&);
std::unique_ptr<Subject> make_table_gets(const Arguments&);
std::unique_ptr<Subject> make_table_ranges(const Arguments&);
std::unique_ptr<Subject> make_table_sums(const Arguments&);
std::unique_ptr<Subject> make_table_space(const Arguments&);
std::unique_ptr<Subject> make_duckdb_sums(const Arguments&);
std::unique_ptr<Subject> make_sqlite_inserts(const Arguments&);
std::unique_ptr<Subject> make_sqlite_gets(const Arguments&);
std::unique_ptr<Subject> make_sqlite_ranges(const Arguments&);
std::unique_ptr<Subject> make_sqlite_sums(const Arguments&);
std::unique_ptr<Subject> make_sqlite_space(const Arguments&);
std::unique_ptr<Subject> make_opening(const Arguments&);
/// They fill something and return nothing to measure.
std::unique_ptr<Subject> fill_device(const Arguments&);
std::unique_ptr<Subject> fill_journal(const Arguments&);

}  // namespace chimera::bench
