#include "cli/link_session.h"

#include <fmt/format.h>

#include "cli/endpoint.h"
#include "isa/builder.h"
#include "tables/answers.h"

namespace chimera::cli {
namespace {

std::expected<void, std::string> sync(tables::Link& link) {
  tables::Script script;
  script.add(Program().sync());
  tables::Answers answers;
  if (const auto synced = link.run(script, answers); !synced) return std::unexpected(synced.error().words);
  return {};
}

}  // namespace

std::expected<LinkSession, std::string> LinkSession::open(const std::string& target, const StoreOptions& options,
                                                          std::uint64_t reconnect_ms) {
  LinkSession session;
  session.read_only_ = options.read_only;
  if (is_address(target)) {
    auto remote = links::RemoteLink::connect(target, reconnect_ms);
    if (!remote) return std::unexpected(remote.error());
    session.remote_ = std::move(*remote);
    return session;
  }
  auto embedded = open_machine(target, options);
  if (!embedded) return std::unexpected(embedded.error());
  session.embedded_ = std::move(*embedded);
  session.local_ = std::make_unique<links::SessionLink>(*session.embedded_.machine);
  return session;
}

std::expected<void, std::string> LinkSession::close() {
  std::expected<void, std::string> done;
  if (remote_) {
    if (!read_only_) done = sync(*remote_);
    remote_->close();
    return done;
  }
  local_.reset();
  if (read_only_) return done;
  const Status status = embedded_.machine->sync();
  if (status == Status::ok) return done;
  return std::unexpected(fmt::format("What was written could not be made durable: {}.", status_text(status)));
}

}  // namespace chimera::cli
