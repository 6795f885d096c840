#include "embed/caller_disk.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include "isa/limits.h"

namespace chimera::embed {
namespace {

constexpr int greatest_errno = 4095;
/// Requests that may be refused between two steps. A machine starts fewer at a time.
constexpr std::size_t most_refused = 4096;

/// What a caller says is looked at before it is believed.
int plausible_error(int error) { return error >= 0 && error <= greatest_errno ? error : EIO; }

int kind_of(io::DiskRequest::Kind kind) {
  switch (kind) {
    case io::DiskRequest::Kind::read: return CHIMERA_DISK_READ;
    case io::DiskRequest::Kind::write: return CHIMERA_DISK_WRITE;
    case io::DiskRequest::Kind::flush:
    case io::DiskRequest::Kind::discard: break;
  }
  return CHIMERA_DISK_FLUSH;
}

}  // namespace

/// A request under way, as the caller sees it. It lives until it has been delivered, so a caller who touches it up to
/// the moment of reporting is safe.
struct CallerDisk::Flight {
  io::DiskRequest* request = nullptr;
  std::vector<iovec> parts;
  chimera_disk_request seen{};
  bool has_ended = false;
  int error = 0;
  Flight* next_ended = nullptr;
};

Outcome<std::unique_ptr<CallerDisk>> CallerDisk::make(const chimera_disk& functions) {
  if (functions.start == nullptr) return failure(CHIMERA_E_ARGUMENT, "The disk has no function that starts requests.");
  std::unique_ptr<CallerDisk> disk(new CallerDisk(functions));
  if (disk->event_ < 0) {
    return failure(CHIMERA_E_SYSTEM, fmt::format("The system refuses a descriptor: {}.", std::strerror(errno)));
  }
  return disk;
}

CallerDisk::CallerDisk(const chimera_disk& functions)
    : functions_(functions), event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  // Who could not open anything is not told that it is closed.
  is_shut_ = event_ < 0;
  refused_.reserve(most_refused);
}

CallerDisk::~CallerDisk() {
  shut();
  if (event_ >= 0) ::close(event_);
}

std::uint64_t CallerDisk::block_count() const noexcept { return functions_.size / limits::block_size; }

int CallerDisk::grow(std::uint64_t block_count) { return block_count <= this->block_count() ? 0 : ENOSPC; }

void CallerDisk::start(io::DiskRequest& request) {
  try {
    try_to_start(request);
  } catch (const std::bad_alloc&) {
    refused_.push_back(&request);
  }
}

void CallerDisk::try_to_start(io::DiskRequest& request) {
  auto flight = std::make_unique<Flight>();
  flight->request = &request;
  for (std::byte* const buffer : request.buffers) {
    if (!flight->parts.empty()) {
      iovec& last = flight->parts.back();
      if (static_cast<std::byte*>(last.iov_base) + last.iov_len == buffer) {
        last.iov_len += limits::block_size;
        continue;
      }
    }
    flight->parts.push_back({buffer, limits::block_size});
  }
  flight->seen = {.ticket = 0,
                  .kind = kind_of(request.kind),
                  .part_count = static_cast<int>(flight->parts.size()),
                  .offset = request.first_block * limits::block_size,
                  .size = request.buffers.size() * limits::block_size,
                  .parts = flight->parts.data()};
  launch(std::move(flight));
}

void CallerDisk::launch(std::unique_ptr<Flight> flight) {
  Flight& launched = *flight;
  launched.seen.ticket = ++last_ticket_;
  const std::size_t count = launched.request->buffers.size();
  const std::uint64_t first = launched.request->first_block;
  const bool is_inside = count == 0 || (first <= block_count() && count <= block_count() - first);
  {
    const std::scoped_lock lock(mutex_);
    flights_.emplace(launched.seen.ticket, std::move(flight));
    if (is_shut_ || !is_inside) return end(launched, EIO);
    // Callers know nothing of discards.
    if (launched.request->kind == io::DiskRequest::Kind::discard) return end(launched, EOPNOTSUPP);
  }
  const std::uint64_t ticket = launched.seen.ticket;
  try {
    functions_.start(functions_.context, &launched.seen);
  } catch (...) {
    // A caller in C++ whose function throws. Whether it has reported before, it does not matter.
    done(ticket, EIO);
  }
}

