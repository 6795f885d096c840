// Whole columns of a fixed width that are packed in place, or unpacked, piece by piece while others go on.

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>

#include "tables/attempt.h"
#include "tables/marked_column.h"
#include "tables/packed_writes.h"
#include "tables/piece_reader.h"

namespace chimera::tables {
namespace {

/// Pieces of one transaction: enough to be worth it, and few enough to win against those who write meanwhile.
constexpr std::size_t most_at_once = 16;
/// Pieces that are looked at for some of these.
constexpr std::uint64_t looked_at_once = 4096;

/// The next pieces from `first` on that are packed, or plain; `first` is then where the next ones are to be looked for.
Result<std::vector<std::uint64_t>> next_pieces(PackedPieces& pieces, std::uint64_t& first, std::uint64_t end,
                                               bool are_packed, std::size_t most) {
  std::vector<std::uint64_t> found;
  while (first < end && found.empty()) {
    const std::uint64_t looked_at = std::min(end, first + looked_at_once);
    if (auto done = pieces.learn(first, looked_at); !done) return std::unexpected(std::move(done.error()));
    for (; first < looked_at && found.size() < most; ++first) {
      if ((pieces.blocks(first) != 0) == are_packed) found.push_back(first);
    }
  }
  return found;
}

/// Pieces that follow each other.
struct PieceRun {
  std::uint64_t first;
  std::size_t count;
};

std::vector<PieceRun> piece_runs_of(std::span<const std::uint64_t> pieces) {
  std::vector<PieceRun> runs;
  for (const RowRun& run : runs_of(pieces)) runs.push_back({run.row, run.count});
  return runs;
}

/// Plans that plain pieces are packed, as far as that gains enough. Whether there is something to commit.
Result<bool> plan_pack(OpenTable& table, Change& change, PackedPieces& pieces, std::uint32_t column,
                       std::span<const std::uint64_t> plain) {
  change.join(table);
  Reading reading(table.script, table.version());
  const std::vector<PieceRun> runs = piece_runs_of(plain);
  for (const PieceRun& run : runs) {
    const ByteRange range{run.first * packed::piece_size, run.count * packed::piece_size};
    table.script.note([&] {
      return fmt::format("column {}, {}", table.shape().column_name(column),
                         words_of_rows(table.shape(), column, range));
    });
    table.script.read_bytes(pieces.device(), range.offset, static_cast<std::uint32_t>(range.size));
  }
  if (auto done = reading.run(table.link(), table.answers); !done) return std::unexpected(std::move(done.error()));
  bool is_planned = false;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const Answers::Bytes bytes = table.answers.bytes(1 + i);
    for (std::size_t n = 0; n < runs[i].count; ++n) {
      const auto frame = pack(bytes.subspan(n * packed::piece_size, packed::piece_size));
      if (!frame) continue;
      const std::uint64_t piece = runs[i].first + n;
      change.script.note([&] {
        return fmt::format("column {}, {}: packed", table.shape().column_name(column),
                           words_of_rows(table.shape(), column, bytes_of_piece(piece)));
      });
      plan_packed(change.script, pieces, piece, *frame);
      is_planned = true;
    }
  }
  return is_planned;
}

Result<std::uint32_t> fixed_column(const TableShape& shape, std::string_view name) {
  return column_of_kind(shape, name, false);
}

/// Goes through the pieces of a column that are packed, or those that are plain, some in a transaction.
class PieceByPiece {
 public:
  PieceByPiece(Table& table, std::string_view column, bool are_packed)
      : table_(table), column_(column), are_packed_(are_packed) {}

  Result<> run() {
    for (;;) {
      tries_ = 0;
      const auto some = table_.retry<bool>([&](OpenTable& table) { return step(table); });
      if (!some && has_fewer(some.error()) && most_ > 1) {
        most_ /= 2;
        continue;
      }
      if (!some) return std::unexpected(in_the_midst(some.error()));
      if (!*some || table_.options().explained) return {};
    }
  }

 private:
  /// With fewer at a time it may go on. What is packed gives room back; what is unpacked must not take the last of it,
  /// which whoever packs it again needs.
  [[nodiscard]] bool has_fewer(const Failure& failure) const {
    return failure.status == Status::too_large || (failure.status == Status::no_space && !are_packed_);
  }

