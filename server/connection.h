#pragma once
// One client, whatever it speaks, as the server's main loop sees it.

#include <cstddef>
#include <cstdint>

#include "server/socket.h"

namespace chimera::server {

class Connection {
 public:
  /// Told what a connection wants. Nothing is done from inside these calls.
  class Host {
   public:
    /// `advance` shall be called before the loop is stepped next.
    virtual void connection_changed(Connection&) = 0;
    /// Over, nothing is under way any more: to be destroyed. If it has left its socket that is to linger.
    virtual void connection_gone(Connection&) = 0;

   protected:
    ~Host() = default;
  };

  Connection() = default;
  virtual ~Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Sends and receives what can be. `is_machine_busy`: it goes on at once, so that few answers may wait for more of
  /// them.
  virtual void advance(bool is_machine_busy) = 0;
  /// Nothing more is read; what has arrived is run and answered, then the connection ends.
  virtual void end_input() = 0;
  /// To be called every `elapsed_ms`: ends the connection if its client has kept us waiting for too long.
  virtual void check_patience(std::uint64_t elapsed_ms) = 0;
  /// Ends at once, whatever waits.
  virtual void drop() = 0;

  Socket left_socket;              ///< when it is gone: open if its client has still to close its side
  std::size_t index = 0;           ///< the host's own
  std::size_t protocol = 0;        ///< the host's own
  bool is_listed_changed = false;  ///< the host's own
};

}  // namespace chimera::server
