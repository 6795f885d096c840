#pragma once
// All that is said with one client: bytes in, bytes out, against a machine. Knows nothing of sockets.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "nbd/negotiation.h"
#include "nbd/options.h"
#include "nbd/outlet.h"
#include "nbd/statistics.h"
#include "nbd/transmission.h"
#include "vm/byte_queue.h"
#include "vm/machine.h"
#include "vm/transfer_budget.h"

namespace chimera::nbd {

class Conversation {
 public:
  /// `machine`, `options`, `transfers`, which large requests are asked of, and `statistics`, where requests are
  /// counted, must outlive it. `changed` is called, while the machine or its loop runs, memory is given back or
  /// replies are sent, whenever `proceed` is to be called before the machine runs next. `outlet`, if there is one,
  /// must outlive it too: long replies leave by it, as far as they can.
  Conversation(vm::Machine& machine, const Options& options, vm::TransferBudget& transfers, Statistics& statistics,
               std::function<void()> changed, Outlet* outlet = nullptr);

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
  /// So many bytes of `output`; 0 where all of what was worth sending has left by the outlet.
  void sent(std::size_t size);

  /// The client has to send something before anything else happens.
  [[nodiscard]] bool is_waiting_for_client() const;
  /// And is not amid a request. Before an export is agreed upon it always is amid the handshake.
  [[nodiscard]] bool is_idle() const { return transmission_ && transmission_->is_idle(); }
  [[nodiscard]] bool is_negotiating() const { return negotiation_.has_value(); }
  /// It has been given memory that others may be waiting for.
  [[nodiscard]] bool is_waiting_for_transfer() const {
    return transmission_ && transmission_->is_waiting_for_transfer();
  }
  [[nodiscard]] bool holds_transfer() const { return transmission_ && transmission_->holds_transfer(); }
  /// Nothing more is taken; when the output has been sent and nothing is under way the connection is to be closed.
  [[nodiscard]] bool has_ended() const;

  /// Most bytes of memory that it takes beside what it is given of the transfers: what is under way without having been
  /// asked for, output that is worth sending and one more reply, sessions, and reads, that wait for their next request.
  static constexpr std::uint64_t most_memory = Transmission::free_bytes +
                                               (Transmission::worthwhile + Transmission::free_bytes) +
                                               (Transmission::most_free_works + 2) * Transmission::session_bytes +
                                               Transmission::most_requests * Transmission::waiting_read_bytes;

 private:
  void begin_transmission();

  vm::Machine& machine_;
  vm::TransferBudget& transfers_;
  Statistics& statistics_;
  std::function<void()> changed_;
  Outlet* const outlet_;
  vm::ByteQueue output_;
  std::optional<Negotiation> negotiation_;
  std::unique_ptr<ExportSearch> holder_;  ///< keeps the device open
  std::optional<Transmission> transmission_;
};

}  // namespace chimera::nbd
