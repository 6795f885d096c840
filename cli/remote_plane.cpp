#include "cli/remote_plane.h"

#include <algorithm>
#include <bit>

#include "isa/limits.h"

namespace chimera::cli {
namespace {

using Done = PlaneCheck::Done;

/// What one block of a map leads to. Within it nothing is told apart without its map.
constexpr std::uint64_t map_span = 256 * limits::block_size;
/// Questions asked about damage in a plane; from then on it is told apart no finer.
constexpr std::uint64_t most_searches = 1 << 18;

bool is_damage(Status status) { return status == Status::corrupt || status == Status::io_error; }

/// Where a range is cut in two: at the multiple of the largest power of two within it, as the maps are.
std::uint64_t middle(std::uint64_t begin, std::uint64_t end) {
  return (end - 1) & ~(std::bit_floor(begin ^ (end - 1)) - 1);
}

std::uint64_t block_begin(std::uint64_t offset) { return offset / limits::block_size * limits::block_size; }

}  // namespace

PlaneCheck::Asked PlaneCheck::ask(const Question& question, std::uint64_t begin, std::uint64_t end) {
  Program program;
  question(program, begin, end - begin);
  endpoint_.send_all(program.bytes());
  return endpoint_.receive();
}

void PlaneCheck::refuse(std::uint64_t offset, const Answer& answer) {
  if (answer.status == Status::not_found) {
    gone_ = true;
  } else {
    report_.refused(offset, answer);
  }
}

Done PlaneCheck::examine(std::uint64_t begin, std::uint64_t end) {
  while (begin < end && !gone_) {
    const auto answer = ask(questions_.extents, begin, end);
    if (!answer) return std::unexpected(answer.error());
    if (is_damage(answer->status)) return search_map(begin, end, answer->status == Status::corrupt);
    if (!answer->ok()) {
      refuse(begin, *answer);
      return {};
    }
    const std::uint64_t before = begin;
    for (const Extent& extent : extents_of(*answer)) {
      const std::uint64_t extent_end = begin + std::min(extent.length, end - begin);
      const bool is_hole = (extent.flags & extent_flags::hole) != 0;
      if (is_hole) begin = extent_end;
      while (begin < extent_end && !gone_) {
        const std::uint64_t piece_end =
            begin + std::min(questions_.piece - begin % questions_.piece, extent_end - begin);
        if (auto done = verify(begin, piece_end); !done) return done;
        begin = piece_end;
      }
    }
    if (begin == before) break;
  }
  return {};
}

Done PlaneCheck::verify(std::uint64_t begin, std::uint64_t end) {
  const auto answer = ask(questions_.verify, begin, end);
  if (!answer) return std::unexpected(answer.error());
  if (answer->ok()) {
    report_.verified(end - begin);
  } else if (is_damage(answer->status)) {
    return search_data(begin, end, answer->status == Status::corrupt);
  } else {
    refuse(begin, *answer);
  }
  return {};
}

/// Nothing of the range could be verified: its halves are tried, down to the block.
Done PlaneCheck::search_data(std::uint64_t begin, std::uint64_t end, bool is_readable) {
  const bool is_a_block = block_begin(begin) == block_begin(end - 1);
  if (is_a_block || ++searches_ > most_searches) {
    report_.damaged({block_begin(begin), block_begin(end - 1) + limits::block_size, false, is_readable});
    return {};
  }
  const std::uint64_t cut = middle(begin, end);
  if (auto done = verify(begin, cut); !done || gone_) return done;
  return verify(cut, end);
}

/// Whether single blocks, spread over the range, all have no map: then one block far up is damaged, most likely, and
/// there may be no end to trying halves.
std::expected<bool, std::string> PlaneCheck::is_all_unmapped(std::uint64_t begin, std::uint64_t end) {
  constexpr std::uint64_t samples = 8;
  for (std::uint64_t n = 0; n < samples; ++n) {
    const std::uint64_t place = block_begin(begin + (end - 1 - begin) / (samples - 1) * n);
    const auto answer = ask(questions_.extents, std::max(begin, place),
                            std::min<std::uint64_t>(end - place, limits::block_size) + place);
    if (!answer) return std::unexpected(answer.error());
    if (!is_damage(answer->status)) return false;
  }
  return true;
}

/// The extents of the range could not be told.
Done PlaneCheck::search_map(std::uint64_t begin, std::uint64_t end, bool is_readable) {
  bool is_found = end - begin <= map_span || ++searches_ > most_searches;
  if (!is_found) {
    const auto unmapped = is_all_unmapped(begin, end);
    if (!unmapped) return std::unexpected(unmapped.error());
    is_found = *unmapped;
  }
  if (is_found) {
    report_.damaged({begin, end, true, is_readable});
    return {};
  }
  const std::uint64_t cut = middle(begin, end);
  if (auto done = examine(begin, cut); !done || gone_) return done;
  return examine(cut, end);
}

}  // namespace chimera::cli
