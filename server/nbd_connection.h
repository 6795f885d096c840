#pragma once
// A client that speaks NBD: its socket, its conversation, and the bytes between them.

#include <cstdint>
#include <optional>
#include <span>

#include "io/callback.h"
#include "io/loop.h"
#include "nbd/conversation.h"
#include "server/connection.h"
#include "server/options.h"
#include "server/patience.h"
#include "server/receive_size.h"
#include "server/socket.h"
#include "vm/byte_queue.h"
#include "vm/machine.h"

namespace chimera::server {

class NbdConnection final : public Connection, private nbd::Outlet {
 public:
  /// All that is given must outlive the connection, which must be gone before it is destroyed.
  NbdConnection(Host& host, io::KernelLoop& loop, const Options& options, Socket socket, vm::Machine& machine,
                vm::TransferBudget& transfers, nbd::Statistics& statistics);
  /// What one connection takes at most of memory, in bytes, beside what it is given of the transfers' budget.
  [[nodiscard]] static std::uint64_t most_memory();

  void advance(bool is_machine_busy) override;
  void end_input() override;
  void check_patience(std::uint64_t elapsed_ms) override;
  void drop() override;

 private:
  [[nodiscard]] bool takes_input() const;
  bool take_input();
  void receive();
  void send_output(bool may_wait);
  std::size_t send_at_once(std::span<const std::span<const std::uint8_t>> parts) override;
  void close();
  void go_if_over();

  void on_received(int result);
  void on_writable(int result);
  void on_too_long(int result);

  Host& host_;
  io::KernelLoop& loop_;
  const Options& options_;
  Socket socket_;
  const vm::TransferBudget& transfers_;
  std::optional<nbd::Conversation> conversation_;  ///< none when all is said
  vm::ByteQueue input_;
  ReceiveSize receive_size_;
  bool has_input_ended_ = false;
  bool has_client_closed_ = false;
  bool is_closing_ = false;  ///< operations that are under way end
  bool lingers_ = false;     ///< all is said, and the client is to close its side
  bool is_gone_ = false;
  bool is_send_postponed_ = false;
  Patience patience_;

  io::Callback<&NbdConnection::on_received> receiving_{*this};
  io::Callback<&NbdConnection::on_writable> awaiting_room_{*this};
  io::Callback<&NbdConnection::on_too_long> handshake_timer_{*this};
};

}  // namespace chimera::server