  [[nodiscard]] Failure in_the_midst(Failure failure) const {
    if (failure.status != Status::no_space) return failure;
    failure.words += are_packed_ ? "\nThe rest of the column stays compressed, and all of it can be read: "
                                   "compress it again for the space that it took before."
                                 : "\nThe rest of the column is not compressed yet, and all of it can be read.";
    return failure;
  }

  /// False at the end.
  Result<bool> step(OpenTable& table) {
    const auto column = fixed_column(table.shape(), column_);
    if (!column) return std::unexpected(column.error());
    PackedPieces* pieces = table.packed(*column);
    // Of what is only shown the column has not been marked before its pieces are to be packed.
    std::optional<PackedPieces> shown;
    if (pieces == nullptr && table.is_explained() && !are_packed_) {
      pieces = &shown.emplace(table.link(), table.version(), table.shape().columns[*column].device, column_, true);
    }
    if (pieces == nullptr) {
      if (auto now = table.confirm(); !now) return std::unexpected(std::move(now.error()));
      if (are_packed_) return false;
      return std::unexpected(Failure{
          Status::busy, fmt::format("Column {} of {} has been decompressed meanwhile.", column_, table.shape().name)});
    }
    // Whoever loses a race does with fewer, which takes less time.
    const std::size_t most = std::max<std::size_t>(most_ >> std::min(tries_++, 16u), 1);
    std::uint64_t next = next_;
    const auto found = next_pieces(*pieces, next, whole_pieces(table, *column), are_packed_, most);
    if (!found) return std::unexpected(found.error());
    if (found->empty()) {
      if (auto now = table.confirm(); !now) return std::unexpected(std::move(now.error()));
      return false;
    }
    Change change(table.link(), table.is_explained());
    if (are_packed_) {
      change.join(table);
      if (auto done = plan_plain(table, change, *column, *found); !done)
        return std::unexpected(std::move(done.error()));
    } else {
      const auto planned = plan_pack(table, change, *pieces, *column, *found);
      if (!planned) return planned;
      if (!*planned) {
        next_ = next;
        return true;
      }
    }
    if (shown) shown->emit(change.script);
    if (auto done = change.commit(); !done) return std::unexpected(std::move(done.error()));
    next_ = next;
    return true;
  }

  Table& table_;
  std::string column_;
  bool are_packed_;
  std::uint64_t next_ = 0;  ///< the piece to go on with
  std::size_t most_ = most_at_once;
  unsigned tries_ = 0;
};

/// `busy`: a piece of the column is packed.
Result<> check_all_plain(OpenTable& table, std::uint32_t column) {
  PackedPieces* const pieces = table.packed(column);
  if (pieces == nullptr) return {};
  std::uint64_t first = 0;
  const auto found = next_pieces(*pieces, first, whole_pieces(table, column), true, 1);
  if (!found) return std::unexpected(found.error());
  if (found->empty()) return {};
  return std::unexpected(Failure{Status::busy, "The column is being compressed, or written to."});
}

}  // namespace

/// The schema says first that there may be packed pieces, so that everybody looks.
Result<> Table::pack_column(std::string_view name) {
  const auto make = [&](const OpenTable& table) { return marked(table.shape(), name, false, true); };
  auto marked = change_shape(make, [&](OpenTable& table, Change& change, TableShape&) -> Result<> {
    const auto column = fixed_column(table.shape(), name);
    if (!column) return std::unexpected(column.error());
    // Until now nobody has looked at what is there.
    if (table.packed(*column) == nullptr) {
      change.script.note([&] { return fmt::format("column {}: all pieces are plain", name); });
      change.script.add(Program().clear_metadata(table.shape().columns[*column].device, 0, packed::most_pieces));
    }
    return {};
  });
  if (!marked) return marked;
  return PieceByPiece(*this, name, false).run();
}

/// The schema says so until the transaction that has seen that there are none.
Result<> Table::unpack_column(std::string_view name) {
  const auto make = [&](const OpenTable& table) { return marked(table.shape(), name, false, false); };
  for (unsigned tries = 1;; ++tries) {
    if (auto done = PieceByPiece(*this, name, true).run(); !done) return done;
    auto done = change_shape(make, [&](OpenTable& table, Change&, TableShape&) -> Result<> {
      // Of what is only shown nothing has been unpacked.
      if (table.is_explained()) return {};
      const auto column = fixed_column(table.shape(), name);
      return column ? check_all_plain(table, *column) : std::unexpected(column.error());
    });
    if (done || done.error().status != Status::busy || tries >= options_.most_tries) return done;
  }
}

}  // namespace chimera::tables
