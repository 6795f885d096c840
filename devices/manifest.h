#pragma once
// The list of all devices of a store, and of the remains of deleted ones: records of 512 bytes, eight to a page, pages
// below index pages below a root page, all written to new places by checkpoints. The records live with the pool; the
// manifest knows only where their pages are and which have changed.

#include <cstdint>
#include <functional>
#include <vector>

#include "devices/block_store.h"
#include "devices/layout.h"
#include "isa/limits.h"

namespace chimera::devices {

class Manifest {
 public:
  /// Records of deleted devices stay until their blocks are freed.
  static constexpr std::uint32_t most_records = limits::most_devices + 16384;
  static_assert(most_records <= records_per_page * slots_per_node * slots_per_node);

  /// A record that is not in use, marked as changed.
  [[nodiscard]] std::uint32_t add();
  void remove(std::uint32_t number);
  /// The record has to be written by the next checkpoint.
  void mark(std::uint32_t number);
  [[nodiscard]] bool changed() const { return !changed_pages_.empty(); }
  [[nodiscard]] std::size_t record_count() const { return used_.size() - free_.size(); }

  /// The blocks that the next `images` allocates, at most, and the addresses that it releases.
  [[nodiscard]] std::size_t blocks_needed() const;
  /// The same if every record changes before that, and what new pages take for good, since the checkpoint after that
  /// may have to write every page again.
  [[nodiscard]] std::size_t most_blocks_needed() const { return pages_.size() + index_pages_.size() + 1 + placeless_; }
  /// What so many new records add to that, at most, but for the page of an index that they may begin.
  [[nodiscard]] static constexpr std::size_t most_blocks_for(std::size_t new_records) {
    constexpr std::size_t records_per_index_page = records_per_page * slots_per_node;
    return 2 * ((new_records + records_per_page - 1) / records_per_page + new_records / records_per_index_page);
  }
  [[nodiscard]] std::vector<std::uint64_t> replaced() const;
  using Fill = std::function<void(std::uint32_t number, DeviceRecord& record)>;
  /// The changed pages, to be written, in new places; `fill` gives the records in use. Pages without any are given up.
  [[nodiscard]] std::vector<SpaceMap::Image> images(BlockStore& blocks, const Fill& fill, Slot& root);

  /// Reads those pages of a list that are not empty; calls take(index in `slots`, bytes) for each, in any order. False
  /// if one is damaged.
  using Read = std::function<bool(const std::vector<Slot>& slots,
                                  const std::function<void(std::size_t index, const Block& bytes)>& take)>;
  using Take = std::function<void(std::uint32_t number, const DeviceRecord& record)>;
  /// Finds all records in use. False if a page is damaged.
  [[nodiscard]] bool open(const Slot& root, const Read& read, const Take& take);
  /// Every page's slot, for the check.
  void each_page(const std::function<void(const Slot&)>& visit) const;

 private:
  void count_placeless();

  std::vector<bool> used_;  ///< by record number
  std::vector<std::uint32_t> free_;
  std::vector<bool> page_changed_;
  std::vector<std::uint32_t> changed_pages_;
  std::vector<Slot> pages_;
  std::vector<Slot> index_pages_;
  Slot root_;
  std::size_t placeless_ = 0;  ///< pages and index pages that are not on the disk
};

}  // namespace chimera::devices
