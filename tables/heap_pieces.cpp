#include "tables/heap_pieces.h"

#include <fmt/format.h>

#include <algorithm>

#include "isa/limits.h"
#include "tables/differences.h"
#include "tables/heap_classes.h"

namespace chimera::tables {
namespace {

/// Pieces that stay in memory between two changes; most have a kilobyte or less.
constexpr std::size_t most_pieces = 1024;

}  // namespace

Failure HeapPieces::damaged(std::uint64_t granule, std::string_view problem) const {
  return {Status::corrupt, fmt::format("\"{}\" is damaged: what is at granule {} (block {}) cannot be used, {}.", name_,
                                       granule, granule * heap_granule / limits::block_size, problem)};
}

Result<std::vector<std::uint8_t>> HeapPieces::read(std::uint64_t offset, std::uint32_t size) {
  Reading reading(script_, version_);
  script_.note([this] { return fmt::format("\"{}\": where its pieces are", name_); });
  script_.read_bytes(device_, offset, size);
  if (auto done = reading.run(link_, answers_); !done) {
    if (done.error().status != Status::out_of_range) return std::unexpected(damage_of(name_, std::move(done.error())));
    return std::unexpected(damaged(offset / heap_granule, "the device ends before it does"));
  }
  const auto bytes = answers_.bytes(1);
  return std::vector<std::uint8_t>(bytes.begin(), bytes.end());
}

Result<HeapPiece*> HeapPieces::get(HeapPiece::Kind kind, std::uint64_t granule, std::uint32_t size, bool& is_fresh) {
  const auto found = pieces_.find(granule);
  is_fresh = found == pieces_.end();
  if (!is_fresh) {
    if (found->second.kind == kind && found->second.bytes.size() == size) return &found->second;
    return std::unexpected(damaged(granule, "two things are there"));
  }
  auto bytes = read(granule * heap_granule, size);
  if (!bytes) return std::unexpected(std::move(bytes.error()));
  return &(pieces_[granule] = HeapPiece{.kind = kind, .bytes = std::move(*bytes), .before = {}});
}

Result<HeapPiece*> HeapPieces::add(HeapPiece::Kind kind, std::uint64_t granule, std::uint32_t size) {
  const auto found = pieces_.find(granule);
  const bool was_trunk = found != pieces_.end() && found->second.kind == HeapPiece::Kind::trunk;
  if (found != pieces_.end() && !(was_trunk && kind == HeapPiece::Kind::trunk)) {
    return std::unexpected(damaged(granule, "two things are there"));
  }
  changed_.push_back(granule);
  pieces_[granule] =
      HeapPiece{.kind = kind, .bytes = std::vector<std::uint8_t>(size), .before = {}, .is_changed = true};
  return &pieces_[granule];
}

std::vector<std::uint8_t>& HeapPieces::edit(std::uint64_t granule, HeapPiece& piece) {
  if (!piece.is_changed) {
    piece.is_changed = true;
    piece.before = piece.bytes;
    changed_.push_back(granule);
  }
  return piece.bytes;
}

void HeapPieces::emit(Script& script) const {
  std::vector<std::uint64_t> granules = changed_;
  std::ranges::sort(granules);
  granules.erase(std::ranges::unique(granules).begin(), granules.end());
  for (const std::uint64_t granule : granules) {
    const auto found = pieces_.find(granule);
    if (found == pieces_.end() || !found->second.is_changed) continue;
    const HeapPiece& piece = found->second;
    script.note([&] { return fmt::format("\"{}\": where its pieces are, at granule {}", name_, granule); });
    if (piece.before.empty()) {
      script.write_bytes(device_, granule * heap_granule, piece.bytes);
    } else {
      write_differences(script, device_, granule * heap_granule, piece.before, piece.bytes);
    }
  }
}

void HeapPieces::keep() {
  for (const std::uint64_t granule : changed_) {
    const auto found = pieces_.find(granule);
    if (found == pieces_.end()) continue;
    found->second.is_changed = false;
    found->second.before.clear();
  }
  changed_.clear();
  settle();
}

void HeapPieces::abandon() {
  for (const std::uint64_t granule : changed_) {
    const auto found = pieces_.find(granule);
    if (found == pieces_.end() || !found->second.is_changed) continue;
    HeapPiece& piece = found->second;
    if (piece.before.empty()) {
      pieces_.erase(found);
    } else {
      piece.bytes = std::move(piece.before);
      piece.before.clear();
      piece.is_changed = false;
    }
  }
  changed_.clear();
  settle();
}

void HeapPieces::forget() {
  pieces_.clear();
  changed_.clear();
}

void HeapPieces::settle() {
  if (pieces_.size() > most_pieces) pieces_.clear();
}

}  // namespace chimera::tables
