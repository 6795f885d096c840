#pragma once
// A blocking client: sends programs and takes their answers, both at once, so that neither side waits for the other
// for ever.

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <vector>

#include "server/socket.h"

namespace chimera::server {

/// One connection. Not thread-safe. Errors are whole sentences for the user.
class Client {
 public:
  /// `silence_ms`: as bound_silence bounds it.
  [[nodiscard]] static std::expected<Client, std::string> connect(const Address& address, std::uint64_t silence_ms = 0);

  /// Takes these bytes for sending. Never waits: what the socket does not take at once is kept and goes out during
  /// `receive`, so the caller bounds what is under way.
  void send(std::span<const std::uint8_t> bytes);
  /// No more will be sent: once everything is out, the server hears so, runs the rest and closes.
  void end_input();

  /// Sends what is left to be sent and waits until at least `least` bytes (1 or more) have arrived that were not taken
  /// yet; gives all of them, in one piece, valid until the next call of anything here. Fewer, perhaps none, only if
  /// the server has closed the connection in an orderly way.
  [[nodiscard]] std::expected<std::span<const std::uint8_t>, std::string> receive(std::size_t least);
  /// The first `size` bytes of what `receive` gave are done with.
  void take(std::size_t size);

  [[nodiscard]] std::size_t unsent() const noexcept { return output_.size() - output_start_; }

  // For hosts with a loop of their own, instead of `receive`.

  /// Sends and receives what can be without waiting, a bounded amount.
  [[nodiscard]] std::expected<void, std::string> move_some();
  /// What has arrived and was not taken, in one piece, valid until the next call of anything here.
  [[nodiscard]] std::span<const std::uint8_t> received() const noexcept {
    return std::span<const std::uint8_t>(input_.data() + input_start_, arrived());
  }
  /// The server has closed the connection in an orderly way.
  [[nodiscard]] bool has_ended() const noexcept { return has_ended_; }
  /// Of the socket, to be polled: for reading, and while something is unsent for writing.
  [[nodiscard]] int descriptor() const noexcept { return socket_.get(); }

 private:
  Client(Socket socket, Address address) : socket_(std::move(socket)), address_(std::move(address)) {}

  [[nodiscard]] std::size_t arrived() const noexcept { return input_end_ - input_start_; }
  void send_some();
  [[nodiscard]] std::expected<void, std::string> receive_some(bool may_wait);
  [[nodiscard]] std::expected<void, std::string> wait_and_move();
  void make_room();
  [[nodiscard]] std::unexpected<std::string> lost(int error) const;

  Socket socket_;
  Address address_;
  std::vector<std::uint8_t> output_;  ///< from output_start_ on: to be sent
  std::size_t output_start_ = 0;
  bool is_input_ending_ = false;
  bool is_output_refused_ = false;   ///< the server takes no more; its last answers may still come
  std::vector<std::uint8_t> input_;  ///< from input_start_ to input_end_: arrived, not taken
  std::size_t input_start_ = 0;
  std::size_t input_end_ = 0;
  bool has_ended_ = false;
};

/// Sends a program and gives all answers to it. The connection is used up.
[[nodiscard]] std::expected<std::vector<std::uint8_t>, std::string> run_program(Client client,
                                                                                std::span<const std::uint8_t> program);

}  // namespace chimera::server
