#pragma once
// How a server treats its clients.

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "isa/limits.h"
#include "nbd/options.h"

namespace chimera::server {

struct Options {
  mode_t socket_mode = 0600;  ///< of the files of unix sockets
  std::size_t most_connections = limits::most_sessions;
  /// While more than this many bytes of answers wait for a client, nothing runs for it and nothing is read from it.
  std::size_t answer_cap_bytes = 256 * 1024;
  /// A client that asks for nothing is let go after so long; 0: never.
  std::uint64_t idle_timeout_ms = 0;
  /// So is one that stops within an instruction or a transaction, does not take its answers, or whose computer has
  /// gone; 0: never.
  std::uint64_t stall_timeout_ms = 300'000;
  /// What large instructions of all clients may take of memory, in bytes: their payloads on the way in, their answers
  /// on the way out. At least limits::smallest_transfer_memory fits the largest.
  std::uint64_t transfer_memory_bytes = 256 << 20;
  /// A client that has some of it while others wait is let go if it moves less than a MiB in so long; 0: never.
  std::uint64_t transfer_timeout_ms = 10'000;
  std::uint64_t stop_deadline_ms = 10'000;  ///< how long a stop waits for what runs and for clients to take answers
  std::uint64_t linger_ms = 2'000;  ///< how long the socket of a connection that we have ended waits for its client
  std::size_t most_metrics_connections = 16;  ///< beside the others
  std::uint64_t metrics_ms = 10'000;          ///< such a one has had its answer within so long, or ends
  nbd::Options nbd;
  /// A client that speaks NBD has to agree upon an export within so long.
  std::uint64_t nbd_handshake_ms = 10'000;
};

}  // namespace chimera::server
