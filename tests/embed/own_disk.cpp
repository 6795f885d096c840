#include "tests/embed/own_disk.h"

#include <cstring>
#include <utility>

namespace chimera_testing {

OwnDisk::~OwnDisk() { stop(); }

const chimera_disk* OwnDisk::for_store(chimera_store* store) {
  store_ = store;
  functions_ = {.context = this,
                .size = content_.size(),
                .start =
                    [](void* context, const chimera_disk_request* request) {
                      auto& disk = *static_cast<OwnDisk*>(context);
                      ++disk.started[request->kind];
                      if (disk.on_start) return disk.on_start(disk, *request);
                      disk.carry_out(*request);
                      disk.report(*request);
                    },
                .close =
                    [](void* context) {
                      auto& disk = *static_cast<OwnDisk*>(context);
                      ++disk.closes;
                      disk.stop();
                      if (disk.on_close) disk.on_close();
                    }};
  return &functions_;
}

void OwnDisk::carry_out(const chimera_disk_request& request) {
  if (request.kind == CHIMERA_DISK_FLUSH) return;
  std::uint8_t* at = content_.data() + request.offset;
  for (int n = 0; n < request.part_count; ++n) {
    const iovec& part = request.parts[n];
    if (request.kind == CHIMERA_DISK_READ) {
      std::memcpy(part.iov_base, at, part.iov_len);
    } else {
      std::memcpy(at, part.iov_base, part.iov_len);
    }
    at += part.iov_len;
  }
}

int OwnDisk::report(const chimera_disk_request& request, int error) const {
  return chimera_disk_done(store_, request.ticket, error);
}

void OwnDisk::hand_over(const chimera_disk_request& request) {
  const std::scoped_lock lock(mutex_);
  queue_.push_back(&request);
  if (!worker_.joinable()) {
    is_stopping_ = false;
    worker_ = std::thread([this] { work(); });
  }
  changed_.notify_one();
}

void OwnDisk::work() {
  std::unique_lock lock(mutex_);
  for (unsigned turn = 0;; ++turn) {
    changed_.wait(lock, [this] { return is_stopping_ || !queue_.empty(); });
    if (is_stopping_) return;
    const bool newest = turn % 3 == 0;
    const chimera_disk_request* const request = newest ? queue_.back() : queue_.front();
    newest ? queue_.pop_back() : queue_.pop_front();
    lock.unlock();
    carry_out(*request);
    report(*request);
    lock.lock();
  }
}

/// What has not been begun by then is given up.
void OwnDisk::stop() {
  {
    const std::scoped_lock lock(mutex_);
    is_stopping_ = true;
    queue_.clear();
    held_.clear();
    changed_.notify_one();
  }
  if (worker_.joinable()) worker_.join();
}

void OwnDisk::hold(const chimera_disk_request& request) {
  const std::scoped_lock lock(mutex_);
  held_.push_back(&request);
}

std::size_t OwnDisk::release() {
  std::vector<const chimera_disk_request*> all;
  {
    const std::scoped_lock lock(mutex_);
    all = std::exchange(held_, {});
  }
  for (const chimera_disk_request* const request : all) {
    carry_out(*request);
    report(*request);
  }
  return all.size();
}

std::size_t OwnDisk::held() const {
  const std::scoped_lock lock(mutex_);
  return held_.size();
}

}  // namespace chimera_testing
