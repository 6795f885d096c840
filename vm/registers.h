#pragma once
// A session's registers: its open devices, each with a cursor, and which of them is current.

#include <cstdint>

#include "vm/handle_table.h"

namespace chimera::vm {

class Registers {
 public:
  Registers() = default;
  ~Registers() = default;
  Registers(const Registers& other) : handles_(other.handles_), gone_(other.gone_) {
    if (other.current_ != nullptr) current_ = find(other.current_->uuid);
  }
  Registers(Registers&&) = default;
  Registers& operator=(const Registers&) = delete;
  Registers& operator=(Registers&&) = default;

  /// The handle of the current device; null if there is none, or if it has been deleted by force.
  [[nodiscard]] Handle* current() const { return current_; }
  /// The current device was deleted by force, by another session: what implies it answers `not found`.
  [[nodiscard]] bool current_is_gone() const { return gone_; }
  [[nodiscard]] Handle* find(const Uuid& uuid) noexcept { return handles_.find(uuid); }
  [[nodiscard]] Handle* find(const std::uint8_t* uuid) noexcept { return handles_.find(uuid); }
  [[nodiscard]] std::size_t open_count() const { return handles_.size(); }
  /// True if that very device is open here (another one may bear its UUID by now).
  [[nodiscard]] bool has_open(const devices::Device& device) noexcept {
    const Handle* const handle = find(device.uuid());
    return handle != nullptr && handle->device == &device;
  }

  void make_current(Handle* handle) {
    current_ = handle;
    gone_ = false;
  }
  void clear_current() { make_current(nullptr); }

  /// Opens the device if it is not open, and makes it current. Other handles may move.
  Handle* open(devices::Device& device) {
    Handle* handle = find(device.uuid());
    if (handle == nullptr) handle = handles_.insert(device);
    make_current(handle);
    return handle;
  }

  /// Closes an open device; if it was current there is none afterwards. Other handles may move.
  void close(Handle* handle) {
    if (handle == current_) {
      clear_current();
      handles_.erase(handle);
      return;
    }
    const Uuid current = current_ != nullptr ? current_->uuid : Uuid{};
    handles_.erase(handle);
    if (current_ != nullptr) current_ = find(current);
  }

  /// Another session has deleted the device by force; it is not looked at.
  void forget(const Uuid& uuid, const devices::Device* device) {
    Handle* const handle = find(uuid);
    if (handle == nullptr || handle->device != device) return;
    const bool was_current = handle == current_;
    close(handle);
    gone_ = gone_ || was_current;
  }

 private:
  HandleTable handles_;
  Handle* current_ = nullptr;
  bool gone_ = false;
};

}  // namespace chimera::vm
