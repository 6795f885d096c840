#pragma once
// Where programs are sent: a machine in this process on a store, or a server behind an address. The same to whoever
// sends.

#include <cstdint>
#include <deque>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "cli/options.h"
#include "isa/answer.h"
#include "isa/instruction.h"

namespace chimera::cli {

/// One session. Instructions are sent ahead of their answers as far as the caller likes; answers come in order.
class Endpoint {
 public:
  virtual ~Endpoint() = default;

  /// Sends the bytes of one instruction, legal or not. Of `instruction` only what tells how its answer reads is kept:
  /// operation and count. Never waits for answers; what does not go out at once is kept, so the caller bounds what is
  /// under way.
  void send(std::span<const std::uint8_t> bytes, const Instruction& instruction);
  /// Waits for the answer to the oldest instruction that has none yet, of which there is one; it is a view that holds
  /// until the next call of anything here. An error means that the other side has gone away, or what it sent is no
  /// answer.
  [[nodiscard]] virtual std::expected<Answer, std::string> receive() = 0;
  /// How many instructions were sent and have not been answered.
  [[nodiscard]] std::size_t under_way() const { return questions_.size(); }
  /// Ends the session. On a store of our own: everything is durable when this returns without error.
  [[nodiscard]] virtual std::expected<void, std::string> close() = 0;

  /// Sends instructions whose bytes are known to be legal, all at once: the other side is woken once.
  void send_all(std::span<const std::uint8_t> instructions);
  /// Sends one legal instruction and waits for its answer; one that is not ok is an error with its words.
  /// Nothing else may be under way.
  [[nodiscard]] std::expected<Answer, std::string> ask(std::span<const std::uint8_t> instruction);

 protected:
  /// Looks for the answer to the oldest instruction at the front of `stream`. Where it is not whole yet, `size` is how
  /// many bytes are needed at least.
  ParsedAnswer parse_next(std::span<const std::uint8_t> stream, Answer& answer);

 private:
  virtual void send_bytes(std::span<const std::uint8_t> bytes) = 0;
  void expect_answer(const Instruction& instruction);

  std::deque<Instruction> questions_;
};

/// True for `unix:PATH` and `tcp:HOST:PORT`: a running server; anything else is a store.
[[nodiscard]] bool is_address(std::string_view target);

/// Opens a store or connects to an address. Errors are whole sentences.
[[nodiscard]] std::expected<std::unique_ptr<Endpoint>, std::string> open_endpoint(const std::string& target,
                                                                                  const StoreOptions& options);

/// An answer that is not ok as a sentence: `Not found: no device is called "disk0".`
[[nodiscard]] std::string describe_failure(const Answer& answer);

}  // namespace chimera::cli
