#pragma once
// A client that asks over HTTP for the machine's figures: one request, one answer, within one deadline.

#include <array>
#include <cstdint>
#include <string>

#include "io/callback.h"
#include "io/loop.h"
#include "server/connection.h"
#include "server/options.h"
#include "server/socket.h"
#include "vm/machine.h"

namespace chimera::server {

class MetricsConnection final : public Connection {
 public:
  /// All that is given must outlive the connection, which must be gone before it is destroyed.
  MetricsConnection(Host& host, io::KernelLoop& loop, const Options& options, Socket socket,
                    const vm::Machine& machine);
  /// What one connection takes at most, in bytes of memory.
  static constexpr std::uint64_t most_memory = 256 * 1024;

  void advance(bool is_machine_busy) override;
  void end_input() override;
  /// Its deadline does not depend on what it does.
  void check_patience(std::uint64_t) override {}
  void drop() override;

 private:
  enum class State : std::uint8_t {
    asking,
    answering,
    closing,  ///< operations that are under way end
  };

  void receive();
  void send_answer();
  void close();
  void go_if_over();

  void on_received(int result);
  void on_writable(int result);
  void on_deadline(int result);

  Host& host_;
  io::KernelLoop& loop_;
  Socket socket_;
  const vm::Machine& machine_;
  State state_ = State::asking;
  bool has_client_closed_ = false;
  bool lingers_ = false;  ///< all is said, and the client is to close its side
  bool is_gone_ = false;
  std::string request_;
  std::string answer_;
  std::size_t sent_ = 0;          ///< of the answer
  std::array<char, 4096> piece_;  ///< what one receive brings

  io::Callback<&MetricsConnection::on_received> receiving_{*this};
  io::Callback<&MetricsConnection::on_writable> awaiting_room_{*this};
  io::Callback<&MetricsConnection::on_deadline> deadline_{*this};
};

}  // namespace chimera::server
