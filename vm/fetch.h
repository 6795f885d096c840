#pragma once
// Blocks on their way into memory, for a read that has found them missing (Session::fetch).

#include <cstdint>

#include "devices/device.h"

namespace chimera::vm {

class MachineCore;

/// Used again and again, for one range at a time. It must end before its machine does, and belongs to its thread.
class Fetch : private devices::Waiter {
 public:
  Fetch() = default;
  virtual ~Fetch() { end(); }
  Fetch(const Fetch&) = delete;
  Fetch& operator=(const Fetch&) = delete;

  /// Lets go of what has come, which stays in memory as long as it is worth it, or of what is still on its way.
  void end();
  /// Some of what was missing could not be read, or is damaged: an instruction is to say what.
  [[nodiscard]] bool has_failed() const { return has_failed_; }

 protected:
  /// What was missing has come, or never will: it is worth trying again. Called once for each fetch, from Loop::step,
  /// so it may only note the fact.
  virtual void arrived() = 0;

 private:
  friend class StreamSession;
  void wake() override;

  MachineCore* core_ = nullptr;  ///< null: it holds nothing and waits for nothing
  std::uint64_t begun_ns_ = 0;
  bool has_failed_ = false;
};

}  // namespace chimera::vm
