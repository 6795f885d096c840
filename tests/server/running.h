#pragma once
// A server in a thread of this process, on the memory store or on one in a file, and what the tests say to it.

#include <array>
#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "io/loop.h"
#include "server/client.h"
#include "server/server.h"
#include "tests/io/scratch.h"
#include "tests/server/hand_clock.h"

namespace chimera::server::testing {

using Bytes = std::vector<std::uint8_t>;

inline constexpr std::size_t created_size = 17;  ///< of the answer to create and open: status and UUID
inline constexpr std::array loop_kinds{io::LoopKind::uring, io::LoopKind::posix};

/// Everything of it lives in its thread, but for `stop`.
class RunningServer {
 public:
  struct Setup {
    io::LoopKind kind = io::LoopKind::uring;
    Options options = {};
    std::vector<int> signals = {};
    std::string listen;      ///< a unix socket if empty
    std::string store_file;  ///< in memory if empty
    Protocol protocol = Protocol::instructions;
    HandClock* clock = nullptr;  ///< the computer's if null
  };

  explicit RunningServer(Setup setup);
  ~RunningServer();
  RunningServer(const RunningServer&) = delete;
  RunningServer& operator=(const RunningServer&) = delete;

  [[nodiscard]] bool is_running() const { return server_ != nullptr; }
  [[nodiscard]] const Address& address() const { return address_; }
  void ask_to_stop() { server_->stop(); }
  /// The status of `run`, when it has returned.
  Status wait();
  [[nodiscard]] Client connect() const;

 private:
  void serve();

  Setup setup_;
  io::testing::ScratchDirectory scratch_{io::testing::temporary_parent()};
  std::thread thread_;
  std::atomic<bool> is_ready_ = false;
  Server* server_ = nullptr;
  Address address_;
  Status status_ = Status::io_error;
};

/// Runs the body with a server on each kind of loop that this kernel has.
void with_each_server(const Options& options, const std::function<void(RunningServer&)>& body);

Bytes& operator+=(Bytes& program, const Bytes& more);

// The instructions that the tests are made of, in the bytes of the contract.
Bytes create(const std::string& name);
Bytes open(const std::string& name);
Bytes write_bytes(std::uint64_t offset, const Bytes& payload);
Bytes read_bytes(std::uint64_t offset, std::uint32_t count);
Bytes read_byte(std::uint64_t offset);

/// Makes an empty store of 64 MiB.
void format_store(const std::string& path);

/// Waits for exactly so many bytes of answers and takes them.
Bytes answers(Client& client, std::size_t size);

/// The answers to a program on a connection of its own.
Bytes run(const RunningServer& server, const Bytes& program);

}  // namespace chimera::server::testing
