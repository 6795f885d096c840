#pragma once
// What became of the commits that carried a token, so that a client that lost its connection can ask instead of
// committing twice. The last ones are kept in a device of the pool that is in no list; a store in memory keeps them as
// long as it lives. Those that failed are remembered until the store is closed.

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>

#include "devices/device.h"

namespace chimera::devices {

class Pool;
class PoolDevice;

class Outcomes {
 public:
  using Token = std::array<std::uint8_t, 16>;
  /// So many commits with a token are remembered, the last ones.
  static constexpr std::uint64_t most_kept = 65536;

  explicit Outcomes(Pool* pool);
  ~Outcomes();

  /// As `outcome of token` answers.
  enum Answer : std::uint8_t { unknown = 0, committed = 1, failed = 2 };

  /// First phase of all that follows: what is on the disk is in memory. Waits.
  Outcome load(Waiter&);
  [[nodiscard]] Answer find(const Token& token) const;
  /// First phase of `keep`, to be rehearsed: room for one more, or for the one with this sequence.
  Outcome prepare(Waiter&, std::uint64_t sequence);
  [[nodiscard]] std::uint64_t next() const { return last_ + 1; }
  /// The commit with this token has happened. Sequences begin with 1.
  void keep(const Token& token, std::uint64_t sequence);
  void note_failure(const Token& token);

 private:
  void remember(const Token& token, std::uint64_t sequence);

  Pool* pool_;
  std::unique_ptr<PoolDevice> device_;  ///< hidden before the first one is kept; null without a pool
  bool loaded_ = false;
  std::uint64_t last_ = 0;
  std::map<Token, std::uint64_t> sequences_;
  std::map<std::uint64_t, Token> tokens_;
  std::set<Token> failures_;
  std::deque<Token> failed_order_;
};

}  // namespace chimera::devices
