// chimera serve: a machine on a store, for any number of clients.

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

#include "cli/command_table.h"
#include "cli/commands.h"
#include "cli/config_file.h"
#include "cli/embedded_endpoint.h"
#include "cli/endpoint.h"
#include "cli/memory_plan.h"
#include "cli/render.h"
#include "cli/terminal.h"
#include "isa/text.h"
#include "server/inherited_sockets.h"
#include "server/server.h"
#include "server/service_manager.h"

namespace chimera::cli {
namespace {

struct ServeOptions {
  std::string store;
  std::vector<std::string> addresses;
  std::vector<std::string> nbd_addresses;
  std::vector<std::string> metrics_addresses;
  StoreOptions open;
  server::Options server;
  ConfigOptions config;
  std::vector<std::string> config_faults;
};

struct Listening {
  std::vector<std::string> addresses;  ///< with the ports that the kernel has chosen, and what is spoken there
  bool serves_nbd = false;
};

constexpr std::array stop_signals{SIGTERM, SIGINT};

/// Clients may come from now on, on the sockets that we were started with and at the addresses that were given.
std::expected<Listening, std::string> listen_everywhere(server::Server& server,
                                                        std::vector<server::InheritedSocket> inherited,
                                                        const ServeOptions& options) {
  Listening listening;
  const auto note = [&](const server::Address& address, server::Protocol protocol) {
    static constexpr std::array<const char*, server::protocol_count> what{"on ", "for NBD on ", "for metrics on "};
    listening.serves_nbd = listening.serves_nbd || protocol == server::Protocol::nbd;
    listening.addresses.push_back(what[std::to_underlying(protocol)] + server::to_string(address));
  };
  for (server::InheritedSocket& socket : inherited) {
    note(socket.listening.address, socket.protocol);
    server.listen(std::move(socket.listening), socket.protocol);
  }
  for (const auto& [addresses, protocol] : {std::pair{&options.addresses, server::Protocol::instructions},
                                            std::pair{&options.nbd_addresses, server::Protocol::nbd},
                                            std::pair{&options.metrics_addresses, server::Protocol::metrics}}) {
    for (const std::string& text : *addresses) {
      const auto address = server::parse_address(text);
      if (!address) return std::unexpected(address.error());
      const auto taken = server.listen(*address, protocol, [&] {
        fmt::print(stderr, "chimera: waiting until the system has taken {} from a server that was killed\n", text);
      });
      if (!taken) return std::unexpected(taken.error());
      note(*taken, protocol);
    }
  }
  return listening;
}

void print_banner(const ServeOptions& options, const EmbeddedMachine& opened, const Listening& listening) {
  const std::string cache =
      opened.disk == nullptr ? "" : fmt::format("a cache of {}, ", human_size(options.open.cache_bytes));
  fmt::print("{}: {} I/O, {}at most {} connections\n", options.store, opened.loop->name(), cache,
             grouped(options.server.most_connections));
  fmt::print("{}\n", plan_memory(opened.machine->store(), options.open, options.server, listening.serves_nbd).text());
  for (const std::string& address : listening.addresses) fmt::print("listening {}\n", address);
  // Whoever started this waits for these lines.
  std::fflush(stdout);
}

/// From now on they wait for the server to look, however early they come.
void hold_stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : stop_signals) sigaddset(&signals, number);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

/// Fewer connections where there are not descriptors for all of them.
void fit_connections(server::Options& options) {
  const std::size_t most = provide_descriptors(options.most_connections);
  if (most >= options.most_connections) return;
  fmt::print(stderr, "chimera: the limit of open files (ulimit -n) is enough for {} connections, not for {}\n",
             grouped(most), grouped(options.most_connections));
  options.most_connections = most;
}

int run_serve(ServeOptions& options) {
  if (options.config.check || !options.config_faults.empty()) {
    return report_config(options.config.path, options.config_faults);
  }
  give_memory_back();
  hold_stop_signals();
  auto manager = server::ServiceManager::from_environment();
  if (!manager) return fail(manager.error());
  auto inherited = server::take_inherited_sockets();
  if (!inherited) return fail(inherited.error());
  manager->tell("STATUS=opening " + options.store);
  auto opened = open_machine(options.store, options.open);
  if (!opened) return fail(opened.error());
  for (const std::string& why : opened->machine->store().missing_files()) fmt::print(stderr, "chimera: {}\n", why);
  fit_connections(options.server);
  auto server = server::Server::make(*opened->machine, *opened->loop, options.server);
  if (!server) return fail(server.error());
  (*server)->damage_found = [](const std::string& what) { fmt::print(stderr, "chimera: {}\n", what); };
  (*server)->store_failed = [](const std::string& why) { fmt::print(stderr, "chimera: {}\n", why); };
  const auto listening = listen_everywhere(**server, std::move(*inherited), options);
  if (!listening) return fail(listening.error());
  print_banner(options, *opened, *listening);
  manager->tell(fmt::format("READY=1\nSTATUS=serving {} {}", options.store, joined(listening->addresses, ", ")));
  const Status status = (*server)->run(stop_signals, std::move(*manager));
  if (status == Status::ok) return exit_done;
  const std::string why = opened->machine->failure();
  return fail(
      fmt::format("What was written last could not be made durable: {}. What was answered as durable is in the store.",
                  why.empty() ? std::string(status_text(status)) : why));
}

std::string check_address(const std::string& text) {
  const auto address = server::parse_address(text);
  return address ? std::string() : address.error();
}

/// Turns an octal mode into what an option of type unsigned reads.
std::string normalise_mode(std::string& text) {
  unsigned mode = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
  if (error != std::errc() || end != text.data() + text.size() || mode > 0777) {
    return "\"" + text + "\" is not a file mode: write octal digits like 0660";
  }
  text = std::to_string(mode);
  return {};
}

void add_metrics_option(CLI::App& command, ServeOptions& options) {
  add_option(command, "--metrics", "ADDRESS", options.metrics_addresses,
             "Answer GET /metrics here with figures as Prometheus reads them: unix:PATH or tcp:HOST:PORT, any "
             "number of them; docs/operating.md lists them")
      .check(check_address);
}

void add_nbd_options(CLI::App& command, ServeOptions& options) {
  add_option(command, "--nbd", "ADDRESS", options.nbd_addresses,
             "Offer every device to NBD clients here: unix:PATH or tcp:HOST:PORT, any number of them")
      .check(check_address);
  add_flag(command, "--read-only", options.server.nbd.read_only,
           "NBD clients may not write; streams of instructions still may");
  add_size_option(command, "--nbd-create", options.server.nbd.create_size,
                  "An NBD client that asks for a device that is not there gets a new one of this size")
      .above_zero();
}

/// What both sources together have to give.
void complete_options(CLI::App& command, ServeOptions& options) {
  if (!options.config.path.empty()) options.config_faults = apply_config(command, options.config.path);
  if (!options.config_faults.empty()) return;
  if (options.config.check && options.config.path.empty()) refuse_without("--config");
  if (options.store.empty()) refuse_without("STORE");
  // A file that is to be checked may be meant for a server that is handed its sockets.
  const bool has_place = options.config.check || server::has_inherited_sockets();
  if (options.addresses.empty() && options.nbd_addresses.empty() && !has_place) {
    refuse_without("--listen or --nbd: where clients may come");
  }
  // Whoever asks for it without NBD takes it to hold for streams of instructions, which it does not.
  if (!options.nbd_addresses.empty() || has_place) return;
  if (options.server.nbd.read_only) {
    refuse_without("--nbd (--read-only is for NBD clients; streams of instructions write all the same)");
  }
  if (options.server.nbd.create_size) refuse_without("--nbd (--nbd-create is for NBD clients)");
}

void add_server_options(CLI::App& command, server::Options& options) {
  add_option(command, "--socket-mode", "MODE", options.socket_mode, "Mode of a unix socket's file (default 0600)")
      .rewrite(normalise_mode);
  add_count_option(command, "--connections", options.most_connections, 1, limits::most_sessions,
                   "Most connections at a time; more wait until one goes")
      .with_default_shown();
  add_size_option(command, "--transfer-memory", options.transfer_memory_bytes,
                  "Memory for large payloads and answers of all clients together; beyond it they wait for their turn "
                  "(default 256M, at least 100M)")
      .check([](std::string& text) {
        const auto bytes = parse_size(text);
        const bool is_enough = bytes && *bytes >= limits::smallest_transfer_memory;
        return is_enough ? std::string() : std::string("the largest instruction needs 100M");
      });
  add_time_option(command, "--idle-timeout", options.idle_timeout_ms,
                  "Let a client go that asks for nothing for so long (default 0: never)");
  add_time_option(command, "--stall-timeout", options.stall_timeout_ms,
                  "Let a client go that stops within an instruction or a transaction, does not take its answers, or "
                  "whose computer has gone, for so long (default 5m; 0: never)");
  add_time_option(command, "--transfer-timeout", options.transfer_timeout_ms,
                  "Let a client go that has transfer memory while others wait for it and moves less than 1M in so long "
                  "(default 10s; 0: never)");
  add_time_option(command, "--stop-deadline", options.stop_deadline_ms,
                  "How long a stop waits for clients (default 10s)");
}

void add_spin_option(CLI::App& command, std::size_t& microseconds) {
  microseconds = 50;
  add_count_option(command, "--spin", microseconds, 0, 1000,
                   "Microseconds to look for what comes next before sleeping, while clients ask again that soon: being "
                   "woken takes longer; 0 never looks")
      .with_default_shown();
}

}  // namespace

