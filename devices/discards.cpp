#include "devices/discards.h"

#include <algorithm>

#include "devices/freed_chunks.h"

namespace chimera::devices {

void Discards::enable(const Options& options) {
  options_ = options;
  if (options.least_blocks > 0) blocks_.space().note_freed();
}

bool Discards::work(bool at_rest) {
  at_rest = at_rest || options_.eager;
  if (!enabled() || under_way_ || blocks_.contradictory()) return false;
  const std::uint64_t available = blocks_.space().available();
  const std::uint64_t spare = available - std::min(available, blocks_.kept_from_discards());
  const SpaceMap::DiscardLimits limits{.least = at_rest ? options_.least_blocks : FreedChunks::chunk_blocks,
                                       .most = std::min(options_.most_blocks, spare / 4),
                                       .whole_chunks = !at_rest};
  bool more = false;
  const auto run = blocks_.space().take_discardable(limits, more);
  if (!run) return more;
  kind = Kind::discard;
  first_block = run->first;
  discarded_blocks = run->count;
  under_way_ = true;
  disk_.start(*this);
  return false;
}

void Discards::finished() {
  under_way_ = false;
  if (error == 0) {
    discarded_ += discarded_blocks;
  } else {
    refusal_ = error;
  }
  blocks_.space().discarded();
  blocks_.wake_waiting();
}

}  // namespace chimera::devices
