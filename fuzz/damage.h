#pragma once
// A small good store in an image, and damage to its structures: fields are overwritten, and the checksums above them
// put right if what reads them is to be reached.

#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "devices/crc32c.h"
#include "devices/layout.h"
#include "devices/space_map.h"
#include "fuzz/check.h"
#include "io/disk_image.h"
#include "isa/bytes.h"

namespace chimera::fuzz {

class Damage {
 public:
  explicit Damage(const io::DiskImage& good) : image_(good) {
    const std::uint64_t newest = newest_superblock();
    for (const std::uint64_t place : devices::superblock_places) add_fields(place);
    const auto superblock = read<devices::Superblock>(newest);
    walk_map(newest, superblock);
    walk_pages(newest, offsetof(devices::Superblock, manifest), 2);
    walk_tree(newest, offsetof(devices::Superblock, references), superblock.references_height);
  }

  /// Overwrites as eight bytes of an input say.
  void hit(std::span<const std::uint8_t, 8> how) {
    const Field& field = fields_[load<std::uint16_t>(&how[0]) % fields_.size()];
    const auto value = load<std::uint32_t>(&how[4]);
    const std::uint64_t wide = how[2] & 8 ? ~std::uint64_t{value} : value;
    switch (how[2] % 5) {
      case 0: change(field.block, field.offset + how[3] % 4, &value, 1); break;
      case 1: change(field.block, field.offset / 8 * 8, &wide, 8); break;
      case 2: change(field.block, field.offset, &value, 4); break;
      case 3: {
        const Field& other = fields_[value % fields_.size()];
        const auto bytes = read<devices::Block>(other.block);
        change(field.block, field.offset / 16 * 16, &bytes[other.offset / 16 * 16], 16);
        break;
      }
      case 4: change(field.block, value % devices::block_size, &how[3], 1); break;
    }
  }

  /// Every checksum on the way from the changed blocks to the superblocks is right again.
  void repair() {
    for (const Link& link : links_) {
      if (link.is_map) {
        repair_entry(link);
      } else {
        repair_slot(link);
      }
    }
    for (const std::uint64_t place : devices::superblock_places) {
      auto superblock = read<devices::Superblock>(place);
      superblock.checksum = devices::crc32c(0, &superblock, offsetof(devices::Superblock, checksum));
      write(place, superblock);
    }
  }

  [[nodiscard]] const io::DiskImage& image() const { return image_; }

 private:
  /// Four bytes that are not zeros in a good store.
  struct Field {
    std::uint64_t block;
    std::size_t offset;
  };
  /// A slot, or an entry of the free-space map: where it stands, and for an entry what it is of.
  struct Link {
    std::uint64_t block;
    std::size_t offset;
    bool is_map;
    unsigned level;
    std::uint64_t page;
  };

  template <typename T>
  [[nodiscard]] T read(std::uint64_t block) const {
    static_assert(sizeof(T) == devices::block_size);
    T value;
    image_.read_block(block, std::as_writable_bytes(std::span(&value, 1)).template first<devices::block_size>());
    return value;
  }
  template <typename T>
  void write(std::uint64_t block, const T& value) {
    static_assert(sizeof(T) == devices::block_size);
    image_.write_block(block, std::as_bytes(std::span(&value, 1)).template first<devices::block_size>());
  }
  template <typename T>
  [[nodiscard]] T read_at(std::uint64_t block, std::size_t offset) const {
    const auto bytes = read<devices::Block>(block);
    T value;
    std::memcpy(&value, &bytes[offset], sizeof value);
    return value;
  }
  void change(std::uint64_t block, std::size_t offset, const void* from, std::size_t size) {
    auto bytes = read<devices::Block>(block);
    std::memcpy(&bytes[offset], from, size);
    write(block, bytes);
  }

  [[nodiscard]] std::uint64_t newest_superblock() const {
    const auto generation = [&](unsigned place) {
      return read<devices::Superblock>(devices::superblock_places[place]).generation;
    };
    return devices::superblock_places[generation(0) > generation(1) ? 0 : 1];
  }

  void add_fields(std::uint64_t block) {
    const auto words = read<std::array<std::uint32_t, devices::block_size / 4>>(block);
    for (std::size_t n = 0; n < words.size(); ++n) {
      if (words[n] != 0) fields_.push_back({block, n * sizeof words[0]});
    }
  }

  /// One group: a page of one entry, and its bitmap.
  void walk_map(std::uint64_t superblock_place, const devices::Superblock& superblock) {
    const std::uint64_t page = devices::SpaceMap::home(1, 0, superblock.space.home());
    add_fields(page);
    const auto entry = read_at<devices::SpaceEntry>(page, 0);
    add_fields(devices::SpaceMap::home(0, 0, entry.home()));
    links_.push_back({page, 0, true, 0, 0});
    links_.push_back({superblock_place, offsetof(devices::Superblock, space), true, 1, 0});
  }

  /// What a slot of the manifest leads to; `depth` 0: a page of records.
  void walk_pages(std::uint64_t block, std::size_t offset, unsigned depth) {
    const auto slot = read_at<devices::Slot>(block, offset);
    if (slot.empty()) return;
    add_fields(slot.address());
    if (depth > 0) {
      for (std::size_t n = 0; n < devices::slots_per_node; ++n) {
        walk_pages(slot.address(), n * sizeof slot, depth - 1);
      }
    } else {
      const auto page = read<devices::ManifestPage>(slot.address());
      for (std::size_t n = 0; n < page.size(); ++n) {
        for (std::size_t plane = 0; plane < page[n].roots.size(); ++plane) {
          const std::size_t root = offsetof(devices::DeviceRecord, roots) + plane * sizeof slot;
          walk_tree(slot.address(), n * sizeof page[n] + root, page[n].heights[plane]);
        }
      }
    }
    links_.push_back({block, offset, false, 0, 0});
  }

  void walk_tree(std::uint64_t block, std::size_t offset, unsigned height) {
    const auto slot = read_at<devices::Slot>(block, offset);
    if (slot.empty()) return;
    if (height > 0) {
      add_fields(slot.address());
      for (std::size_t n = 0; n < devices::slots_per_node; ++n) {
        walk_tree(slot.address(), n * sizeof slot, height - 1);
      }
    }
    links_.push_back({block, offset, false, 0, 0});
  }

  void repair_slot(const Link& link) {
    auto slot = read_at<devices::Slot>(link.block, link.offset);
    if (slot.empty() || slot.address() >= image_.block_count()) return;
    const auto bytes = read<devices::Block>(slot.address());
    const std::uint32_t checksum = devices::block_checksum(slot.address(), slot.generation(), &bytes);
    // Only the checksum: whatever else the damage made of the slot stays.
    change(link.block, link.offset + sizeof slot - sizeof checksum, &checksum, sizeof checksum);
  }

  void repair_entry(const Link& link) {
    auto entry = read_at<devices::SpaceEntry>(link.block, link.offset);
    const std::uint64_t home = devices::SpaceMap::home(link.level, link.page, entry.home());
    const auto bytes = read<devices::Block>(home);
    entry.checksum = devices::block_checksum(home, entry.generation, &bytes);
    change(link.block, link.offset, &entry, sizeof entry);
  }

  io::DiskImage image_;
  std::vector<Field> fields_;
  std::vector<Link> links_;  ///< the lower ones first
};

}  // namespace chimera::fuzz
