#pragma once
// A small session that runs one program at a time: what every question of a handshake becomes, and each request that
// has to wait, unless it is a short read.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "isa/answer.h"
#include "isa/builder.h"
#include "vm/machine.h"

namespace chimera::nbd {

/// One for each instruction of the program, or fewer if the stream has ended; views of `answers`.
[[nodiscard]] std::vector<Answer> parse_answers(const Program& program, std::span<const std::uint8_t> answers);

class Errand : private vm::Session::Listener {
 public:
  explicit Errand(vm::Machine& machine);
  virtual ~Errand() = default;
  Errand(const Errand&) = delete;
  Errand& operator=(const Errand&) = delete;

  /// Bytes of the program; whole instructions may run before the rest has come.
  void feed(std::span<const std::uint8_t> bytes) { session_->feed(bytes); }
  /// Room for so many more bytes is made at once.
  void expect(std::size_t size);
  /// To be called right behind the feed that completes the program: `ended` is called when all of it has run.
  void sent_all() { is_running_ = true; }
  /// Nothing is fed while this is so.
  [[nodiscard]] bool is_running() const { return is_running_; }

  /// Feeds all of it.
  void run(const Program& program);

  /// Of the program that has ended; valid until `take`.
  [[nodiscard]] std::span<const std::uint8_t> answers() const { return session_->answers(); }
  void take() { session_->take_answers(session_->answers().size()); }

 protected:
  /// Called while the machine runs: no session may be fed, made or destroyed in it.
  virtual void ended() = 0;

 private:
  void session_changed(vm::Session&) override;

  std::unique_ptr<vm::Session> session_;
  bool is_running_ = false;
};

}  // namespace chimera::nbd
