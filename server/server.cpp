#include "server/server.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "server/lingering_connection.h"
#include "server/metrics_connection.h"
#include "server/nbd_connection.h"
#include "server/stream_connection.h"

namespace chimera::server {
namespace {

/// Keeps signals from this thread while it lives, so that a descriptor gets them.
class BlockedSignals {
 public:
  explicit BlockedSignals(const sigset_t& signals) : signals_(signals) {
    ::pthread_sigmask(SIG_BLOCK, &signals_, &before_);
  }
  ~BlockedSignals() {
    // One more that came while the last things were done asks for what has been done.
    const timespec at_once{};
    while (::sigtimedwait(&signals_, nullptr, &at_once) > 0) {
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

 private:
  sigset_t signals_;
  sigset_t before_{};
};

sigset_t set_of(std::span<const int> signals) {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : signals) ::sigaddset(&set, signal);
  return set;
}

/// An eighth of the shortest timeout, so that none is passed by much. Looking costs little beside what it saves: no
/// timer is set and cancelled with each request.
std::uint64_t look_interval_ms(const Options& options) {
  constexpr std::uint64_t shortest = 10;
  constexpr std::uint64_t longest = 5'000;
  const std::array timeouts{options.idle_timeout_ms, options.stall_timeout_ms, options.transfer_timeout_ms};
  std::uint64_t timeout = std::ranges::max(timeouts);
  if (timeout == 0) return 0;
  for (const std::uint64_t one : timeouts) {
    if (one != 0) timeout = std::min(timeout, one);
  }
  return std::clamp(timeout / 8, shortest, longest);
}

}  // namespace

std::expected<std::unique_ptr<Server>, std::string> Server::make(vm::Machine& machine, io::KernelLoop& loop,
                                                                 const Options& options) {
  Socket stop_event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop_event.is_open()) return std::unexpected(fmt::format("Cannot start the server: {}.", std::strerror(errno)));
  return std::unique_ptr<Server>(new Server(machine, loop, options, std::move(stop_event)));
}

Server::Server(vm::Machine& machine, io::KernelLoop& loop, const Options& options, Socket stop_event)
    : machine_(machine),
      loop_(loop),
      options_(options),
      look_interval_ms_(look_interval_ms(options)),
      stop_event_(std::move(stop_event)),
      transfers_(options.transfer_memory_bytes) {
  machine_.add_source(*this);
}

Server::~Server() {
  // Whoever never ran it, or whose run ended, leaves listeners at most.
  leave();
  machine_.remove_source(*this);
  while (!is_over()) {
    remove_gone();
    if (!is_over()) loop_.step(io::Loop::forever);
  }
}

std::expected<Address, std::string> Server::listen(const Address& address, Protocol protocol,
                                                   const std::function<void()>& waits) {
  auto listening = listen_on(address, options_.socket_mode, waits);
  if (!listening) return std::unexpected(std::move(listening.error()));
  listen(std::move(*listening), protocol);
  return listeners_.back()->address();
}

void Server::listen(ListeningSocket listening, Protocol protocol) {
  Listener::Host& host = *this;
  listeners_.push_back(std::make_unique<Listener>(host, loop_, std::move(listening), protocol));
}

// Connections come, change and go.

bool Server::has_room(Protocol protocol) const {
  const std::size_t for_metrics = connection_counts_[std::to_underlying(Protocol::metrics)];
  if (protocol == Protocol::metrics) return for_metrics < options_.most_metrics_connections;
  return connections_.size() - for_metrics < options_.most_connections;
}

void Server::accepted(Socket socket, Protocol protocol) {
  tune_tcp(socket);
  widen_unix(socket);
  bound_silence(socket, options_.stall_timeout_ms);
  std::unique_ptr<Connection> connection = converse(std::move(socket), protocol);
  connection->index = connections_.size();
  connection->protocol = std::to_underlying(protocol);
  ++connection_counts_[connection->protocol];
  ++accepted_counts_[connection->protocol];
  connections_.push_back(std::move(connection));
  watch_clients();
}

std::unique_ptr<Connection> Server::converse(Socket socket, Protocol protocol) {
  Connection::Host& host = *this;
  if (protocol == Protocol::nbd) {
    return std::make_unique<NbdConnection>(host, loop_, options_, std::move(socket), machine_, transfers_,
                                           nbd_statistics_);
  }
  if (protocol == Protocol::metrics) {
    return std::make_unique<MetricsConnection>(host, loop_, options_, std::move(socket), machine_);
  }
  return std::make_unique<StreamConnection>(host, loop_, options_, std::move(socket), machine_.connect(), transfers_);
}

void Server::watch_clients() {
  if (look_interval_ms_ == 0 || looking_.is_under_way() || connections_.empty() || phase_ == Phase::leaving) return;
  loop_.after(look_interval_ms_, looking_.begin());
}

void Server::on_look(int) {
  for (const auto& connection : connections_) connection->check_patience(look_interval_ms_);
  watch_clients();
}

void Server::connection_changed(Connection& connection) {
  if (connection.is_listed_changed) return;
  connection.is_listed_changed = true;
  changed_.push_back(&connection);
}

void Server::connection_gone(Connection& connection) { gone_.push_back(&connection); }

void Server::measure(std::vector<vm::Measurement>& all) const {
  using Kind = vm::Measurement::Kind;
  static constexpr std::array<std::string_view, protocol_count> protocols{"instructions", "nbd", "metrics"};
  vm::Measurement open{"connections", Kind::gauge, "Connections that are open, by what is spoken", "protocol"};
  vm::Measurement accepted{"connections_total", Kind::counter, "Connections that have come", "protocol"};
  for (std::size_t n = 0; n < protocol_count; ++n) {
    open.samples.push_back({protocols[n], connection_counts_[n]});
    accepted.samples.push_back({protocols[n], accepted_counts_[n]});
  }
  vm::Measurement requests{"nbd_requests_total", Kind::counter, "Requests of NBD clients", "command"};
  for (std::size_t n = 0; n < nbd::Statistics::commands.size(); ++n) {
    requests.samples.push_back({nbd::Statistics::commands[n], nbd_statistics_.requests[n]});
  }
  all.push_back(std::move(open));
  all.push_back(std::move(accepted));
  all.push_back(std::move(requests));
  vm::Measurement bytes{"nbd_bytes_total", Kind::counter, "Bytes that NBD clients have read and written", "request"};
  for (std::size_t n = 0; n < nbd_statistics_.bytes.size(); ++n) {
    bytes.samples.push_back({nbd::Statistics::commands[n], nbd_statistics_.bytes[n]});
  }
  all.push_back(std::move(bytes));
  vm::Measurement durations{"nbd_seconds", Kind::histogram,
                            "Requests of NBD clients, from when they had come whole until their replies", "request"};
  for (std::size_t n = 0; n < nbd::Statistics::groups.size(); ++n) {
    durations.samples.push_back({nbd::Statistics::groups[n], 0, &nbd_statistics_.durations[n]});
  }
  all.push_back(std::move(durations));
  all.push_back({"transfer_bytes",
                 Kind::gauge,
                 "Memory that large transfers of clients have been given",
                 {},
                 false,
                 {{{}, transfers_.held_bytes()}}});
  all.push_back({"transfers_waiting",
                 Kind::gauge,
                 "Clients that wait for memory for a large transfer",
                 {},
                 false,
                 {{{}, transfers_.waiting()}}});
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto nanoseconds = [](const timeval& time) {
    return (static_cast<std::uint64_t>(time.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(time.tv_usec)) * 1000;
  };
  all.push_back({"processor_seconds_total",
                 Kind::counter,
                 "Processor time of the whole process",
                 {},
                 true,
                 {{{}, nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime)}}});
}

void Server::advance_changed(bool is_machine_busy) {
  std::swap(changed_, advancing_);
  for (Connection* connection : advancing_) {
    connection->is_listed_changed = false;
    connection->advance(is_machine_busy);
  }
  advancing_.clear();
}

void Server::remove_gone() {
  if (gone_.empty()) return;
  for (Connection* connection : std::exchange(gone_, {})) remove(*connection);
  for (const auto& listener : listeners_) listener->resume();
}

/// One whose client has still to go leaves its place to its socket, but only when all else of it has gone.
void Server::remove(Connection& connection) {
  const std::size_t index = connection.index;
  const std::size_t protocol = connection.protocol;
  Socket left = std::move(connection.left_socket);
  // What it gives back at its end may be what it has been waiting for itself, and then it says that it has changed.
  const Connection* const gone = connections_[index].get();
  connections_[index].reset();
  std::erase(changed_, gone);
  if (left.is_open() && phase_ != Phase::leaving) {
    Connection::Host& host = *this;
    connections_[index] = std::make_unique<LingeringConnection>(host, loop_, std::move(left), options_.linger_ms);
    connections_[index]->index = index;
    connections_[index]->protocol = protocol;
    return;
  }
  --connection_counts_[protocol];
  if (index + 1 < connections_.size()) {
    connections_[index] = std::move(connections_.back());
    connections_[index]->index = index;
  }
  connections_.pop_back();
}

// The main loop.

/// Clients are told by their answers; whoever looks after the computer is not among them.
void Server::look_at_store() {
  if (!has_told_damage_ && !machine_.damage().empty()) {
    has_told_damage_ = true;
    damage_found(machine_.damage());
  }
  if (has_told_failure_) return;
  const std::string why = machine_.failure();
  if (why.empty()) return;
  has_told_failure_ = true;
  manager_.tell("STATUS=" + why);
  store_failed(why);
}

void Server::turn() {
  const bool is_machine_busy = machine_.run_ready();
  look_at_store();
  advance_changed(is_machine_busy);
  remove_gone();
  if (phase_ == Phase::finishing && connections_.empty()) leave();
  if (is_over()) return;
  loop_.step(is_machine_busy || machine_.has_ready() || !changed_.empty() ? 0 : io::Loop::forever);
}

Status Server::run(std::span<const int> stop_signals, ServiceManager manager) {
  assert(phase_ == Phase::serving);
  manager_ = std::move(manager);
  const sigset_t signals = set_of(stop_signals);
  const BlockedSignals blocked(signals);
  signals_ = Socket(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  await_stop_event();
  if (signals_.is_open()) await_signal();
  await_heartbeat();
  while (!is_over()) turn();
  manager_.end_beating();
  manager_.tell("STATUS=making everything durable");
  return machine_.sync();
}

bool Server::is_over() const {
  return phase_ == Phase::leaving && connections_.empty() && !awaiting_stop_.is_under_way() &&
         !awaiting_signal_.is_under_way() && !deadline_.is_under_way() && !looking_.is_under_way() &&
         !heartbeat_.is_under_way() &&
         std::ranges::all_of(listeners_, [](const auto& listener) { return listener->has_stopped(); });
}

// That the loop turns, for a manager who wants to know.

void Server::await_heartbeat() {
  if (manager_.heartbeat_ms() != 0) loop_.after(manager_.heartbeat_ms(), heartbeat_.begin());
}

void Server::on_heartbeat(int) {
  if (phase_ == Phase::leaving) return;
  manager_.beat();
  await_heartbeat();
}

// The end.

void Server::stop() noexcept { static_cast<void>(::eventfd_write(stop_event_.get(), 1)); }

void Server::await_stop_event() { loop_.wait_readable(stop_event_.get(), awaiting_stop_.begin()); }

void Server::await_signal() { loop_.wait_readable(signals_.get(), awaiting_signal_.begin()); }

void Server::on_stop_event(int) {
  if (phase_ == Phase::leaving) return;
  eventfd_t count = 0;
  const bool was_asked = ::eventfd_read(stop_event_.get(), &count) == 0;
  if (was_asked) asked_to_stop();
  if (phase_ != Phase::leaving) await_stop_event();
}

void Server::on_signal(int) {
  if (phase_ == Phase::leaving) return;
  signalfd_siginfo signal{};
  const bool was_asked = ::read(signals_.get(), &signal, sizeof signal) == sizeof signal;
  if (was_asked) asked_to_stop();
  if (phase_ != Phase::leaving) await_signal();
}

void Server::on_deadline(int) { leave(); }

void Server::asked_to_stop() {
  if (phase_ == Phase::serving) {
    finish();
  } else {
    leave();
  }
}

void Server::finish() {
  phase_ = Phase::finishing;
  manager_.tell(fmt::format("STOPPING=1\nSTATUS=finishing what {} clients have asked for", connections_.size()));
  for (const auto& listener : listeners_) listener->stop();
  machine_.shut_down();
  // What has not begun by now takes nothing any more.
  transfers_.lift();
  for (const auto& connection : connections_) connection->end_input();
  loop_.after(options_.stop_deadline_ms, deadline_.begin());
}

void Server::leave() {
  if (phase_ == Phase::leaving) return;
  phase_ = Phase::leaving;
  for (const auto& listener : listeners_) listener->stop();
  for (const auto& connection : connections_) connection->drop();
  awaiting_stop_.cancel(loop_);
  awaiting_signal_.cancel(loop_);
  deadline_.cancel(loop_);
  looking_.cancel(loop_);
  heartbeat_.cancel(loop_);
}

}  // namespace chimera::server
