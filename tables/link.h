#pragma once
// Where programs go: one session of a machine in this process or behind an address. tables/ compiles every operation to
// scripts; who implements this sends them.

#include <cstddef>
#include <cstdint>
#include <expected>
#include <limits>
#include <set>
#include <string>

#include "isa/status.h"
#include "isa/uuid.h"

namespace chimera::tables {

class Script;
class Answers;

/// Why something did not succeed.
struct Failure {
  static constexpr std::size_t nowhere = std::numeric_limits<std::size_t>::max();

  Status status = Status::ok;
  std::string words;                  ///< whole sentences for the user
  std::size_t instruction = nowhere;  ///< the first instruction of the script that did not succeed, if that is why
  std::size_t row = nowhere;          ///< the place of the row that is at fault, among those that were given
  bool is_in_doubt = false;           ///< it may have happened, wholly, or not at all: its commit was sent
};

template <typename Value = void>
using Result = std::expected<Value, Failure>;

/// From the system, different each time.
[[nodiscard]] std::uint64_t random_number();

/// One session. Scripts may be sent ahead of the answers to others, and run in the order in which they were sent. One
/// thread at a time.
class Link {
 public:
  virtual ~Link() = default;

  /// Devices that say that a writer of blobs of this session is still there (BlobWriter), or a scan (Moment).
  std::set<Uuid> owners;
  /// The version that the next change of a table in this session gives it. Each session counts from a number of its
  /// own, so that a table that is brought back to an earlier state, or a clone, never gets a version again that it has
  /// had with other content. Tests may choose where it begins.
  std::uint64_t next_version = random_number();

  /// Sends a script and waits for all of its answers, which replace what `answers` held. It runs behind all that is
  /// under way, whose answers are kept until they are received. A failure is the first instruction's that did not
  /// succeed (`answers` has what all of them answered), or that the other side has gone away (`io_error`, no
  /// instruction).
  ///
  /// Scripts that change something should be one transaction, from `begin` to `commit`, and read nothing in it that the
  /// caller uses. Then a link whose connection breaks can answer what is true all the same (links/remote_link.h): it
  /// has happened, or `conflict` without an instruction: it has not. Other scripts that change something may answer
  /// `conflict` so though they have happened, or will; whoever sends them has to bear that.
  [[nodiscard]] virtual Result<> run(const Script& script, Answers& answers) = 0;

  /// What was sent, to whoever sent it.
  using Ticket = std::uint64_t;
  /// Sends a script and does not wait. Its answers have to be received, once; the caller bounds what is under way.
  [[nodiscard]] virtual Ticket send(Script script) = 0;
  /// Waits for the answers to a script that was sent. As `run` otherwise.
  [[nodiscard]] virtual Result<> receive(Ticket ticket, Answers& answers) = 0;
};

}  // namespace chimera::tables
