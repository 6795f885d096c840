#pragma once
// A running server as a host: each stream is a connection of its own.

#include <memory>
#include <string_view>

#include "embed/failure.h"
#include "embed/host.h"

namespace chimera::embed {

/// Connects once, so that an address where nobody listens is found out now; the first stream takes that connection.
[[nodiscard]] Outcome<std::unique_ptr<Host>> connect_server(std::string_view address);

}  // namespace chimera::embed
