#pragma once
// Where programs run: a machine in this process (machine_host.h) or a server (server_host.h), the same to whoever
// sends. Everything belongs to one thread. What throws (no memory) leaves the host unusable: see abandon.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "embed/failure.h"
#include "embed/wakeup.h"

namespace chimera::embed {

/// The bytes of one session. Goes before its host does.
class Stream {
 public:
  virtual ~Stream() = default;
  /// Whole instructions, none of them illegal. Copies; never waits. True if the host could go on with them at once.
  virtual bool send(std::span<const std::uint8_t> instructions) = 0;
  /// What has been answered and was not taken, in one piece, perhaps half an answer at its end; valid until anything of
  /// the host is used.
  [[nodiscard]] virtual std::span<const std::uint8_t> answers() const = 0;
  virtual void take(std::size_t size) = 0;
  /// Why no answers will come any more beyond those that are there, although some are missing; nothing while they may.
  [[nodiscard]] virtual std::optional<std::string> broken_off() const = 0;
};

class Host {
 public:
  virtual ~Host() = default;
  [[nodiscard]] virtual Outcome<std::unique_ptr<Stream>> connect() = 0;
  /// Moves what can be moved, waiting at most `timeout_ms` (-1: as long as it takes) if that is nothing. True while
  /// more could go on at once.
  virtual bool go_on(int timeout_ms) = 0;
  /// From now on the wakeup is ready when go_on would find something that has come from outside. It outlives the host.
  [[nodiscard]] virtual Outcome<> attach(Wakeup&) = 0;
  /// Makes everything durable, in good order. No stream is left.
  [[nodiscard]] virtual Outcome<> close() = 0;
  /// Waits for what is under way, as long as whoever does it still exists. Behind that the host can be destroyed. No
  /// stream is left.
  virtual void settle() {}
  /// Gives up what others wait for: a lock, a disk. True if the host can still be destroyed, with its streams; else it
  /// has to be left where it is, for an operation was broken off in its middle.
  [[nodiscard]] virtual bool abandon() = 0;
};

}  // namespace chimera::embed
