#pragma once
// A small store in an image, whose structures can be changed with right checksums. Only stores of one group whose list
// of devices has one page.

#include <cstring>
#include <span>

#include "devices/crc32c.h"
#include "devices/layout.h"
#include "devices/space_map.h"
#include "io/disk_image.h"
#include "tests/devices/pool_rig.h"

namespace chimera::devices::testing {

/// Two devices of one node each ("other", 2, and "d", 1, with columns), one of two levels ("wide", 3), and its clone.
[[nodiscard]] inline io::DiskImage store_to_damage(const FormatOptions& options = {}) {
  constexpr std::uint64_t far = 2u << 20;
  PoolRig rig(smallest_store_blocks, 1, options);
  rig.run_well(Program()
                   .create_device("other", {}, {}, numbered(2))
                   .write_bytes(numbered(2), 0, pattern(2, 20'000))
                   .create_device("d", "columns", {}, numbered(1))
                   .write_bytes(numbered(1), 0, pattern(1, 20'000))
                   .create_device("wide", {}, {}, numbered(3))
                   .write_bytes(numbered(3), 0, pattern(3, 20'000))
                   .write_bytes(numbered(3), far, pattern(4, 20'000))
                   .clone_device(numbered(3), "clone"));
  rig.checkpoint();
  rig.settle();
  rig.close();
  return rig.disk.content();
}

/// A slot that leads elsewhere.
[[nodiscard]] inline Slot moved(const Slot& slot, std::uint64_t address) {
  return {address, slot.generation(), slot.checksum()};
}

class Planted {
 public:
  /// Takes the structures out of the image, to be changed.
  explicit Planted(io::DiskImage image) : image_(std::move(image)) {
    for (unsigned place = 0; place < 2; ++place) {
      const auto found = read<Superblock>(superblock_places[place]);
      if (place == 0 || found.generation > superblock.generation) superblock = found, place_ = place;
    }
    summary = read<Summary>(SpaceMap::home(1, 0, superblock.space.home()));
    bitmap = read<Bitmap>(SpaceMap::home(0, 0, summary[0].home()));
    root = read<Node>(superblock.manifest.address());
    index = read<Node>(root[0].address());
    page = read<ManifestPage>(index[0].address());
  }

  /// The image with all of that in it, every checksum being right. The other superblock is gone.
  [[nodiscard]] io::DiskImage image() {
    put(index[0], page);
    put(root[0], index);
    put(superblock.manifest, root);
    const std::uint64_t bitmap_home = SpaceMap::home(0, 0, summary[0].home());
    write(bitmap_home, bitmap);
    summary[0].checksum = block_checksum(bitmap_home, summary[0].generation, &bitmap);
    const std::uint64_t summary_home = SpaceMap::home(1, 0, superblock.space.home());
    write(summary_home, summary);
    superblock.space.checksum = block_checksum(summary_home, superblock.space.generation, &summary);
    superblock.checksum = crc32c(0, &superblock, offsetof(Superblock, checksum));
    write(superblock_places[place_], superblock);
    write(superblock_places[1 - place_], Block{});
    return image_;
  }

  template <typename T>
  [[nodiscard]] T read(std::uint64_t block) const {
    static_assert(sizeof(T) == block_size);
    T value;
    image_.read_block(block, std::as_writable_bytes(std::span(&value, 1)).template first<block_size>());
    return value;
  }
  /// Writes what a slot leads to, which then has the right checksum.
  template <typename T>
  void put(Slot& slot, const T& value) {
    write(slot.address(), value);
    slot = Slot(slot.address(), slot.generation(), block_checksum(slot.address(), slot.generation(), &value));
  }
  /// Books a block as free, in both books.
  void book_as_free(std::uint64_t block) {
    bitmap[block / 8] &= static_cast<std::uint8_t>(~(1u << block % 8));
    summary[0].free_and_flags += 4;
  }
  DeviceRecord& record(std::string_view name) {
    for (DeviceRecord& found : page) {
      if (std::string_view(found.name.data(), found.name_length) == name) return found;
    }
    return page.back();
  }

  Superblock superblock{};
  using Summary = std::array<SpaceEntry, entries_per_page>;
  Summary summary;
  using Bitmap = std::array<std::uint8_t, block_size>;
  Bitmap bitmap;
  Node root, index;
  ManifestPage page;

 private:
  template <typename T>
  void write(std::uint64_t block, const T& value) {
    static_assert(sizeof(T) == block_size);
    image_.write_block(block, std::as_bytes(std::span(&value, 1)).template first<block_size>());
  }

  io::DiskImage image_;
  unsigned place_ = 0;
};

}  // namespace chimera::devices::testing
