#include "tables/packed_pieces.h"

#include <fmt/format.h>

#include <cassert>

namespace chimera::tables {
namespace {

/// Pieces that are learnt at once: 256 MiB of a column by one block of its metadata.
constexpr std::uint64_t run_size = 4096;
/// Runs that are kept: 1 TiB of a column, in 16 MiB of memory.
constexpr std::size_t most_known = 4096;

}  // namespace

Result<> PackedPieces::learn(std::uint64_t first, std::uint64_t end) {
  if (first >= end) return {};
  std::vector<std::uint64_t> unknown;
  const std::uint64_t first_run = first / run_size, last_run = (end - 1) / run_size;
  for (std::uint64_t run = first_run; run <= last_run; ++run) {
    if (!known_.contains(run)) unknown.push_back(run);
  }
  if (unknown.empty()) return {};
  if (known_.size() + unknown.size() > most_known) {
    std::erase_if(known_, [&](const auto& run) { return run.first < first_run || run.first > last_run; });
  }
  Reading reading(script_, version_);
  script_.note([this] { return fmt::format("column {}, which pieces are packed", column_); });
  for (const std::uint64_t run : unknown) script_.read_metadata_bytes(device_, run * run_size, run_size);
  if (auto done = reading.run(link_, answers_); !done) return done;
  for (std::size_t i = 0; i < unknown.size(); ++i) {
    const Answers::Bytes states = answers_.bytes(1 + i);
    known_[unknown[i]].assign(states.begin(), states.end());
  }
  return {};
}

std::uint8_t PackedPieces::blocks(std::uint64_t piece) const {
  const auto run = known_.find(piece / run_size);
  assert(run != known_.end());
  return run->second[piece % run_size];
}

std::uint8_t PackedPieces::planned_blocks(std::uint64_t piece) const {
  const auto planned = planned_.find(piece);
  return planned == planned_.end() ? blocks(piece) : planned->second;
}

/// What it is may have been dropped since it was learnt: then it is written down anew.
void PackedPieces::plan(std::uint64_t piece, std::uint8_t blocks) {
  const auto run = known_.find(piece / run_size);
  if (run != known_.end() && run->second[piece % run_size] == blocks) {
    planned_.erase(piece);
  } else {
    planned_[piece] = blocks;
  }
}

/// Neighbours by one instruction.
void PackedPieces::emit(Script& script) const {
  std::vector<std::uint8_t> states;
  for (auto planned = planned_.begin(); planned != planned_.end();) {
    const std::uint64_t first = planned->first;
    states.clear();
    for (; planned != planned_.end() && planned->first == first + states.size(); ++planned) {
      states.push_back(planned->second);
    }
    script.note([&] {
      return fmt::format("column {}, pieces {} to {}: how many blocks their frames take, 0 if plain", column_, first,
                         first + states.size() - 1);
    });
    script.write_metadata_bytes(device_, first, states);
  }
}

void PackedPieces::keep() {
  for (const auto& [piece, blocks] : planned_) {
    if (const auto run = known_.find(piece / run_size); run != known_.end()) run->second[piece % run_size] = blocks;
  }
  planned_.clear();
}

void PackedPieces::forget() {
  known_.clear();
  planned_.clear();
}

}  // namespace chimera::tables
