#pragma once
// The transactions that are under way in a machine, and what they have read: whoever changes something asks here who
// can no longer win.

#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "devices/device.h"
#include "devices/outcomes.h"

namespace chimera::vm {

class Transaction;
class View;

class Transactions {
 public:
  /// What all of them may hold together, in bytes.
  static constexpr std::uint64_t most_bytes = 256ull << 20;

  void enter(Transaction& transaction) { open_.push_back(&transaction); }
  void leave(Transaction& transaction) { std::erase(open_, &transaction); }
  void watch(const devices::Device& base, View& view, Transaction& transaction);
  void unwatch(const devices::Device& base, const Transaction& transaction);

  // Told after the change, by everybody who makes one.
  /// A range of a device, or its length; both ends inclusive.
  void changed(const devices::Device& device, devices::Plane plane, std::uint64_t first, std::uint64_t last) {
    if (!watched_.empty()) doom_readers(device, plane, first, last);
  }
  /// The same for `count` bytes at an offset.
  void changed_bytes(const devices::Device& device, devices::Plane plane, std::uint64_t offset, std::uint64_t count) {
    if (count > 0) changed(device, plane, offset, offset + (count - 1));
  }
  /// The device as such: its name, protection, all its content, or that it exists. It is not looked at.
  void reshaped(const devices::Device& device);
  /// A session has opened the device: a transaction that has deleted it may not do so any more.
  void opened(const devices::Device& device);
  /// A name means something else now, or nothing any more.
  void renamed(std::string_view name);
  /// Something else is told of what became of a token.
  void outcome_changed(const devices::Outcomes::Token& token);

  [[nodiscard]] std::size_t open_count() const { return open_.size(); }
  /// Bytes that are held by all of them.
  std::uint64_t held_bytes = 0;

 private:
  struct Watcher {
    View* view;
    Transaction* transaction;
  };

  void doom_readers(const devices::Device& device, devices::Plane plane, std::uint64_t first, std::uint64_t last);

  std::vector<Transaction*> open_;
  std::unordered_map<const devices::Device*, std::vector<Watcher>> watched_;
};

}  // namespace chimera::vm
