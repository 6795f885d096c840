#pragma once
// A device whose blocks live in a pool.

#include <array>
#include <optional>
#include <vector>

#include "devices/device.h"
#include "devices/journal_format.h"
#include "devices/tree.h"

namespace chimera::devices {

class Pool;

class PoolDevice final : public Device {
 public:
  PoolDevice(Pool& pool, const Uuid& uuid, std::string name);
  /// As a record of the manifest has it.
  PoolDevice(Pool& pool, std::uint32_t number, const DeviceRecord& record);
  ~PoolDevice() override;
  void fill(DeviceRecord& record) const;
  [[nodiscard]] std::uint32_t number() const { return number_; }  ///< of its record in the manifest
  /// In no list yet; it may be read and prepared, but not changed.
  [[nodiscard]] bool hidden() const { return number_ == no_number; }
  /// The store's own: in no list, and what is written to it is not recorded as such.
  [[nodiscard]] bool internal() const { return internal_; }
  /// The part of a device that is a file (devices/file_device.h): the file's path, else empty.
  [[nodiscard]] const std::string& path() const { return path_; }
  /// The length that the file is to be cut to before the part's blocks are written to it and it gets the part's length.
  [[nodiscard]] std::optional<std::uint64_t> cut() const { return cut_; }
  void set_cut(std::optional<std::uint64_t> length);
  /// The slot of a block that has changed since the last checkpoint began, its checksum up to date.
  [[nodiscard]] Tree::Settled settled(Plane plane, std::uint64_t index) { return tree(plane).settled(index); }
  /// As Device::locate, of any plane.
  [[nodiscard]] Place locate(Plane plane, std::uint64_t block) { return tree(plane).locate(block); }
  /// Replay: puts blocks of a plane where the journal says that they are. Waits as often as it needs; what has been
  /// put already stays when it is called again.
  Outcome place(Waiter&, Plane, std::span<const JournalEntry> entries);
  void set_lengths(std::uint64_t length, std::uint64_t columns_length);
  /// Replay, of a copy that went on while others had their turns: keeps the data as it is now, under a number, then
  /// takes over whole blocks of it. Both wait.
  Outcome hold(Waiter&, std::uint64_t number);
  Outcome share_held(Waiter&, std::uint64_t offset, std::uint64_t number, std::uint64_t from_offset,
                     std::uint64_t count);

  Outcome fetch(Waiter&, Plane, std::uint64_t offset, std::uint64_t count) override;
  Outcome prepare(Waiter&, Plane, std::uint64_t offset, std::uint64_t count) override;
  bool prefetch(Plane, std::uint64_t offset, std::uint64_t count, Depth) override;
  void read(Plane, std::uint64_t offset, std::span<std::uint8_t> out) override;
  [[nodiscard]] const std::uint8_t* peek(std::uint64_t block) const noexcept override;
  [[nodiscard]] Place locate(std::uint64_t block) const noexcept override;
  void approach(const Place& place) const noexcept override;
  [[nodiscard]] bool equal(Plane, std::uint64_t offset, std::span<const std::uint8_t> bytes) override;
  void write(Plane, std::uint64_t offset, std::span<const std::uint8_t> bytes) override;
  void set_columns_length(std::uint64_t length) override;
  Outcome clear(Waiter&, Plane, std::uint64_t offset, std::uint64_t count) override;
  Outcome set_length(Waiter&, std::uint64_t length) override;
  Outcome extents(Waiter&, Plane, std::uint64_t offset, std::uint64_t count, std::vector<Extent>& out) override;
  Outcome differences(Waiter&, Device& other, std::uint64_t offset, std::uint64_t count,
                      std::vector<Extent>& out) override;
  Outcome share(Waiter&, std::uint64_t offset, Device& from, std::uint64_t from_offset, std::uint64_t count) override;
  Outcome digest(Waiter&, std::uint64_t offset, std::uint64_t count, std::span<std::uint8_t, 32> out) override;

 private:
  friend class Pool;
  friend class Store;

  /// Data, metadata and columns, which both have from now on; the trees' books are the caller's to keep.
  void take_content(const PoolDevice& other);
  [[nodiscard]] Tree& tree(Plane plane) { return trees_[static_cast<std::size_t>(plane)]; }
  void mark();
  /// Refuses while another session's long copy into this device is under way, or the disk has failed.
  Outcome check_writable(Waiter&);
  Outcome place_piece(Waiter&, Tree&, std::span<const JournalEntry> entries);
  Outcome share_some(Waiter&, std::uint64_t offset, std::uint64_t from_offset, std::uint64_t count);
  Outcome clear_range(Waiter&, Tree&, std::uint64_t offset, std::uint64_t end, std::uint64_t new_length);
  template <typename Visit>
  void each_block(std::uint64_t offset, std::uint64_t count, Visit&& visit);
  void adopt_extents(const std::vector<Tree::Piece>& pieces, std::uint32_t flags, std::uint64_t offset,
                     std::uint64_t count, std::vector<Extent>& out);

  static constexpr std::uint32_t no_number = ~std::uint32_t{0};

  Pool& pool_;
  std::uint32_t number_ = no_number;
  bool internal_ = false;
  std::string path_;
  std::optional<std::uint64_t> cut_;
  std::vector<std::uint32_t> holds_;  ///< the graves that a hidden clone is booked as
  std::array<Tree, 3> trees_;
};

}  // namespace chimera::devices
