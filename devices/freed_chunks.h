#pragma once
// Where blocks have been freed whose space the store's host still has: a note for each MiB of the store.
//
// A block that one checkpoint frees is needed by the superblock before it, which stays on the disk until the next
// checkpoint but one. It counts if the newer superblock is damaged, so a note becomes ripe with the second publication:
// then neither superblock leads to the block any more.

#include <cstdint>
#include <optional>
#include <vector>

namespace chimera::devices {

class FreedChunks {
 public:
  static constexpr std::uint32_t chunk_blocks = 256;

  void resize(std::uint64_t block_count);
  /// The state that is being frozen frees this block.
  void note(std::uint64_t address);
  /// That state has been published.
  void published();
  /// Blocks that were noted and are not ripe yet.
  [[nodiscard]] std::uint64_t unripe() const { return freezing_count_ + published_count_; }
  [[nodiscard]] bool is_ripe(std::uint64_t chunk) const;
  /// The first ripe chunk from this one on.
  [[nodiscard]] std::optional<std::uint64_t> next(std::uint64_t chunk) const;
  void forget(std::uint64_t chunk);

 private:
  using Words = std::vector<std::uint64_t>;
  [[nodiscard]] std::uint64_t ripe_word(std::size_t word) const;

  Words freezing_;                                          ///< chunks that the coming superblock frees something in
  Words published_;                                         ///< the newest one
  Words ripe_;                                              ///< those before
  std::uint64_t freezing_count_ = 0, published_count_ = 0;  ///< blocks
};

}  // namespace chimera::devices
