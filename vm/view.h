#pragma once
// A device as a transaction sees it: what the transaction has written lies over what the device holds. Everything that
// is read of the device itself is noted, so that a change of it by others is noticed.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "devices/device.h"
#include "vm/overlay.h"
#include "vm/ranges.h"

namespace chimera::vm {

class Transaction;

class View final : public devices::Device {
 public:
  using Outcome = devices::Outcome;
  using Plane = devices::Plane;
  using Waiter = devices::Waiter;
  using Extent = devices::Extent;

  /// Of a device of the store.
  View(Transaction& transaction, Device& base);
  /// Of one that only the transaction knows: new and empty, or to `adopt` another's content at once.
  View(Transaction& transaction, std::unique_ptr<Device> hidden, std::string name);

  [[nodiscard]] Device* base() const { return base_; }         ///< null for one that only the transaction knows
  [[nodiscard]] Device& subject() const { return *subject_; }  ///< what lies below: the base, or a hidden device
  /// A device of the store whose content the subject has; null if the subject is new and empty.
  [[nodiscard]] Device* origin() const { return origin_; }
  [[nodiscard]] const Overlay& overlay(Plane plane) const { return overlays_[static_cast<std::size_t>(plane)]; }
  [[nodiscard]] bool changes_content() const;
  [[nodiscard]] bool columns_set() const { return columns_set_; }
  [[nodiscard]] std::uint64_t held_bytes() const;  ///< by what has been written
  ~View() override;
  [[nodiscard]] bool replaced() const { return base_ != nullptr && hidden_ != nullptr; }
  /// The least length that it was given, if that was said at all.
  [[nodiscard]] std::optional<std::uint64_t> least_length() const { return least_length_; }
  [[nodiscard]] std::uint64_t end() const { return end_; }  ///< of what has been written
  [[nodiscard]] std::unique_ptr<Device> take_hidden() { return std::move(hidden_); }

  /// Brings name, length and the like up to date with the base, as far as the transaction has not set them.
  void refresh();
  void set_name(std::string_view name) { name_ = name, renamed_ = true; }
  void set_read_only(bool read_only) { read_only_ = read_only, protection_set_ = true; }
  /// From now on it has the content of another view; below lies a clone of that one's subject (null: the base again).
  void adopt(const View& content, std::unique_ptr<Device> hidden);
  /// The device that it is a clone of, where only the transaction knows that too.
  [[nodiscard]] const std::optional<Uuid>& new_origin() const { return new_origin_; }

  /// All of the base is read, as it is now.
  void note_all();
  /// Somebody has been told the length.
  void note_length();
  /// Whether a change of this range of the base, or of its length, changes what has been read here.
  [[nodiscard]] bool has_read(Plane plane, std::uint64_t first, std::uint64_t last) const;

  Outcome fetch(Waiter&, Plane, std::uint64_t offset, std::uint64_t count) override;
  Outcome prepare(Waiter&, Plane, std::uint64_t offset, std::uint64_t count) override;
  void read(Plane, std::uint64_t offset, std::span<std::uint8_t> out) override;
  [[nodiscard]] bool equal(Plane, std::uint64_t offset, std::span<const std::uint8_t> bytes) override;
  void write(Plane, std::uint64_t offset, std::span<const std::uint8_t> bytes) override;
  void set_columns_length(std::uint64_t length) override;
  Outcome clear(Waiter&, Plane, std::uint64_t offset, std::uint64_t count) override;
  Outcome set_length(Waiter&, std::uint64_t length) override;
  Outcome extents(Waiter&, Plane, std::uint64_t offset, std::uint64_t count, std::vector<Extent>& out) override;
  /// Where either side has been written in the transaction they count as different.
  Outcome differences(Waiter&, Device& other, std::uint64_t offset, std::uint64_t count,
                      std::vector<Extent>& out) override;
  /// The bytes are moved, not shared, so they must fit into the transaction.
  Outcome share(Waiter&, std::uint64_t offset, Device& from, std::uint64_t from_offset, std::uint64_t count) override;
  Outcome digest(Waiter&, std::uint64_t offset, std::uint64_t count, std::span<std::uint8_t, 32> out) override;

 private:
  void note(Plane plane, std::uint64_t first, std::uint64_t last);
  [[nodiscard]] std::uint64_t touched_blocks(Plane plane) const;
  void charge_all(bool in);
  Outcome clear_file(Waiter&, std::uint64_t offset, std::uint64_t count);
  template <typename Change>
  void change(Plane plane, Change&& change);

  Transaction& transaction_;
  Device* base_ = nullptr;
  Device* origin_ = nullptr;
  std::unique_ptr<Device> hidden_;
  Device* subject_;
  Overlay overlays_[3];
  Ranges read_[3];
  std::optional<Uuid> new_origin_;
  std::optional<std::uint64_t> length_seen_;
  std::optional<std::uint64_t> least_length_;
  std::uint64_t end_ = 0;
  bool renamed_ = false;
  bool protection_set_ = false;
  bool columns_set_ = false;
};

}  // namespace chimera::vm
