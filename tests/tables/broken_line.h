#pragma once
// A line of tables to a server, with a proxy in it that breaks it.

#include <doctest/doctest.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "links/remote_link.h"
#include "tests/server/running.h"
#include "tests/tables/cutting_proxy.h"

namespace chimera::tables::testing {

/// A server with a proxy before it, and what is needed to start the server again.
class Line {
 public:
  enum class Store : std::uint8_t { in_memory, in_file, in_file_to_be_killed };

  explicit Line(Store store = Store::in_memory) {
    setup_.kind = io::LoopKind::posix;
    setup_.listen = "unix:" + scratch_.file("server");
    if (store != Store::in_memory) {
      setup_.store_file = scratch_.file("store");
      server::testing::format_store(setup_.store_file);
    }
    if (store == Store::in_file_to_be_killed) setup_.clock = &clock_;
    restart();
    proxy = std::make_unique<CuttingProxy>(server_->address());
  }

  /// From the file; in memory everything is gone then.
  void restart() {
    server_.reset();
    server_ = std::make_unique<server::testing::RunningServer>(setup_);
  }
  /// As if the server had been killed: it begins again with what had become durable before this was called.
  void kill_and_restart() {
    const std::string image = scratch_.file("image");
    clock_.let_disk_stand(true);
    std::filesystem::copy_file(setup_.store_file, image);
    clock_.let_disk_stand(false);
    server_.reset();
    std::filesystem::rename(image, setup_.store_file);
    restart();
  }
  [[nodiscard]] std::unique_ptr<links::RemoteLink> connect(std::uint64_t patience_ms = 20'000) const {
    auto link = links::RemoteLink::connect(proxy->address(), patience_ms);
    REQUIRE(link);
    return std::move(*link);
  }
  [[nodiscard]] std::unique_ptr<links::RemoteLink> connect_past_proxy() const {
    auto link = links::RemoteLink::connect(to_string(server_->address()));
    REQUIRE(link);
    return std::move(*link);
  }

 private:
  server::testing::HandClock clock_;
  server::testing::RunningServer::Setup setup_;
  io::testing::ScratchDirectory scratch_{io::testing::temporary_parent()};
  std::unique_ptr<server::testing::RunningServer> server_;

 public:
  std::unique_ptr<CuttingProxy> proxy;  ///< ends first
};

inline constexpr const char* keyed_schema =
    "relation t = struct { id: i64, v: i64 indexed, body: string nullable } key (id)";
inline constexpr const char* log_schema = "relation l = struct { n: i64 }";

}  // namespace chimera::tables::testing
