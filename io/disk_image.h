#pragma once
// What a disk holds, as a value: copies share all pages until one of them is written.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>

namespace chimera::io {

class DiskImage {
 public:
  static constexpr std::size_t sector_size = 512;
  static constexpr std::size_t block_size = 4096;
  static constexpr std::size_t sectors_per_block = block_size / sector_size;
  using Page = std::array<std::byte, block_size>;

  /// All zeros. Costs memory for the blocks that are written, whatever its size.
  explicit DiskImage(std::uint64_t block_count) : block_count_(block_count) {}

  [[nodiscard]] std::uint64_t block_count() const noexcept { return block_count_; }
  /// What is cut off is lost; what is added is zeros.
  void resize(std::uint64_t block_count);

  // Blocks and sectors are inside the disk.
  void read_block(std::uint64_t block, std::span<std::byte, block_size> out) const;
  void write_block(std::uint64_t block, std::span<const std::byte, block_size> bytes);
  /// The same without copying. Whoever else has the page changes it no more.
  void share_block(std::uint64_t block, std::shared_ptr<Page> page);
  void read_sector(std::uint64_t sector, std::span<std::byte, sector_size> out) const;
  void write_sector(std::uint64_t sector, std::span<const std::byte, sector_size> bytes);
  void flip_bit(std::uint64_t block, unsigned bit);  ///< bit 0 to 32,767 of the block

  /// The same size and bytes, whether or not their pages are shared.
  [[nodiscard]] bool operator==(const DiskImage& other) const;

 private:
  static constexpr std::size_t pages_per_chunk = 64;
  /// A level between, so that copying an image copies few pointers.
  struct Chunk {
    std::array<std::shared_ptr<Page>, pages_per_chunk> pages;
  };

  [[nodiscard]] const Page* find(std::uint64_t block) const;
  std::shared_ptr<Page>& own_place(std::uint64_t block);
  Page& own(std::uint64_t block);
  [[nodiscard]] bool has_all_of(const DiskImage& other) const;

  std::uint64_t block_count_;
  std::unordered_map<std::uint64_t, std::shared_ptr<Chunk>> chunks_;
};

/// A number for this content of this sector. The sum of them over all sectors stands for the content of a disk.
[[nodiscard]] std::uint64_t sector_mark(std::uint64_t sector, std::span<const std::byte, DiskImage::sector_size> bytes);

}  // namespace chimera::io
