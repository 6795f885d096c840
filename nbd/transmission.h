#pragma once
// The requests of a client that has agreed upon an export. What needs to wait for nothing is done as soon as it has
// come; reads that miss wait for the disk, and durable writes for a flush that they share. Each of the others is
// a small session of its own. So they end in any order.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "isa/limits.h"
#include "nbd/errand.h"
#include "nbd/negotiation.h"
#include "nbd/outlet.h"
#include "nbd/request.h"
#include "nbd/statistics.h"
#include "vm/byte_queue.h"
#include "vm/machine.h"
#include "vm/transfer_budget.h"

namespace chimera::nbd {

class Transmission final : private vm::TransferBudget::Waiter {
 public:
  /// Under way at a time, of one client: what comes beyond waits in its socket.
  static constexpr std::size_t most_requests = 128;
  static constexpr std::uint64_t most_bytes = 64 << 20;  ///< of payloads and results; one request may pass it
  /// What requests that are under way take of memory without asking for it, of one client; what goes beyond is asked of
  /// the transfers' budget, request by request. Each counts its bytes, and the session that it may need.
  static constexpr std::uint64_t free_bytes = 384 << 10;
  static constexpr std::uint64_t session_bytes = 48 << 10;
  static constexpr std::uint64_t waiting_read_bytes = 512;  ///< of one that waits for the disk without a session
  /// Sessions that wait for their next request, at most.
  static constexpr std::size_t most_free_works = 16;
  /// When so many bytes of replies wait, or have been moved by requests that needed no session, nothing more is taken
  /// before `sent`: the replies are worth a system call, the client has something to do meanwhile, and others have
  /// their turn.
  static constexpr std::size_t worthwhile = 16 << 10;
  /// Replies of so many bytes leave by the outlet, if there is one, and shorter ones are copied first.
  static constexpr std::size_t least_by_outlet = 32 << 10;

  /// Replies go to `output`, and long ones out by `outlet`, if there is one. `changed` is called, while the machine or
  /// its loop runs, memory is given back, or replies are sent, whenever `proceed` is to be.
  Transmission(vm::Machine& machine, Agreement agreement, vm::TransferBudget& transfers, Statistics& statistics,
               vm::ByteQueue& output, std::function<void()> changed, Outlet* outlet);
  ~Transmission();
  Transmission(const Transmission&) = delete;
  Transmission& operator=(const Transmission&) = delete;

  /// Longer transfers are not done at once, since that keeps everybody else waiting.
  static constexpr std::uint64_t most_at_once = 1 << 20;
  static_assert(most_at_once / limits::block_size + 2 == Outlet::most_parts, "the first and last may be half blocks");
  /// Up to here the look-ups of a transfer are what counts, not its bytes.
  static constexpr std::uint64_t longest_short = 16 << 10;

  /// Consumes what it can of the input and returns how much; the rest is to be given again after `proceed`.
  std::size_t take(std::span<const std::uint8_t> input);
  /// Nothing is taken until something that is under way has ended, or replies have been sent.
  [[nodiscard]] bool is_full() const {
    if (lent_ != nullptr || claim_.is_waiting()) return true;
    if (payload_left_ > 0) return false;
    return busy_ >= most_requests || busy_bytes_ >= most_bytes || is_worth_sending();
  }
  /// Replies to what has ended, as long as what is to be sent leaves room for it.
  void proceed();

  /// What is to be sent next. A long answer is sent from where the machine has put it, and the rest behind it.
  [[nodiscard]] std::span<const std::uint8_t> output() const;
  void sent(std::size_t size);
  [[nodiscard]] bool is_worth_sending() const { return moved_ >= worthwhile || output().size() >= worthwhile; }

  /// Bytes of input that are worth being given at once: there is nothing to take of a request that is to be done at
  /// once before it is whole. 0: any number.
  [[nodiscard]] std::size_t wanted() const { return wanted_; }

  /// Nothing is under way, nor half a request in.
  [[nodiscard]] bool is_idle() const {
    return busy_ == 0 && payload_left_ == 0 && wanted_ == 0 && !claim_.is_waiting();
  }
  /// Nothing is under way, and the rest of what begun to come is the client's to send.
  [[nodiscard]] bool is_waiting_for_client() const { return busy_ == (is_filling() ? 1 : 0) && !claim_.is_waiting(); }
  /// It has been given memory that others may be waiting for.
  [[nodiscard]] bool holds_transfer() const;
  /// It waits for memory itself.
  [[nodiscard]] bool is_waiting_for_transfer() const { return claim_.is_waiting(); }
  /// The client wants no more, or has sent what is no request: when it is idle the connection ends.
  [[nodiscard]] bool has_ended() const { return has_ended_; }

