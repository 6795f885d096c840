#pragma once
// One address where clients come in.

#include <cstddef>
#include <cstdint>

#include "io/callback.h"
#include "io/loop.h"
#include "server/listening_socket.h"

namespace chimera::server {

/// What is spoken at an address.
enum class Protocol : std::uint8_t { instructions, nbd, metrics };

inline constexpr std::size_t protocol_count = 3;

class Listener {
 public:
  class Host {
   public:
    /// Takes the connection over.
    virtual void accepted(Socket socket, Protocol protocol) = 0;
    /// False while there is no room for one more such connection; `resume` is called when there is again.
    [[nodiscard]] virtual bool has_room(Protocol protocol) const = 0;

   protected:
    ~Host() = default;
  };

  /// The host and the loop must outlive the listener, which must have stopped before it is destroyed.
  Listener(Host& host, io::KernelLoop& loop, ListeningSocket listening, Protocol protocol);
  /// Removes the file of a unix socket.
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  /// Accepts, if it does not already and there is room.
  void resume();
  void stop();
  [[nodiscard]] bool has_stopped() const;
  [[nodiscard]] const Address& address() const noexcept { return listening_.address; }

 private:
  void on_accepted(int result);
  void on_waited(int result);

  Host& host_;
  io::KernelLoop& loop_;
  ListeningSocket listening_;
  const Protocol protocol_;
  bool is_stopping_ = false;
  io::Callback<&Listener::on_accepted> accepting_{*this};
  io::Callback<&Listener::on_waited> waiting_{*this};
};

}  // namespace chimera::server
