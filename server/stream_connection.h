#pragma once
// A client that sends instructions: its socket, its session, and the bytes between them.

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "io/callback.h"
#include "io/loop.h"
#include "server/connection.h"
#include "server/options.h"
#include "server/patience.h"
#include "server/receive_size.h"
#include "server/socket.h"
#include "vm/machine.h"

namespace chimera::server {

class StreamConnection final : public Connection, private vm::Session::Listener {
 public:
  /// All that is given must outlive the connection, which must be gone before it is destroyed.
  StreamConnection(Host& host, io::KernelLoop& loop, const Options& options, Socket socket,
                   std::unique_ptr<vm::Session> session, vm::TransferBudget& transfers);
  /// What one connection takes at most of memory, in bytes, beside what it is given of the transfers' budget and what
  /// all sessions share (vm::Machine).
  [[nodiscard]] static std::uint64_t most_memory(const Options& options);

  void advance(bool is_machine_busy) override;
  void end_input() override;
  void check_patience(std::uint64_t elapsed_ms) override;
  void drop() override;

 private:
  void session_changed(vm::Session&) override;
  [[nodiscard]] std::uint64_t patience_ms() const;
  [[nodiscard]] bool is_worth_sending(std::size_t size, bool is_machine_busy) const;
  void send_answers(bool is_machine_busy);
  void send_some(std::span<const std::uint8_t> answers);
  void receive();
  void receive_directly();
  void take_input(int result);
  void note_received(int result);
  void close();
  void go_if_over();

  void on_received(int result);
  void on_piece(int result);
  void on_writable(int result);

  Host& host_;
  io::KernelLoop& loop_;
  const Options& options_;
  Socket socket_;
  std::unique_ptr<vm::Session> session_;
  const vm::TransferBudget& transfers_;
  bool has_input_ended_ = false;  ///< the session knows
  bool is_input_ending_ = false;  ///< it shall, when the receive that is under way has ended
  bool has_client_closed_ = false;
  bool is_output_lost_ = false;  ///< the client takes no answers any more; what it has sent is run all the same
  bool is_closing_ = false;      ///< operations that are under way end
  bool lingers_ = false;         ///< all is answered, and the client is to close its side
  bool is_gone_ = false;
  Patience patience_;
  ReceiveSize receive_size_;
  std::array<std::uint8_t, 4096> piece_;  ///< what comes while the session runs

  io::Callback<&StreamConnection::on_received> receiving_{*this};
  io::Callback<&StreamConnection::on_piece> receiving_piece_{*this};
  io::Callback<&StreamConnection::on_writable> awaiting_room_{*this};
};

}  // namespace chimera::server
