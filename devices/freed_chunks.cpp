#include "devices/freed_chunks.h"

#include <bit>
#include <utility>

#include "devices/safeguards.h"

namespace chimera::devices {
namespace {

constexpr unsigned bits = 64;

std::uint64_t bit_of_chunk(std::uint64_t chunk) { return std::uint64_t{1} << chunk % bits; }

}  // namespace

void FreedChunks::resize(std::uint64_t block_count) {
  const std::uint64_t chunks = (block_count + chunk_blocks - 1) / chunk_blocks;
  for (Words* words : {&freezing_, &published_, &ripe_}) words->resize((chunks + bits - 1) / bits);
}

void FreedChunks::note(std::uint64_t address) {
  const std::uint64_t chunk = address / chunk_blocks;
  freezing_[chunk / bits] |= bit_of_chunk(chunk);
  ++freezing_count_;
}

void FreedChunks::published() {
  for (std::size_t word = 0; word < ripe_.size(); ++word) {
    ripe_[word] |= std::exchange(published_[word], std::exchange(freezing_[word], 0));
  }
  published_count_ = std::exchange(freezing_count_, 0);
}

std::uint64_t FreedChunks::ripe_word(std::size_t word) const {
  if (!safeguards::discards_wait_for_publication) return ripe_[word] | published_[word] | freezing_[word];
  return ripe_[word] & ~published_[word] & ~freezing_[word];
}

bool FreedChunks::is_ripe(std::uint64_t chunk) const {
  return chunk / bits < ripe_.size() && (ripe_word(chunk / bits) & bit_of_chunk(chunk)) != 0;
}

std::optional<std::uint64_t> FreedChunks::next(std::uint64_t chunk) const {
  std::uint64_t mask = ~std::uint64_t{0} << chunk % bits;
  for (std::size_t word = chunk / bits; word < ripe_.size(); ++word, mask = ~std::uint64_t{0}) {
    const std::uint64_t found = ripe_word(word) & mask;
    if (found != 0) return word * bits + static_cast<unsigned>(std::countr_zero(found));
  }
  return std::nullopt;
}

void FreedChunks::forget(std::uint64_t chunk) {
  for (Words* words : {&freezing_, &published_, &ripe_}) {
    if (words == &ripe_ || !safeguards::discards_wait_for_publication) {
      (*words)[chunk / bits] &= ~bit_of_chunk(chunk);
    }
  }
}

}  // namespace chimera::devices
