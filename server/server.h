#pragma once
// Clients of one machine, on its own loop: instruction streams, each a session, and NBD.

#include <array>
#include <cstddef>
#include <expected>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "io/callback.h"
#include "io/loop.h"
#include "nbd/statistics.h"
#include "server/connection.h"
#include "server/listener.h"
#include "server/options.h"
#include "server/service_manager.h"
#include "vm/machine.h"

namespace chimera::server {

/// Not thread-safe but for `stop`.
class Server final : private Connection::Host, private Listener::Host, private vm::MeasurementSource {
 public:
  /// `loop` is the machine's. Both must outlive the server. Fails if the kernel gives no descriptor.
  [[nodiscard]] static std::expected<std::unique_ptr<Server>, std::string> make(vm::Machine& machine,
                                                                                io::KernelLoop& loop,
                                                                                const Options& options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Clients may come from now on (and are served by `run`). Returns where: the port that port 0 became. Errors are
  /// whole sentences for the user.
  [[nodiscard]] std::expected<Address, std::string> listen(const Address& address,
                                                           Protocol protocol = Protocol::instructions,
                                                           const std::function<void()>& waits = {});
  /// The same on a socket that listens already.
  void listen(ListeningSocket listening, Protocol protocol);

  /// Serves until one of the signals comes or `stop` is called. Then: accepts and reads no more, runs what has arrived
  /// whole (the machine answers `shutting down` to what had not begun), sends the answers, within a deadline; then
  /// makes everything durable. A second signal or `stop` ends the waiting. Returns the status of that sync.
  /// To be called once. The signals are blocked in this thread meanwhile. The manager hears heartbeats, if it cares,
  /// and when the stop begins.
  [[nodiscard]] Status run(std::span<const int> stop_signals, ServiceManager manager = {});
  /// From any thread or signal handler.
  void stop() noexcept;

  [[nodiscard]] std::size_t connection_count() const noexcept { return connections_.size(); }

  /// Called once, within `run`, when the disk has failed and only reads go on: with words for people.
  std::function<void(const std::string& why)> store_failed = [](const std::string&) {};
  /// Called once, within `run`, when a client has met damage: with what it was, for people.
  std::function<void(const std::string& what)> damage_found = [](const std::string&) {};

 private:
  enum class Phase : std::uint8_t { serving, finishing, leaving };

  Server(vm::Machine& machine, io::KernelLoop& loop, const Options& options, Socket stop_event);

  void connection_changed(Connection&) override;
  void connection_gone(Connection&) override;
  void accepted(Socket socket, Protocol protocol) override;
  [[nodiscard]] std::unique_ptr<Connection> converse(Socket socket, Protocol protocol);
  [[nodiscard]] bool has_room(Protocol protocol) const override;
  void measure(std::vector<vm::Measurement>& all) const override;

  void advance_changed(bool is_machine_busy);
  void remove_gone();
  void look_at_store();
  void remove(Connection& connection);
  void turn();
  void finish();
  void leave();
  void await_stop_event();
  void await_signal();
  void on_stop_event(int result);
  void on_signal(int result);
  void on_deadline(int result);
  void watch_clients();
  void on_look(int result);
  void await_heartbeat();
  void on_heartbeat(int result);
  void asked_to_stop();
  [[nodiscard]] bool is_over() const;

  vm::Machine& machine_;
  io::KernelLoop& loop_;
  const Options options_;
  const std::uint64_t look_interval_ms_;  ///< between looks at what clients do; 0: nobody looks
  Socket stop_event_;
  Socket signals_;
  ServiceManager manager_;
  Phase phase_ = Phase::serving;
  bool has_told_failure_ = false;
  bool has_told_damage_ = false;
  std::vector<std::unique_ptr<Listener>> listeners_;
  vm::TransferBudget transfers_;  ///< must outlive the connections
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> changed_;
  std::vector<Connection*> advancing_;  ///< what was `changed_`, while it is gone through
  std::vector<Connection*> gone_;
  std::array<std::size_t, protocol_count> connection_counts_{};  ///< of connections_
  std::array<std::uint64_t, protocol_count> accepted_counts_{};
  nbd::Statistics nbd_statistics_;

  io::Callback<&Server::on_stop_event> awaiting_stop_{*this};
  io::Callback<&Server::on_signal> awaiting_signal_{*this};
  io::Callback<&Server::on_deadline> deadline_{*this};
  io::Callback<&Server::on_look> looking_{*this};
  io::Callback<&Server::on_heartbeat> heartbeat_{*this};
};

}  // namespace chimera::server
