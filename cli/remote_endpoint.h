#pragma once
// A session with a running server, over a socket.

#include <expected>
#include <memory>
#include <string>

#include "cli/endpoint.h"

namespace chimera::cli {

/// Connects to `unix:PATH` or `tcp:HOST:PORT`.
[[nodiscard]] std::expected<std::unique_ptr<Endpoint>, std::string> connect_endpoint(const std::string& text);

}  // namespace chimera::cli
