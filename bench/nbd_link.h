#pragma once
// One connection to an NBD server over a unix socket, and the few words of the protocol that a load needs: simple
// replies, no options. Whatever is not as expected ends the process.

#include <sys/uio.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "nbd/wire.h"

namespace chimera::bench {

class NbdLink {
 public:
  /// Connects and agrees upon the export. If `polls` it never sleeps while it waits for a reply.
  NbdLink(const std::string& socket_path, const std::string& export_name, bool polls);
  ~NbdLink();
  NbdLink(const NbdLink&) = delete;
  NbdLink& operator=(const NbdLink&) = delete;

  [[nodiscard]] std::uint64_t size() const { return size_; }  ///< of the export, in bytes

  /// The request's 28 bytes.
  static void put_request(std::uint8_t* at, nbd::Command command, std::uint64_t cookie, std::uint64_t offset,
                          std::uint32_t length, std::uint16_t flags = 0);

  /// To be sent behind what waits already; the bytes must stay until they are. Nothing leaves before `send`.
  void queue(std::span<const std::uint8_t> bytes);
  /// Sends as much of that as the socket takes, many requests in one system call. True if nothing is left.
  bool send();
  /// Receives at least a byte into `room`, waiting for it. While something is left to be sent it is sent meanwhile.
  std::size_t receive(std::span<std::uint8_t> room);

 private:
  void greet(const std::string& export_name);
  void send_all(std::span<const std::uint8_t> bytes) const;
  void receive_all(std::span<std::uint8_t> bytes) const;
  void drop_sent(std::size_t size);

  int socket_;
  const bool polls_;
  std::uint64_t size_ = 0;
  std::vector<iovec> waiting_;
  std::size_t first_waiting_ = 0;
};

}  // namespace chimera::bench
