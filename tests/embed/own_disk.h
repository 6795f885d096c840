#pragma once
// A disk as a caller of the library would bring it, in memory; its manners can be spoilt.

#include <doctest/doctest.h>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "include/chimera.h"

namespace chimera_testing {

class OwnDisk {
 public:
  explicit OwnDisk(std::uint64_t size) : content_(size) {}
  explicit OwnDisk(std::vector<std::uint8_t> content) : content_(std::move(content)) {}
  ~OwnDisk();
  OwnDisk(const OwnDisk&) = delete;
  OwnDisk& operator=(const OwnDisk&) = delete;

  /// To be opened by this store, which it reports to. The structure is this object's.
  [[nodiscard]] const chimera_disk* for_store(chimera_store* store);

  /// What happens when a request is started; by default it is carried out and reported at once.
  std::function<void(OwnDisk&, const chimera_disk_request&)> on_start;
  std::function<void()> on_close;

  /// What an honest disk does.
  void carry_out(const chimera_disk_request& request);
  int report(const chimera_disk_request& request, int error = 0) const;
  /// Carried out and reported by a thread of the disk's own, the newest first now and then.
  void hand_over(const chimera_disk_request& request);
  /// Kept until `release`, which may be called by any thread, carries all of them out.
  void hold(const chimera_disk_request& request);
  /// How many were held.
  std::size_t release();
  [[nodiscard]] std::size_t held() const;

  [[nodiscard]] std::vector<std::uint8_t>& content() { return content_; }
  /// So many requests have been started so far, reads, writes and flushes each.
  std::uint64_t started[3] = {};
  int closes = 0;

 private:
  void work();
  void stop();

  std::vector<std::uint8_t> content_;
  chimera_disk functions_{};
  chimera_store* store_ = nullptr;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<const chimera_disk_request*> queue_;
  std::vector<const chimera_disk_request*> held_;
  bool is_stopping_ = false;
  std::thread worker_;
};

}  // namespace chimera_testing
