#pragma once
// What a disk may hold after a crash: all legal images if they are few, else a choice of the telling ones.

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "io/disk_image.h"
#include "io/seeded_random.h"

namespace chimera::io {

/// One content that a sector has been given since the last flush that covers it.
struct SectorVersion {
  std::uint64_t write;                     ///< the number of the write that brought it
  std::uint64_t landed_at;                 ///< the place of its completion among all completions; 0 while under way
  bool is_forgotten;                       ///< an error followed: no later flush covers it
  std::shared_ptr<DiskImage::Page> block;  ///< the block that it is a part of; nobody changes it
  std::uint64_t mark;                      ///< `sector_mark` of its bytes
};
/// By sector; in the order of their starts, those that have landed behind those that were before them.
using SectorVersions = std::map<std::uint64_t, std::vector<SectorVersion>>;

class CrashImages {
 public:
  struct Options {
    std::uint64_t enumerate_up_to = 4096;  ///< if there are no more legal images, all of them
    std::size_t most_singles = 256;        ///< otherwise: each of so many sectors missing and present, at most
    std::size_t samples = 64;              ///< and so many chosen by the seed
    std::uint64_t seed = 1;
  };

  /// `durable_mark`: a number that stands for the durable image's content.
  CrashImages(DiskImage durable, std::uint64_t durable_mark, std::uint64_t block_count, SectorVersions versions,
              const Options& options);

  /// How many different choices there are, at most 2^64 - 1.
  [[nodiscard]] std::uint64_t legal_count() const noexcept { return legal_count_; }
  /// How many images `at` gives.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// The image of this index (below `size`); the same one each time.
  [[nodiscard]] DiskImage at(std::size_t index) const;
  /// A number that stands for the content of that image: the same for the same content, at other moments in the life of
  /// the disk too.
  [[nodiscard]] std::uint64_t mark(std::size_t index) const;
  /// What the image of this index is, for messages: "all but write 7".
  [[nodiscard]] std::string describe(std::size_t index) const;

 private:
  /// For each unsettled sector, in order: 0 for what is durable, i for version i - 1.
  struct Choice {
    std::vector<std::uint32_t> versions;
    bool has_new_size = true;
  };
  enum class Part : std::uint8_t { every, none, all, without_write, only_write, without_sector, only_sector, sample };
  struct Place {
    Part part;
    std::size_t index;  ///< within the part
  };

  [[nodiscard]] Place place_of(std::size_t index) const;
  [[nodiscard]] Choice choose(std::size_t index) const;
  [[nodiscard]] Choice enumerated(std::uint64_t number) const;
  [[nodiscard]] Choice none() const;
  [[nodiscard]] Choice all() const;
  [[nodiscard]] Choice with_writes(const std::vector<bool>& landed) const;
  [[nodiscard]] Choice sampled(std::size_t number) const;
  [[nodiscard]] std::size_t write_index(const SectorVersion& version) const;
  void settle(DiskImage& image, const Choice& choice, std::size_t first, std::size_t last) const;

  struct UnsettledSector {
    std::uint64_t sector;
    std::vector<SectorVersion> versions;
    std::uint64_t durable_mark;  ///< of what is durable there

    [[nodiscard]] std::uint64_t block() const { return sector / DiskImage::sectors_per_block; }
  };

  DiskImage durable_;
  std::uint64_t durable_mark_;
  std::uint64_t block_count_;
  Options options_;
  std::vector<UnsettledSector> sectors_;
  std::vector<std::uint64_t> writes_;  ///< their numbers, ascending
  std::uint64_t legal_count_ = 1;
  std::size_t single_count_ = 0;
  std::size_t size_ = 0;
};

}  // namespace chimera::io
