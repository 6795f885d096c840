#pragma once
// Optimistic concurrency: a table has a number, and every change of it writes one that no other change has written
// (Link::next_version). What is kept of a table in memory belongs to one such number. Who reads looks at the number
// before and behind; who writes checks it in the transaction. Numbers are compared for equality alone.

#include <cstdint>

#include "isa/uuid.h"
#include "tables/answers.h"
#include "tables/link.h"
#include "tables/script.h"

namespace chimera::tables {

/// Where the number stands (8 bytes, little-endian), and what it was when what is kept was read.
struct Version {
  Uuid device{};
  std::uint64_t offset = 0;
  std::uint64_t number = 0;

  /// Fails with `mismatch` unless the number is still this.
  void check(Script& script) const;
  /// Writes another number, which whoever commits it keeps in `number` then.
  void change(Script& script, std::uint64_t to) const;
};

/// A script of reads that all see the table at the version: between two checks. Nobody is locked; who changes the table
/// meanwhile makes it fail with `conflict`. The first instruction is number 1, since a check is number 0.
///
///     Reading reading(script, version);
///     script.read_bytes(…);
///     if (auto done = reading.run(link, answers); !done) return std::unexpected(std::move(done.error()));
///     answers.bytes(1) …
class Reading {
 public:
  /// Clears the script. Both must outlive this.
  Reading(Script& script, const Version& version);
  [[nodiscard]] Result<> run(Link& link, Answers& answers);

 private:
  Script& script_;
  const Version& version_;
};

}  // namespace chimera::tables
