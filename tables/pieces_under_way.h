#pragma once
// Pieces of a long value on their way into a table, a transaction each, of which several are under way at a time: each
// builds on the one before it. One that is too large for a transaction is halved, and those behind it come as small.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <optional>
#include <vector>

#include "tables/change.h"
#include "tables/link.h"
#include "tables/open_table.h"
#include "tables/table.h"

namespace chimera::tables {

/// It did not fit a transaction of this store, and half of it may.
[[nodiscard]] bool is_too_large_at_once(const Failure& failure) noexcept;

/// One thread at a time. All calls are for the same table, column and plan.
class PiecesUnderWay {
 public:
  using Bytes = std::vector<std::uint8_t>;
  struct Piece {
    std::uint64_t offset;  ///< bytes that were added before it
    Bytes bytes;
    std::optional<Link::Ticket> ticket = {};  ///< none: it could not be sent
  };
  /// Joins the table, and plans the piece behind all that was planned before.
  using Plan = std::function<Result<>(OpenTable&, Change&, const Piece&)>;
  /// Pieces that are kept at most, until it is known that they have been written.
  static constexpr std::size_t most_under_way = 4;

  /// `whole_characters`: each piece that is written is so.
  explicit PiecesUnderWay(bool whole_characters = false) : whole_characters_(whole_characters) {}

  /// Waits as long as there are as many under way as may be, so a failure may be of one that was added before.
  [[nodiscard]] Result<> add(Table& table, Bytes bytes, const Plan& plan);
  /// Waits until all that was added is there.
  [[nodiscard]] Result<> settle(Table& table, const Plan& plan);
  /// Waits for what is under way, whatever becomes of it.
  void wait_and_drop(Table& table);

  /// Bytes that were added.
  [[nodiscard]] std::uint64_t size() const { return size_; }
  /// Of these, from the front on, those that are known to have been written.
  [[nodiscard]] std::uint64_t written() const { return written_; }

 private:
  [[nodiscard]] Result<> add_piece(Table& table, Bytes bytes, const Plan& plan);
  [[nodiscard]] static Result<> send(Table& table, Piece& piece, const Plan& plan);
  [[nodiscard]] Result<> write_again(Table& table, const Failure& why, const Plan& plan);
  [[nodiscard]] Result<> write(Table& table, const Piece& piece, const Plan& plan);
  [[nodiscard]] std::size_t front_of(const Bytes& bytes, std::size_t most) const;

  bool whole_characters_;
  std::uint64_t size_ = 0, written_ = 0;
  std::deque<Piece> under_way_;
  std::size_t most_now_ = most_under_way;                             ///< fewer where others change the table meanwhile
  std::size_t most_bytes_ = std::numeric_limits<std::size_t>::max();  ///< of a piece, less where it was too large
};

}  // namespace chimera::tables
