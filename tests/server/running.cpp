#include "tests/server/running.h"

#include <doctest/doctest.h>

#include <array>
#include <bit>
#include <memory>

#include "devices/open.h"
#include "devices/store.h"
#include "io/file_disk.h"
#include "vm/machine.h"
#include "vm/recovery.h"

namespace chimera::server::testing {
namespace {

template <class Number>
void append(Bytes& program, Number value) {
  for (const std::uint8_t byte : std::bit_cast<std::array<std::uint8_t, sizeof value>>(value)) program.push_back(byte);
}

Bytes with_name(std::uint8_t opcode, const std::string& name) {
  Bytes program(1, opcode);
  append(program, static_cast<std::uint16_t>(name.size()));
  for (const char letter : name) program.push_back(static_cast<std::uint8_t>(letter));
  return program;
}

Bytes with_range(std::uint8_t opcode, std::uint64_t offset, std::uint32_t count) {
  Bytes program(1, opcode);
  append(program, offset);
  append(program, count);
  return program;
}

}  // namespace

RunningServer::RunningServer(Setup setup) : setup_(std::move(setup)) {
  if (setup_.listen.empty()) setup_.listen = "unix:" + scratch_.file("socket");
  thread_ = std::thread([this] {
    serve();
    is_ready_ = true;
  });
  while (!is_ready_.load()) std::this_thread::yield();
}

RunningServer::~RunningServer() {
  if (!thread_.joinable()) return;
  if (server_ != nullptr) server_->stop();
  thread_.join();
}

void RunningServer::serve() {
  std::string warning;
  auto loop = io::make_loop(setup_.kind, warning);
  if (!loop) return;
  if (setup_.clock != nullptr) *loop = std::make_unique<ClockedLoop>(std::move(*loop), *setup_.clock);
  std::unique_ptr<io::FileDisk> disk;
  auto store = std::make_unique<devices::Store>();
  if (!setup_.store_file.empty()) {
    disk = std::move(io::FileDisk::open(**loop, setup_.store_file, io::OpenMode::read_write).value());
    store = std::move(vm::open_store(**loop, *disk, {.cache_bytes = limits::smallest_cache}).value());
  }
  vm::Machine machine(**loop, std::move(store));
  auto server = Server::make(machine, **loop, setup_.options);
  auto address = (*server)->listen(*parse_address(setup_.listen), setup_.protocol);
  if (!address) return;
  address_ = *address;
  server_ = server->get();
  is_ready_ = true;
  status_ = (*server)->run(setup_.signals);
}

Status RunningServer::wait() {
  thread_.join();
  return status_;
}

Client RunningServer::connect() const {
  auto client = Client::connect(address_);
  if (!client) FAIL(client.error());
  return std::move(*client);
}

void with_each_server(const Options& options, const std::function<void(RunningServer&)>& body) {
  for (const io::LoopKind kind : {io::LoopKind::uring, io::LoopKind::posix}) {
    CAPTURE(static_cast<int>(kind));
    RunningServer server({.kind = kind, .options = options});
    if (server.is_running()) body(server);
  }
}

Bytes& operator+=(Bytes& program, const Bytes& more) {
  for (const std::uint8_t byte : more) program.push_back(byte);
  return program;
}

Bytes create(const std::string& name) {
  Bytes program = with_name(0x70, name);
  append(program, std::uint32_t{0});
  return program;
}

Bytes open(const std::string& name) { return with_name(0x40, name); }

Bytes write_bytes(std::uint64_t offset, const Bytes& payload) {
  Bytes program = with_range(0x92, offset, static_cast<std::uint32_t>(payload.size()));
  return program += payload;
}

Bytes read_bytes(std::uint64_t offset, std::uint32_t count) { return with_range(0x12, offset, count); }

Bytes read_byte(std::uint64_t offset) {
  Bytes program(1, 0x02);
  append(program, offset);
  return program;
}

void format_store(const std::string& path) {
  const auto loop = io::testing::loop_of(io::LoopKind::posix);
  auto disk = io::FileDisk::open(*loop, path, io::OpenMode::create);
  REQUIRE(disk);
  REQUIRE((*disk)->grow(64 << 8) == 0);
  REQUIRE(devices::format(*loop, **disk));
}

Bytes answers(Client& client, std::size_t size) {
  const auto arrived = client.receive(size);
  if (!arrived) FAIL(arrived.error());
  REQUIRE(arrived->size() >= size);
  Bytes bytes(arrived->begin(), arrived->begin() + static_cast<std::ptrdiff_t>(size));
  client.take(size);
  return bytes;
}

Bytes run(const RunningServer& server, const Bytes& program) {
  auto got = run_program(server.connect(), program);
  if (!got) FAIL(got.error());
  return std::move(*got);
}

}  // namespace chimera::server::testing
