#include "cli/remote_link.h"

#include <fmt/format.h>

#include "server/address.h"
#include "tables/answers.h"

namespace chimera::cli {
namespace {

std::unexpected<tables::Failure> lost(std::string words) {
  return std::unexpected(tables::Failure{Status::io_error, std::move(words)});
}

}  // namespace

std::expected<std::unique_ptr<RemoteLink>, std::string> RemoteLink::connect(const std::string& address) {
  const auto parsed = server::parse_address(address);
  if (!parsed) return std::unexpected(parsed.error());
  auto client = server::Client::connect(*parsed);
  if (!client) return std::unexpected(fmt::format("{} Is a server running there (chimera serve)?", client.error()));
  return std::unique_ptr<RemoteLink>(new RemoteLink(std::move(*client), address));
}

tables::Result<> RemoteLink::run(const tables::Script& script, tables::Answers& answers) {
  settle();
  client_.send(script.bytes());
  return collect(script, answers);
}

tables::Link::Ticket RemoteLink::send(tables::Script script) {
  client_.send(script.bytes());
  return under_way_.add(std::move(script));
}

tables::Result<> RemoteLink::receive(Ticket ticket, tables::Answers& answers) {
  return under_way_.receive(ticket, answers,
                            [this](const tables::Script& of, tables::Answers& to) { return collect(of, to); });
}

void RemoteLink::settle() {
  under_way_.settle([this](const tables::Script& of, tables::Answers& to) { return collect(of, to); });
}

tables::Result<> RemoteLink::collect(const tables::Script& script, tables::Answers& answers) {
  static_cast<void>(answers.start());
  for (std::size_t wanted = 1; answers.size() < script.size();) {
    const auto arrived = client_.receive(wanted);
    if (!arrived) return lost(arrived.error());
    const std::size_t size = arrived->size();
    const auto taken = answers.take(script, *arrived);
    if (!taken) return lost(fmt::format("What {} sends is not an answer: is it a Chimera server?", address_));
    client_.take(*taken);
    if (size < wanted && answers.size() < script.size()) {
      return lost(fmt::format("{} closed the connection before all answers had come.", address_));
    }
    wanted = size - *taken + 1;
  }
  return answers.outcome(script);
}

void RemoteLink::close() {
  client_.end_input();
  for (;;) {
    const auto rest = client_.receive(1);
    if (!rest || rest->empty()) return;
    client_.take(rest->size());
  }
}

}  // namespace chimera::cli
