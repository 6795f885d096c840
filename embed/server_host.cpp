#include "embed/server_host.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <vector>

#include "include/chimera.h"
#include "server/address.h"
#include "server/client.h"

namespace chimera::embed {
namespace {

class ServerHost;

class ServerStream final : public Stream {
 public:
  ServerStream(ServerHost& host, server::Client client);
  ~ServerStream() override;
  ServerStream(const ServerStream&) = delete;
  ServerStream& operator=(const ServerStream&) = delete;

  bool send(std::span<const std::uint8_t> instructions) override;
  [[nodiscard]] std::span<const std::uint8_t> answers() const override { return client_.received(); }
  void take(std::size_t size) override { client_.take(size); }
  [[nodiscard]] std::optional<std::string> broken_off() const override;

  [[nodiscard]] bool is_open() const { return lost_.empty() && !client_.has_ended(); }
  [[nodiscard]] pollfd awaited() const {
    return {client_.descriptor(), static_cast<short>(client_.unsent() > 0 ? POLLIN | POLLOUT : POLLIN), 0};
  }
  void move();
  [[nodiscard]] Outcome<> attach();

 private:
  ServerHost& host_;
  server::Client client_;
  std::string lost_;  ///< why, once the connection has gone
  bool is_watched_for_writing_ = false;
};

class ServerHost final : public Host {
 public:
  ServerHost(server::Address address, server::Client first) : address_(std::move(address)), first_(std::move(first)) {}

  Outcome<std::unique_ptr<Stream>> connect() override;
  bool go_on(int timeout_ms) override;
  Outcome<> attach(Wakeup& wakeup) override;
  Outcome<> close() override { return {}; }
  bool abandon() override { return true; }

  [[nodiscard]] const server::Address& address() const { return address_; }
  [[nodiscard]] Wakeup* wakeup() const { return wakeup_; }
  void leave(ServerStream& stream) { std::erase(streams_, &stream); }

 private:
  server::Address address_;
  std::optional<server::Client> first_;
  std::vector<ServerStream*> streams_;
  std::vector<pollfd> awaited_;  ///< one for each open stream; kept for its capacity
  std::vector<ServerStream*> waiting_;
  Wakeup* wakeup_ = nullptr;
};

ServerStream::ServerStream(ServerHost& host, server::Client client) : host_(host), client_(std::move(client)) {}

ServerStream::~ServerStream() {
  if (host_.wakeup() != nullptr) host_.wakeup()->forget(client_.descriptor());
  host_.leave(*this);
}

Outcome<> ServerStream::attach() {
  Wakeup* const wakeup = host_.wakeup();
  if (wakeup == nullptr) return {};
  // A connection that has gone would be ready for ever.
  if (!is_open()) {
    wakeup->forget(client_.descriptor());
    return {};
  }
  is_watched_for_writing_ = client_.unsent() > 0;
  return wakeup->watch(client_.descriptor(), is_watched_for_writing_);
}

bool ServerStream::send(std::span<const std::uint8_t> instructions) {
  client_.send(instructions);
  if ((client_.unsent() > 0) != is_watched_for_writing_) static_cast<void>(attach());
  return false;
}

void ServerStream::move() {
  if (auto moved = client_.move_some(); !moved) lost_ = std::move(moved.error());
  if (!is_open() || (client_.unsent() > 0) != is_watched_for_writing_) static_cast<void>(attach());
}

std::optional<std::string> ServerStream::broken_off() const {
  if (!lost_.empty()) return lost_;
  if (!client_.has_ended()) return std::nullopt;
  return fmt::format("{} closed the connection before all answers had come.", server::to_string(host_.address()));
}

Outcome<std::unique_ptr<Stream>> ServerHost::connect() {
  if (!first_) {
    auto client = server::Client::connect(address_);
    if (!client) return failure(CHIMERA_E_OPEN, std::move(client.error()));
    first_ = std::move(*client);
  }
  streams_.reserve(streams_.size() + 1);
  auto stream = std::make_unique<ServerStream>(*this, std::move(*first_));
  first_.reset();
  streams_.push_back(stream.get());
  if (auto attached = stream->attach(); !attached) return std::unexpected(std::move(attached.error()));
  return stream;
}

bool ServerHost::go_on(int timeout_ms) {
  awaited_.clear();
  waiting_.clear();
  for (ServerStream* const stream : streams_) {
    if (!stream->is_open()) continue;
    awaited_.push_back(stream->awaited());
    waiting_.push_back(stream);
  }
  if (awaited_.empty()) return false;
  const int ready = ::poll(awaited_.data(), awaited_.size(), timeout_ms);
  if (ready <= 0) return false;  // the time is over, or a signal came
  for (std::size_t n = 0; n < awaited_.size(); ++n) {
    if (awaited_[n].revents != 0) waiting_[n]->move();
  }
  // What is left on the sockets says so itself to whoever polls.
  return false;
}

Outcome<> ServerHost::attach(Wakeup& wakeup) {
  wakeup_ = &wakeup;
  for (ServerStream* const stream : streams_) {
    if (auto attached = stream->attach(); !attached) {
      wakeup_ = nullptr;
      return attached;
    }
  }
  return {};
}

}  // namespace

Outcome<std::unique_ptr<Host>> connect_server(std::string_view text) {
  auto address = server::parse_address(text);
  if (!address) return failure(CHIMERA_E_ARGUMENT, std::move(address.error()));
  auto client = server::Client::connect(*address);
  if (!client) {
    return failure(CHIMERA_E_OPEN, fmt::format("{} Is a server running there (chimera serve)?", client.error()));
  }
  return std::make_unique<ServerHost>(std::move(*address), std::move(*client));
}

}  // namespace chimera::embed
