#pragma once
// All that is said with one client: bytes in, bytes out, against a machine. Knows nothing of sockets.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "isa/limits.h"
#include "nbd/negotiation.h"
#include "nbd/options.h"
#include "nbd/statistics.h"
#include "nbd/transmission.h"
#include "vm/byte_queue.h"
#include "vm/machine.h"

namespace chimera::nbd {

class Conversation {
 public:
  /// `machine`, `options` and `statistics`, where requests are counted, must outlive it. `changed` is called, while the
  /// machine runs, whenever `proceed` is to be called before the machine runs next.
  Conversation(vm::Machine& machine, const Options& options, Statistics& statistics, std::function<void()> changed);

  /// Consumes what it can of the input and returns how much; the rest is to be given again, with what comes behind it,
  /// when `proceed` has been called.
  std::size_t take(std::span<const std::uint8_t> input);
  /// False while it would take nothing, however much there is: the client has as much under way as it may.
  [[nodiscard]] bool takes_input() const;
  /// Bytes of input that are worth being given at once; 0: any number. What it does not take it may be waiting for.
  [[nodiscard]] std::size_t wanted() const { return transmission_ ? transmission_->wanted() : 0; }
  void proceed();

  /// To be sent next; there may be more behind it.
  [[nodiscard]] std::span<const std::uint8_t> output() const {
    return transmission_ ? transmission_->output() : output_.bytes();
  }
  /// So much of it that the client should have it before more is done.
  [[nodiscard]] bool is_worth_sending() const { return transmission_ && transmission_->is_worth_sending(); }
  void sent(std::size_t size) { transmission_ ? transmission_->sent(size) : output_.drop(size); }

  /// The client has to send something before anything else happens.
  [[nodiscard]] bool is_waiting_for_client() const;
  /// And is not amid a request. Before an export is agreed upon it always is amid the handshake.
  [[nodiscard]] bool is_idle() const { return transmission_ && transmission_->is_idle(); }
  [[nodiscard]] bool is_negotiating() const { return negotiation_.has_value(); }
  /// Nothing more is taken; when the output has been sent and nothing is under way the connection is to be closed.
  [[nodiscard]] bool has_ended() const;

  /// Most bytes of memory that it takes: what is under way, in the sessions or on its way out, where a queue that grows
  /// has its bytes thrice for a moment; and what sessions and their queues keep when nothing is.
  static constexpr std::uint64_t kept_by_request = 2 << 20;
  static constexpr std::uint64_t most_memory = 3 * (Transmission::most_bytes + limits::largest_transfer) +
                                               (Transmission::most_requests + 1) * (kept_by_request + (64 << 10));

 private:
  void begin_transmission();

  vm::Machine& machine_;
  Statistics& statistics_;
  std::function<void()> changed_;
  vm::ByteQueue output_;
  std::optional<Negotiation> negotiation_;
  std::unique_ptr<ExportSearch> holder_;  ///< keeps the device open
  std::optional<Transmission> transmission_;
};

}  // namespace chimera::nbd