Command make_serve_command(CLI::App& program) {
  CLI::App& command =
      add_command(program, "serve", "Serve a store to clients until SIGTERM or SIGINT",
                  "  chimera serve store.img --listen unix:chimera.socket\n"
                  "  chimera serve store.img --listen tcp:4096 --listen tcp:[::1]:4096 --cache 4G\n"
                  "  chimera serve store.img --listen tcp:*:4096 --idle-timeout 1h --stall-timeout 30s\n"
                  "  chimera serve store.img --nbd unix:nbd.socket\n"
                  "  chimera serve store.img --listen unix:socket --metrics tcp:9464\n"
                  "  chimera serve --config /etc/chimera/store.conf\n"
                  "  chimera serve :memory: --listen tcp:127.0.0.1:0 --memory 1G --connections 100");
  auto options = std::make_shared<ServeOptions>();
  add_operand(command, "STORE", options->store, "A store, or :memory: for one that is gone at the end");
  add_option(command, "-l,--listen", "ADDRESS", options->addresses,
             "unix:PATH or tcp:HOST:PORT, any number of them; port 0 takes a free one and prints it; tcp:PORT is "
             "for this computer only, tcp:*:PORT for all")
      .check(check_address);
  add_nbd_options(command, *options);
  add_metrics_option(command, *options);
  add_server_options(command, options->server);
  add_spin_option(command, options->open.spin_us);
  add_store_options(command, options->open);
  add_config_options(command, options->config);
  once_read(command, [options, &command] { complete_options(command, *options); });
  return {&command, [options] { return run_serve(*options); }};
}

}  // namespace chimera::cli
