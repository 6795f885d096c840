#include "vm/fetch.h"

#include <cassert>
#include <utility>

#include "io/clock.h"
#include "vm/machine_core.h"
#include "vm/session.h"

namespace chimera::vm {

/// Of the pool only: what waits for files is theirs to know.
bool StreamSession::fetch(const Uuid& uuid, std::uint64_t offset, std::uint64_t size, Fetch& fetch) {
  assert(fetch.core_ == nullptr);
  if (!may_run_at_once()) return false;
  const Handle* const handle = dispatcher_.reach_at_once(uuid);
  if (handle == nullptr || handle->device->kind() != devices::Kind::pool) return false;
  const std::uint64_t length = handle->device->length();
  if (offset > length || size > length - offset) return false;
  fetch.core_ = &core_;
  fetch.begun_ns_ = io::monotonic_ns();
  fetch.has_failed_ = false;
  const bool waits = handle->device->fetch(fetch, devices::Plane::data, offset, size).waits();
  // Who waits for memory is woken by others, and again and again: that is for instructions.
  if (waits && !fetch.queued) return true;
  fetch.end();
  return false;
}

void Fetch::wake() {
  core_->statistics().waiting_others.add(io::monotonic_ns() - begun_ns_);
  has_failed_ = failed_address != 0;
  arrived();
}

void Fetch::end() {
  if (core_ == nullptr) return;
  std::exchange(core_, nullptr)->store().release(*this);
  message.clear();
  constexpr std::size_t kept_pins = 32;
  if (pins.capacity() > kept_pins) std::vector<std::uint32_t>().swap(pins);
}

}  // namespace chimera::vm
