#include "io/disk_image.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

namespace chimera::io {

void DiskImage::resize(std::uint64_t block_count) {
  if (block_count < block_count_) {
    const std::uint64_t kept_chunks = (block_count + pages_per_chunk - 1) / pages_per_chunk;
    std::erase_if(chunks_, [&](const auto& entry) { return entry.first >= kept_chunks; });
    const std::uint64_t end = std::min(block_count_, kept_chunks * pages_per_chunk);
    for (std::uint64_t block = block_count; block < end; ++block) {
      if (find(block) != nullptr) own(block).fill(std::byte{0});
    }
  }
  block_count_ = block_count;
}

const DiskImage::Page* DiskImage::find(std::uint64_t block) const {
  assert(block < block_count_);
  const auto chunk = chunks_.find(block / pages_per_chunk);
  return chunk == chunks_.end() ? nullptr : chunk->second->pages[block % pages_per_chunk].get();
}

/// Where the page of this block is kept, in a chunk that no other image has.
std::shared_ptr<DiskImage::Page>& DiskImage::own_place(std::uint64_t block) {
  assert(block < block_count_);
  std::shared_ptr<Chunk>& chunk = chunks_[block / pages_per_chunk];
  if (!chunk) {
    chunk = std::make_shared<Chunk>();
  } else if (chunk.use_count() > 1) {
    chunk = std::make_shared<Chunk>(*chunk);
  }
  return chunk->pages[block % pages_per_chunk];
}

DiskImage::Page& DiskImage::own(std::uint64_t block) {
  std::shared_ptr<Page>& page = own_place(block);
  if (!page) {
    page = std::make_shared<Page>();
  } else if (page.use_count() > 1) {
    page = std::make_shared<Page>(*page);
  }
  return *page;
}

void DiskImage::read_block(std::uint64_t block, std::span<std::byte, block_size> out) const {
  const Page* page = find(block);
  if (page == nullptr) {
    std::ranges::fill(out, std::byte{0});
  } else {
    std::memcpy(out.data(), page->data(), block_size);
  }
}

void DiskImage::write_block(std::uint64_t block, std::span<const std::byte, block_size> bytes) {
  std::memcpy(own(block).data(), bytes.data(), block_size);
}

void DiskImage::share_block(std::uint64_t block, std::shared_ptr<Page> page) { own_place(block) = std::move(page); }

void DiskImage::read_sector(std::uint64_t sector, std::span<std::byte, sector_size> out) const {
  const Page* page = find(sector / sectors_per_block);
  if (page == nullptr) {
    std::ranges::fill(out, std::byte{0});
  } else {
    std::memcpy(out.data(), page->data() + sector % sectors_per_block * sector_size, sector_size);
  }
}

void DiskImage::write_sector(std::uint64_t sector, std::span<const std::byte, sector_size> bytes) {
  Page& page = own(sector / sectors_per_block);
  std::memcpy(page.data() + sector % sectors_per_block * sector_size, bytes.data(), sector_size);
}

void DiskImage::flip_bit(std::uint64_t block, unsigned bit) {
  own(block)[bit / 8 % block_size] ^= static_cast<std::byte>(1u << bit % 8);
}

bool DiskImage::has_all_of(const DiskImage& other) const {
  for (const auto& [number, chunk] : other.chunks_) {
    const auto own_chunk = chunks_.find(number);
    if (own_chunk != chunks_.end() && own_chunk->second == chunk) continue;
    for (std::size_t i = 0; i < pages_per_chunk; ++i) {
      const Page* theirs = chunk->pages[i].get();
      const Page* ours = own_chunk == chunks_.end() ? nullptr : own_chunk->second->pages[i].get();
      if (theirs == nullptr || theirs == ours) continue;
      if (ours ? *ours != *theirs : *theirs != Page{}) return false;
    }
  }
  return true;
}

bool DiskImage::operator==(const DiskImage& other) const {
  return block_count_ == other.block_count_ && has_all_of(other) && other.has_all_of(*this);
}

std::uint64_t sector_mark(std::uint64_t sector, std::span<const std::byte, DiskImage::sector_size> bytes) {
  constexpr std::uint64_t factor = 0x9E3779B97F4A7C15u;
  constexpr std::size_t lanes = 4;
  std::array<std::uint64_t, lanes> sums{sector, 1, 2, 3};
  for (std::size_t at = 0; at < bytes.size(); at += lanes * sizeof(std::uint64_t)) {
    std::array<std::uint64_t, lanes> words;
    std::memcpy(words.data(), &bytes[at], sizeof words);
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      sums[lane] = (sums[lane] ^ words[lane]) * factor;
      sums[lane] ^= sums[lane] >> 32;
    }
  }
  std::uint64_t mark = 0;
  for (const std::uint64_t sum : sums) {
    mark = (mark ^ sum) * factor;
    mark ^= mark >> 29;
  }
  return mark;
}

}  // namespace chimera::io
