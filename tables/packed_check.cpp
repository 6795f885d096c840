#include "tables/packed_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "tables/piece_reader.h"

namespace chimera::tables {
namespace {

class PieceCheck {
 public:
  PieceCheck(OpenTable& table, std::uint32_t column, const std::function<void(const std::string&)>& tell)
      : table_(table), column_(column), tell_(tell), reader_(table) {}

  Result<bool> run() {
    // Where nobody looks for packed pieces there are none.
    const std::uint64_t end = table_.packed(column_) == nullptr ? 0 : whole_pieces(table_, column_);
    if (auto done = check_packed(end); !done) return std::unexpected(std::move(done.error()));
    if (auto done = check_no_others(end); !done) return std::unexpected(std::move(done.error()));
    return are_readable_;
  }

 private:
  Result<> check_packed(std::uint64_t end) {
    PackedPieces* const pieces = table_.packed(column_);
    return look_at_written(0, end, [&](std::uint64_t first, std::uint64_t behind) -> Result<bool> {
      for (std::uint64_t piece = first; piece < behind; ++piece) {
        if (auto done = pieces->learn(piece, piece + 1); !done) return std::unexpected(std::move(done.error()));
        if (pieces->blocks(piece) == 0) continue;
        if (auto done = check_piece(piece); !done) return std::unexpected(std::move(done.error()));
      }
      return true;
    });
  }

  Result<> check_piece(std::uint64_t piece) {
    const ByteRange range[] = {bytes_of_piece(piece)};
    auto done = reader_.read(column_, range, bytes_);
    if (done || done.error().status != Status::corrupt) return done;
    std::string words = done.error().words;
    const std::string name = table_.shape().name + ", ";
    if (words.starts_with(name)) words.erase(0, name.size());
    if (words.ends_with('.')) words.pop_back();
    tell_(words);
    are_readable_ = false;
    return {};
  }

  /// From this piece on.
  Result<> check_no_others(std::uint64_t first) {
    return look_at_written(first, packed::most_pieces,
                           [&](std::uint64_t from, std::uint64_t end) { return are_zeros(from, end); });
  }

  /// Calls `look` for all pieces from `first` to `end` of which something is said, some at a time, until that gives
  /// false. A device may be very long and hold little.
  Result<> look_at_written(std::uint64_t first, std::uint64_t end,
                           const std::function<Result<bool>(std::uint64_t, std::uint64_t)>& look) {
    while (first < end) {
      Reading extents(table_.script, table_.version());
      table_.script.add(Program().read_metadata_extents(table_.shape().columns[column_].device, first, end - first));
      if (auto done = extents.run(table_.link(), table_.answers); !done) return done;
      const auto found = extents_of(table_.answers[1]);
      if (found.empty()) return {};
      for (const Extent& extent : std::vector<Extent>(found.begin(), found.end())) {
        const std::uint64_t behind = first + extent.length;
        if ((extent.flags & extent_flags::hole) == 0) {
          const auto goes_on = look(first, behind);
          if (!goes_on) return std::unexpected(goes_on.error());
          if (!*goes_on) return {};
        }
        first = behind;
      }
    }
    return {};
  }

  /// False: it has been told that they are not.
  Result<bool> are_zeros(std::uint64_t first, std::uint64_t end) {
    const Uuid& device = table_.shape().columns[column_].device;
    constexpr std::uint64_t at_once = 1 << 20;
    for (; first < end; first += std::min(at_once, end - first)) {
      Reading reading(table_.script, table_.version());
      table_.script.read_metadata_bytes(device, first, static_cast<std::uint32_t>(std::min(at_once, end - first)));
      if (auto done = reading.run(table_.link(), table_.answers); !done)
        return std::unexpected(std::move(done.error()));
      const Answers::Bytes states = table_.answers.bytes(1);
      const auto other = std::ranges::find_if(states, [](std::uint8_t state) { return state != 0; });
      if (other == states.end()) continue;
      const std::uint64_t piece = first + static_cast<std::uint64_t>(other - states.begin());
      const std::uint64_t used = table_.header().tail * table_.shape().columns[column_].width;
      const bool is_read = table_.packed(column_) != nullptr && bytes_of_piece(piece).offset < used;
      are_readable_ = are_readable_ && !is_read;
      tell_(fmt::format("column {} has piece {} marked as packed, which cannot be", table_.shape().column_name(column_),
                        piece));
      return false;
    }
    return true;
  }

  OpenTable& table_;
  std::uint32_t column_;
  const std::function<void(const std::string&)>& tell_;
  PieceReader reader_;
  std::vector<std::uint8_t> bytes_;  ///< of a piece
  bool are_readable_ = true;
};

}  // namespace

Result<bool> check_pieces(OpenTable& table, std::uint32_t column, const std::function<void(const std::string&)>& tell) {
  return PieceCheck(table, column, tell).run();
}

}  // namespace chimera::tables
