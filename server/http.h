#pragma once
// As much of HTTP/1.1 as a page needs that one GET asks for: one request a connection, no body.
// Source: RFC 9112

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace chimera::server {

/// A request line and its headers are no longer than this.
inline constexpr std::size_t longest_http_request = 8192;

/// The whole answer to what has arrived: to `GET path`, with any query behind it, 200 and the page; else 400, 404 or
/// 405. Nothing while the request is not complete and can become one.
[[nodiscard]] std::optional<std::string> answer_http(std::string_view arrived, std::string_view path,
                                                     std::string_view content_type,
                                                     const std::function<std::string()>& page);

}  // namespace chimera::server
