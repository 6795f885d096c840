#pragma once
// The machine: sessions that feed it instructions, and the one thread that runs them against a store.
//
// To embed it: open one, `connect` a session, `run` programs. To serve it: `feed` what arrives, `run_ready`, send what
// `answers` holds, and let the loop `step`.

#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "devices/store.h"
#include "io/loop.h"
#include "vm/measurements.h"
#include "vm/transfer_budget.h"

namespace chimera::vm {

class Fetch;
class Machine;

/// One stream of instructions and its answers: registers, open devices, unread input, untaken answers.
/// Made by Machine::connect; must go before its machine does. Going away closes its devices.
class Session {
 public:
  virtual ~Session() = default;

  /// Appends bytes of the stream; whole instructions in them run at the machine's next turn. Copies.
  virtual void feed(std::span<const std::uint8_t> bytes) = 0;
  /// More than this is not received at a time, so that large instructions are received where they are to stay.
  static constexpr std::size_t largest_receive = 512 << 10;
  /// Space of at least `size` bytes at the end of the unread input, to receive into; `commit_input` says how many
  /// arrived. Nothing else may be called on the session in between.
  virtual std::span<std::uint8_t> input_space(std::size_t size) = 0;
  virtual void commit_input(std::size_t size) = 0;
  /// No more input will come: half an instruction at the end is dropped.
  virtual void end_input() = 0;
  /// Bytes fed and not yet consumed by an instruction that has ended.
  [[nodiscard]] virtual std::size_t unread_input() const = 0;

  /// Answers ready to be taken, in one piece; valid until the session or machine is next used. Those behind a flush
  /// that is not durable yet are not ready.
  [[nodiscard]] virtual std::span<const std::uint8_t> answers() const = 0;
  virtual void take_answers(std::size_t size) = 0;
  /// While more than this many bytes of answers wait, ready or not, the session runs nothing. Default 64 MiB.
  virtual void cap_answers(std::size_t bytes) = 0;

  /// Neither running nor waiting for blocks or a flush: it needs input, or its answers taken, or it has ended.
  [[nodiscard]] virtual bool idle() const = 0;
  /// Between `begin` and the end of its transaction: what it holds, others may miss.
  [[nodiscard]] virtual bool in_transaction() const = 0;
  /// The stream has ended (illegal instruction, or end_input and all run): take the answers and let it go.
  [[nodiscard]] virtual bool ended() const = 0;

  // At once, between the machine's turns, for servers of other protocols. On an idle session that has not been fed; it
  // opens the device, if need be, as an instruction does. False: nothing has happened, because something is not in
  // memory, because the instruction would fail, or because others have to be waited for. Feed it then: the answer
  // tells.
  /// What `read bytes` answers, put where it is wanted. `out` is undefined where nothing has happened.
  [[nodiscard]] virtual bool read_at_once(const Uuid& device, std::uint64_t offset, std::span<std::uint8_t> out) = 0;
  /// The same, not moved: where it lies, in order, behind what `parts` holds already (undefined where nothing has
  /// happened). Valid until the machine, one of its sessions or its loop is used next.
  [[nodiscard]] virtual bool view_at_once(const Uuid& device, std::uint64_t offset, std::uint64_t size,
                                          std::vector<std::span<const std::uint8_t>>& parts) = 0;
  /// What `write bytes` does.
  [[nodiscard]] virtual bool write_at_once(const Uuid& device, std::uint64_t offset,
                                           std::span<const std::uint8_t> bytes) = 0;
  static constexpr std::size_t most_approached = 8;
  /// Several of them are about to begin at these offsets, so many at most: what their look-ups need is brought near the
  /// processor, side by side. Nothing else happens; any offset is fine.
  virtual void approach(const Uuid& device, std::span<const std::uint64_t> offsets) = 0;
  /// What a `read_at_once` of this range has missed is read from the disk; the fetch is told when it is worth trying
  /// again, and may be begun again, when it has ended, where that misses something else (a map comes before its
  /// blocks). False: nothing has happened, the session is to be fed.
  [[nodiscard]] virtual bool fetch(const Uuid& device, std::uint64_t offset, std::uint64_t size, Fetch& fetch) = 0;

  /// Called (from the machine's run) when input has been consumed, answers have come or the session has become idle.
  /// For servers.
  class Listener {
   public:
    virtual void session_changed(Session&) = 0;

   protected:
    ~Listener() = default;
  };
  virtual void listen(Listener* listener) = 0;

  /// For servers of many: what is over TransferBudget::free_bytes, of instruction and answer together, is asked for
  /// before it is received or made. The budget must outlive the session. Nobody is asked unless this is called.
  virtual void ask_before_transfers(TransferBudget& budget) = 0;
  /// It has been given a part of the budget, and others may be waiting for that.
  [[nodiscard]] virtual bool holds_transfer() const = 0;

  /// For embedding: runs `program` to its end, driving the machine and its loop, and appends the answers.
  /// Half an instruction at the end is dropped. False if the stream ended in it (illegal instruction).
  virtual bool run(std::span<const std::uint8_t> program, std::vector<std::uint8_t>& answers) = 0;
};

class Machine {
 public:
  /// Bytes of input that all sessions together keep to run transactions again that lose.
  static constexpr std::size_t most_kept_bytes = 64 << 20;
  /// Devices that each session may have open whatever others have, and those that all of them may have beside.
  static constexpr std::size_t freely_open_handles = 256;
  static constexpr std::size_t most_open_handles = 1 << 19;

  /// The loop must outlive the machine. The store may hold a pool on a disk of the same loop; it comes from
  /// vm::open_store then.
  Machine(io::Loop& loop, std::unique_ptr<devices::Store> store);
  ~Machine();

  [[nodiscard]] std::unique_ptr<Session> connect();
  /// Gives each ready session a quantum, and background work a slice. Never blocks. True while something is left
  /// that could go on at once; false when everything waits for I/O, input or answers to be taken.
  bool run_ready();
  /// Whether a session has become ready since, or something has been done at once: then run_ready should be called
  /// next, without waiting.
  [[nodiscard]] bool has_ready() const;
  /// run_ready, then Loop::step with the timeout if there was nothing left to do, or 0 if there was. Do not give
  /// Loop::forever while answers may have come that nobody has taken: if nothing is under way it never returns.
  void turn(int timeout_ms);
  /// From now on every instruction answers 19 (shutting down) but those already begun.
  void shut_down();
  /// Makes everything durable and leaves the store in order, with nothing to replay, driving the loop. The status of
  /// the sync.
  [[nodiscard]] Status sync();

  /// What the machine has done since it began, and how it is: what `describe store` tells.
  [[nodiscard]] std::vector<Measurement> measure() const;
  /// Somebody who serves the machine tells more. It has to be removed before it goes.
  void add_source(const MeasurementSource& source);
  void remove_source(const MeasurementSource& source);

  [[nodiscard]] devices::Store& store();
  /// What has failed of the store's disk, and what to do, for people; empty while nothing has.
  [[nodiscard]] std::string failure() const;
  /// The first damage that an instruction has met, for people: what does not match its checksum; empty while none has.
  [[nodiscard]] const std::string& damage() const;
  [[nodiscard]] io::Loop& loop();

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace chimera::vm
