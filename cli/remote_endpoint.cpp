#include "cli/remote_endpoint.h"

#include <fmt/format.h>

#include <array>
#include <string_view>
#include <utility>

#include "server/address.h"
#include "server/client.h"

namespace chimera::cli {
namespace {

class RemoteEndpoint final : public Endpoint {
 public:
  RemoteEndpoint(server::Client client, std::string address)
      : client_(std::move(client)), address_(std::move(address)) {}

  std::expected<Answer, std::string> receive() override {
    client_.take(taken_);
    taken_ = 0;
    std::uint64_t wanted = 1;
    while (true) {
      const auto arrived = client_.receive(wanted);
      if (!arrived) return std::unexpected(arrived.error());
      Answer answer;
      const ParsedAnswer parsed = parse_next(*arrived, answer);
      if (parsed.kind == ParsedAnswer::Kind::complete) {
        taken_ = parsed.size;
        is_known_ = true;
        return answer;
      }
      if (parsed.kind == ParsedAnswer::Kind::malformed) {
        return std::unexpected(fmt::format("What {} sends is not an answer: is it a Chimera server?", address_));
      }
      if (arrived->size() < wanted) return std::unexpected(words_of_end(*arrived));
      wanted = parsed.size;
    }
  }

  std::expected<void, std::string> close() override {
    // When the server has closed its side too, the session is gone and its devices are free for whoever comes next.
    client_.end_input();
    client_.take(std::exchange(taken_, 0));
    while (true) {
      const auto rest = client_.receive(1);
      if (!rest || rest->empty()) return {};
      client_.take(rest->size());
    }
  }

 private:
  /// Of a connection that was closed when this was all that had come of an answer.
  [[nodiscard]] std::string words_of_end(std::span<const std::uint8_t> arrived) const {
    constexpr std::array others{std::pair{"NBDMAGIC", "NBD clients"}, std::pair{"HTTP/", "figures over HTTP"}};
    const std::string_view text(reinterpret_cast<const char*>(arrived.data()), arrived.size());
    for (const auto& [greeting, who] : others) {
      if (is_known_ || !text.starts_with(greeting)) continue;
      return fmt::format("{} is for {}: name an address that the server has been given with --listen.", address_, who);
    }
    if (is_known_) return fmt::format("{} closed the connection before all answers had come.", address_);
    return fmt::format(
        "{} closed the connection without an answer: the server has stopped, or this is no address of its "
        "--listen.",
        address_);
  }

  void send_bytes(std::span<const std::uint8_t> bytes) override { client_.send(bytes); }

  server::Client client_;
  std::string address_;
  bool is_known_ = false;  ///< it has answered as a server does
  std::size_t taken_ = 0;  ///< bytes at the front of what has arrived that the last receive gave out
};

}  // namespace

std::expected<std::unique_ptr<Endpoint>, std::string> connect_endpoint(const std::string& text) {
  const auto address = server::parse_address(text);
  if (!address) return std::unexpected(address.error());
  auto client = server::Client::connect(*address);
  if (!client) return std::unexpected(fmt::format("{} Is a server running there (chimera serve)?", client.error()));
  return std::make_unique<RemoteEndpoint>(std::move(*client), text);
}

}  // namespace chimera::cli