 private:
  struct UnderWay;
  class Work;
  class WaitingRead;
  using Bytes = std::span<const std::uint8_t>;

  [[nodiscard]] bool is_filling() const { return filling_ != nullptr; }
  std::size_t approach(Bytes input);
  std::size_t take_header(Bytes input);
  std::size_t take_payload(Bytes input);
  std::size_t begin(const Request& request, Bytes behind);
  [[nodiscard]] std::uint64_t memory_of(const Request& request) const;
  bool may_begin(const Request& request);
  void transfer_granted() override { changed_(); }
  void settle_output();
  [[nodiscard]] bool may_be_at_once(const Request& request) const;
  bool answer_at_once(const Request& request, Bytes payload);
  bool read_at_once(const Request& request);
  [[nodiscard]] std::size_t room_for(std::size_t reply) const;
  bool reply_from_memory(const Request& request);
  bool send_from_memory(const Request& request);
  void gather(const Request& request);
  void end_payload();
  void begin_status_of_contexts();
  void charge(UnderWay& one, const Request& request);
  void settle(UnderWay& one);
  Work& spare_work();
  Work& occupy(const Request& request);
  void step(Work& work);
  void proceed(Work& work, std::uint64_t now_ns);
  void release(Work& work);
  bool fetch(WaitingRead& read, const Request& request);
  bool wait_for_disk(const Request& request);
  void proceed(WaitingRead& read, std::uint64_t now_ns);
  [[nodiscard]] bool has_more_replies() const { return !finished_.empty() || !arrived_reads_.empty(); }
  [[nodiscard]] bool may_reply() const { return lent_ == nullptr && !is_worth_sending(); }

  void note_at_once(const Request& request);
  void measure_at_once();
  void measure(const UnderWay& one, const Request& request, std::uint64_t now_ns);
  void reply(Work& work, Bytes answers);
  void reply_outcome(const Request& request, Bytes answers, bool has_begun);
  void reply_success(const Request& request);
  void reply_data(Work& work, Bytes data);
  [[nodiscard]] std::size_t chunk_size() const;
  [[nodiscard]] std::size_t data_head_size() const;
  void put_data_head(const Request& request, std::uint64_t size);
  void reply_status(const Request& request, Bytes answers);
  void reply_error(const Request& request, Error error, std::string_view message);
  void put_chunk_header(const Request& request, Chunk type, std::uint64_t size);
  void put_simple_header(const Request& request, Error error);

  vm::Machine& machine_;
  const Agreement agreement_;
  vm::TransferBudget& transfers_;
  Statistics& statistics_;
  vm::ByteQueue& output_;
  std::function<void()> changed_;
  Outlet* const outlet_;
  std::unique_ptr<vm::Session> at_once_;    ///< for what is not an errand
  Program program_;                         ///< used again for each step
  vm::TransferBudget::Claim claim_;         ///< for the request that is to begin
  vm::TransferBudget::Claim output_claim_;  ///< of requests that are over, whose replies are still here
  std::uint64_t free_used_ = 0;             ///< of free_bytes
  std::uint64_t output_free_used_ = 0;      ///< of that: what output_claim_ is for those that were given more
  std::vector<std::unique_ptr<Work>> works_;
  std::vector<Work*> free_works_;
  std::vector<Work*> finished_;
  std::vector<std::unique_ptr<WaitingRead>> reads_;
  std::vector<WaitingRead*> free_reads_;
  std::vector<WaitingRead*> arrived_reads_;  ///< what they have missed is in memory, or never will be
  Work* lent_ = nullptr;                     ///< its answer is being sent, behind `output_`
  std::size_t lent_left_ = 0;
  bool is_reads_turn_ = false;  ///< to be replied to, rather than a session's
  std::uint64_t moved_ = 0;     ///< bytes of requests that needed no session, since replies were sent last
  std::size_t busy_ = 0;
  std::uint64_t busy_bytes_ = 0;
  std::uint64_t arrived_ns_ = 0;  ///< when what is to be taken next had come; 0: it has not
  Statistics::Groups replied_{};  ///< requests that have been replied to since

  Work* gathering_ = nullptr;  ///< the flush of durable writes that have been done; it begins when all have been taken
  Work* filling_ = nullptr;    ///< the write whose payload comes
  Request taken_;              ///< whose payload comes
  Error fault_ = Error::none;  ///< what it is answered then
  std::uint64_t payload_left_ = 0;
  std::size_t wanted_ = 0;
  std::vector<std::uint8_t> contexts_;  ///< the payload of a block status
  bool has_ended_ = false;
};

}  // namespace chimera::nbd
