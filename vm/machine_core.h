#pragma once
// The machine's inside: what its sessions share.

#include <cstdint>
#include <deque>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "devices/store.h"
#include "io/loop.h"
#include "vm/machine.h"
#include "vm/measurements.h"
#include "vm/statistics.h"
#include "vm/transactions.h"

namespace chimera::vm {

class StreamSession;

class MachineCore {
 public:
  MachineCore(io::Loop& loop, std::unique_ptr<devices::Store> store) : loop_(loop), store_(std::move(store)) {}
  ~MachineCore();
  MachineCore(const MachineCore&) = delete;
  MachineCore& operator=(const MachineCore&) = delete;

  [[nodiscard]] devices::Store& store() { return *store_; }
  /// The core ends here.
  [[nodiscard]] std::unique_ptr<devices::Store> take_store() { return std::move(store_); }
  [[nodiscard]] io::Loop& loop() { return loop_; }
  [[nodiscard]] Transactions& transactions() { return transactions_; }
  [[nodiscard]] Statistics& statistics() { return statistics_; }
  [[nodiscard]] std::vector<Measurement> measure() const;
  /// See Machine.
  void add_source(const MeasurementSource& source) { sources_.push_back(&source); }
  void remove_source(const MeasurementSource& source) { std::erase(sources_, &source); }

  /// Enters a session; returns its number, from 1, never used again.
  std::uint64_t enter(StreamSession& session);
  void leave(StreamSession& session);
  [[nodiscard]] std::size_t session_count() const { return sessions_.size(); }

  /// The session has something to run. It is in the queue at most once.
  void enqueue(StreamSession& session);
  /// See Machine::run_ready.
  bool run_ready();
  [[nodiscard]] bool has_ready() const;
  /// Something has been done between two turns, which the store may have to go on with.
  void note_work() { has_new_work_ = true; }
  /// Nobody else has a turn before this session says that it is done: its transaction has lost too often. Others let go
  /// of what they hold.
  void run_alone(StreamSession& session);
  void end_alone(StreamSession& session);
  [[nodiscard]] bool somebody_runs_alone() const { return alone_ != nullptr; }
  /// Input that sessions keep to run their transactions again, all of them together. False: there is no room for so
  /// many bytes more, and nothing is counted.
  [[nodiscard]] bool may_keep(std::size_t bytes) {
    if (bytes > Machine::most_kept_bytes - kept_bytes_) return false;
    kept_bytes_ += bytes;
    return true;
  }
  void keep_no_more(std::size_t bytes) { kept_bytes_ -= bytes; }
  /// An instruction has met a block that is not what was written.
  void note_damage(std::string_view what) {
    if (damage_.empty()) damage_ = what;
  }
  [[nodiscard]] const std::string& damage() const { return damage_; }
  void turn(int timeout_ms);
  /// Makes everything durable and leaves the store in order, driving the loop.
  [[nodiscard]] Status sync();
  void give_back();
  /// Runs what the journal holds. An error is a sentence, and the machine must not be used.
  [[nodiscard]] std::expected<void, std::string> recover();

  void shut_down() { shutting_down_ = true; }
  [[nodiscard]] bool shutting_down() const { return shutting_down_; }

  /// Devices that sessions have open, as far as each has more than its free ones.
  [[nodiscard]] std::size_t open_handles() const;
  [[nodiscard]] bool open_elsewhere(const StreamSession& asking, const devices::Device& device) const;
  /// Instructions of other sessions that wait and may use the device let go of what they hold and begin again.
  void interrupt_users(const StreamSession& asking, const devices::Device& device);
  /// Other sessions' handles of a device that is gone (and is not looked at) answer `not found` from now on.
  void forget(const StreamSession& asking, const Uuid& uuid, const devices::Device* gone);

 private:
  io::Loop& loop_;
  std::unique_ptr<devices::Store> store_;
  Transactions transactions_;
  Statistics statistics_;
  std::vector<const MeasurementSource*> sources_;
  std::vector<StreamSession*> sessions_;
  std::deque<StreamSession*> ready_;
  StreamSession* alone_ = nullptr;
  unsigned turns_alone_ = 0;
  std::size_t kept_bytes_ = 0;
  bool has_new_work_ = false;
  std::uint64_t last_number_ = 0;
  bool shutting_down_ = false;
  std::string damage_;  ///< the first that was met
};

}  // namespace chimera::vm
