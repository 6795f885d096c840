#pragma once
// A running server as a link of tables.

#include <expected>
#include <memory>
#include <string>

#include "server/client.h"
#include "tables/link.h"
#include "tables/script.h"
#include "tables/under_way.h"

namespace chimera::cli {

/// A connection of its own. Scripts go out at once, their answers are taken as they come.
class RemoteLink final : public tables::Link {
 public:
  /// To `unix:PATH` or `tcp:HOST:PORT`. Errors are whole sentences.
  [[nodiscard]] static std::expected<std::unique_ptr<RemoteLink>, std::string> connect(const std::string& address);

  tables::Result<> run(const tables::Script& script, tables::Answers& answers) override;
  Ticket send(tables::Script script) override;
  tables::Result<> receive(Ticket ticket, tables::Answers& answers) override;
  /// Ends the session, and waits until the server has ended it too.
  void close();

 private:
  RemoteLink(server::Client client, std::string address) : client_(std::move(client)), address_(std::move(address)) {}
  void settle();
  [[nodiscard]] tables::Result<> collect(const tables::Script& script, tables::Answers& answers);

  server::Client client_;
  std::string address_;
  tables::UnderWay under_way_;
};

}  // namespace chimera::cli
