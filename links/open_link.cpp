#include "links/open_link.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "links/remote_link.h"
#include "links/store_link.h"
#include "server/address.h"

namespace chimera::links {
namespace {

/// A store where there is none.
tables::Result<> make_store(const std::string& path, const LinkOptions& options) {
  const bool is_file = !path.empty() && path != ":memory:";
  std::error_code unknown;
  if (options.make_bytes == 0 || !is_file || std::filesystem::exists(path, unknown)) return {};
  chimera_options wanted{};
  wanted.struct_size = sizeof wanted;
  wanted.size = options.make_bytes;
  const std::unique_ptr<chimera_store, void (*)(chimera_store*)> store(chimera_new(), &chimera_free);
  const int code = chimera_format(store.get(), path.c_str(), &wanted);
  if (code == CHIMERA_OK) return {};
  return std::unexpected(tables::Failure{status_of(code), chimera_error(store.get())});
}

}  // namespace

tables::Result<std::unique_ptr<tables::Link>> open_link(const std::string& place, const LinkOptions& options) {
  if (server::looks_like_address(place)) {
    auto remote = RemoteLink::connect(place, options.patience_ms);
    if (!remote) return std::unexpected(tables::Failure{Status::io_error, std::move(remote.error())});
    return std::unique_ptr<tables::Link>(std::move(*remote));
  }
  if (auto made = make_store(place, options); !made) return std::unexpected(std::move(made.error()));
  auto opened = StoreLink::open(place, options.store);
  if (!opened) return std::unexpected(std::move(opened.error()));
  return std::unique_ptr<tables::Link>(std::move(*opened));
}

chimera_store* store_of(tables::Link& link) {
  const auto* const local = dynamic_cast<const StoreLink*>(&link);
  return local == nullptr ? nullptr : local->store();
}

}  // namespace chimera::links
