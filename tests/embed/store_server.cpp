#include "tests/embed/store_server.h"

#include "tests/io/scratch.h"
#include "tests/server/running.h"

namespace chimera_testing {

class StoreServer::Inside {
 public:
  chimera::server::testing::RunningServer server{{.kind = chimera::io::LoopKind::automatic}};
};

StoreServer::StoreServer() : inside_(std::make_unique<Inside>()) { REQUIRE(inside_->server.is_running()); }
StoreServer::~StoreServer() = default;
std::string StoreServer::address() const { return chimera::server::to_string(inside_->server.address()); }

class Scratch::Inside {
 public:
  chimera::io::testing::ScratchDirectory directory{chimera::io::testing::temporary_parent()};
};

Scratch::Scratch() : inside_(std::make_unique<Inside>()) {}
Scratch::~Scratch() = default;
std::string Scratch::file(const std::string& name) const { return inside_->directory.file(name); }

}  // namespace chimera_testing