/// With the lock. Known, not ended.
void CallerDisk::end(Flight& flight, int error) {
  flight.has_ended = true;
  flight.error = error;
  flight.next_ended = std::exchange(ended_, &flight);
  if (flight.next_ended != nullptr) return;  // somebody has rung already
  const std::uint64_t one = 1;
  static_cast<void>(!::write(event_, &one, sizeof one));
}

bool CallerDisk::done(std::uint64_t ticket, int error) {
  const std::scoped_lock lock(mutex_);
  const auto found = flights_.find(ticket);
  if (found == flights_.end() || found->second->has_ended) return false;
  end(*found->second, plausible_error(error));
  return true;
}

void CallerDisk::shut() {
  if (std::exchange(is_shut_, true)) return;
  if (functions_.close != nullptr) {
    try {
      functions_.close(functions_.context);
    } catch (...) {
      // There is nobody who could do anything about it.
    }
  }
  const std::scoped_lock lock(mutex_);
  for (const auto& [ticket, flight] : flights_) {
    if (!flight->has_ended) end(*flight, EIO);
  }
}

std::size_t CallerDisk::deliver_refused() {
  std::size_t count = 0;
  // What is told may start more, which may be refused as well: the next step's.
  for (std::size_t left = refused_.size(); left > 0; --left, ++count) {
    io::DiskRequest& request = *refused_.front();
    refused_.erase(refused_.begin());
    request.error = ENOMEM;
    request.finished();
  }
  return count;
}

bool CallerDisk::deliver(std::unique_ptr<Flight> flight) {
  io::DiskRequest& request = *flight->request;
  const bool was_write = flight->seen.kind == CHIMERA_DISK_WRITE;
  int error = flight->error;
  if (was_write && error == 0 && request.durable) {
    // To the caller a durable write is a write and a flush behind it.
    flight->has_ended = false;
    flight->seen = {.ticket = 0, .kind = CHIMERA_DISK_FLUSH, .part_count = 0, .offset = 0, .size = 0, .parts = nullptr};
    try {
      launch(std::move(flight));
      return false;
    } catch (const std::bad_alloc&) {
      error = ENOMEM;
    }
  }
  flight.reset();
  request.error = error;
  request.finished();
  return true;
}

std::size_t CallerDisk::deliver() {
  std::size_t count = deliver_refused();
  {
    const std::scoped_lock lock(mutex_);
    if (ended_ != nullptr) {
      std::uint64_t rings = 0;
      static_cast<void>(!::read(event_, &rings, sizeof rings));
    }
    Flight** last = &delivering_;
    while (*last != nullptr) last = &(*last)->next_ended;
    // The first to have ended is the first to be delivered.
    Flight* list = nullptr;
    for (Flight* next = std::exchange(ended_, nullptr); next != nullptr;) {
      Flight* const flight = std::exchange(next, next->next_ended);
      flight->next_ended = std::exchange(list, flight);
    }
    *last = list;
  }
  // Whoever throws when told keeps nobody else from being told by the next step.
  while (delivering_ != nullptr) {
    Flight* const flight = std::exchange(delivering_, delivering_->next_ended);
    std::unique_ptr<Flight> owned;
    {
      const std::scoped_lock lock(mutex_);
      const auto found = flights_.find(flight->seen.ticket);
      owned = std::move(found->second);
      flights_.erase(found);
    }
    if (deliver(std::move(owned))) ++count;
  }
  return count;
}

std::size_t CallerDisk::step(int timeout_ms) {
  if (const std::size_t count = deliver(); count > 0 || timeout_ms == 0) return count;
  if (!refused_.empty()) return deliver();
  pollfd waiting{event_, POLLIN, 0};
  // A signal ends the wait early, as does the first half of a durable write: nothing has been delivered then.
  static_cast<void>(::poll(&waiting, 1, timeout_ms));
  return deliver();
}

}  // namespace chimera::embed
