#include "server/http.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace chimera::server {
namespace {

std::string answer(std::string_view status, std::string_view content_type, std::string_view body,
                   std::string_view more_headers = "") {
  return fmt::format(
      "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{}Cache-Control: no-store\r\nConnection: close\r\n"
      "\r\n{}",
      status, content_type, body.size(), more_headers, body);
}

std::string refusal(std::string_view status, std::string_view more_headers = "") {
  return answer(status, "text/plain; charset=utf-8", fmt::format("{}\n", status), more_headers);
}

bool is_token(std::string_view text) {
  static constexpr std::string_view others = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::ranges::all_of(text, [](unsigned char letter) {
    return std::isalnum(letter) != 0 || others.contains(static_cast<char>(letter));
  });
}

/// Whoever speaks something else shall not wait for an answer.
bool begins_request(std::string_view arrived) {
  return arrived.empty() || is_token(arrived.substr(0, arrived.find(' ')));
}

bool is_visible(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char letter) { return letter > ' ' && letter <= '~'; });
}

/// Names, colons, values without control characters; a line that goes on in the next is long out of use.
bool are_headers(std::string_view lines) {
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find("\r\n"));
    lines.remove_prefix(line.size() + 2);
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) return false;
    const auto is_control = [](unsigned char letter) { return (letter < ' ' && letter != '\t') || letter == 0x7F; };
    if (std::ranges::any_of(line, is_control)) return false;
  }
  return true;
}

bool is_version(std::string_view text) {
  return text.size() == 8 && text.starts_with("HTTP/1.") && std::isdigit(static_cast<unsigned char>(text[7])) != 0;
}

}  // namespace

std::optional<std::string> answer_http(std::string_view arrived, std::string_view path, std::string_view content_type,
                                       const std::function<std::string()>& page) {
  const std::size_t end = arrived.substr(0, longest_http_request).find("\r\n\r\n");
  if (end == std::string_view::npos) {
    const bool may_become_one = arrived.size() < longest_http_request && begins_request(arrived);
    return may_become_one ? std::nullopt : std::optional(refusal("400 Bad Request"));
  }
  const std::string_view request = arrived.substr(0, end + 2);
  const std::string_view line = request.substr(0, request.find("\r\n"));
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return refusal("400 Bad Request");
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const bool is_sound = is_token(method) && is_visible(target) && is_version(line.substr(last + 1)) &&
                        are_headers(request.substr(line.size() + 2));
  if (!is_sound) return refusal("400 Bad Request");
  if (target.substr(0, target.find('?')) != path) return refusal("404 Not Found");
  if (method != "GET") return refusal("405 Method Not Allowed", "Allow: GET\r\n");
  return answer("200 OK", content_type, page());
}

}  // namespace chimera::server
