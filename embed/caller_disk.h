#pragma once
// A disk of the caller's own behind the interface of ours, and the loop that goes with it: what the caller reports as
// done, from any thread, is delivered by the next step.

#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "embed/failure.h"
#include "include/chimera.h"
#include "io/disk.h"
#include "io/loop.h"

namespace chimera::embed {

class CallerDisk final : public io::Disk, public io::Loop {
 public:
  [[nodiscard]] static Outcome<std::unique_ptr<CallerDisk>> make(const chimera_disk& functions);
  ~CallerDisk() override;
  CallerDisk(const CallerDisk&) = delete;
  CallerDisk& operator=(const CallerDisk&) = delete;

  [[nodiscard]] std::uint64_t block_count() const noexcept override;
  /// Where there is no memory the request ends with ENOMEM: whoever has begun to wait for it must not wait for ever.
  void start(io::DiskRequest& request) override;
  /// The caller's disk has one size.
  [[nodiscard]] int grow(std::uint64_t block_count) override;

  std::size_t step(int timeout_ms) override;
  /// Can be polled: ready when a step would deliver something.
  [[nodiscard]] int descriptor() const { return event_; }

  /// From any thread. False if no such request is under way.
  bool done(std::uint64_t ticket, int error);
  /// The caller's disk is closed. All that is under way ends with EIO by the next step, and so does what is started.
  void shut();

 private:
  struct Flight;

  explicit CallerDisk(const chimera_disk& functions);
  void try_to_start(io::DiskRequest& request);
  void launch(std::unique_ptr<Flight> flight);
  void end(Flight& flight, int error);
  std::size_t deliver();
  std::size_t deliver_refused();
  /// False for the first half of a durable write.
  bool deliver(std::unique_ptr<Flight> flight);

  const chimera_disk functions_;
  int event_ = -1;
  bool is_shut_ = false;           ///< the machine's thread alone looks at it
  std::uint64_t last_ticket_ = 0;  ///< likewise
  std::mutex mutex_;               ///< guards what follows, and is never held while the caller's functions run
  std::unordered_map<std::uint64_t, std::unique_ptr<Flight>> flights_;
  Flight* ended_ = nullptr;  ///< a list, the last first: to be delivered; reporting must not need memory

  // The machine's thread again.
  Flight* delivering_ = nullptr;           ///< taken from there, the first first
  std::vector<io::DiskRequest*> refused_;  ///< for want of memory; has room from the beginning
};

}  // namespace chimera::embed
