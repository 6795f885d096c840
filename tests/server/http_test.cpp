#include "server/http.h"

#include <doctest/doctest.h>

#include <string>

using chimera::server::answer_http;
using chimera::server::longest_http_request;

namespace {

std::optional<std::string> ask(std::string_view request) {
  return answer_http(request, "/metrics", "text/plain", [] { return std::string("page\n"); });
}

/// The status of the answer, or 0 where the request is not complete.
int status_of(std::string_view request) {
  const auto answer = ask(request);
  if (!answer) return 0;
  CHECK(answer->starts_with("HTTP/1.1 "));
  return std::stoi(answer->substr(9, 3));
}

}  // namespace

TEST_CASE("a request is answered when all of it is there") {
  const std::string request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n";
  for (std::size_t size = 0; size < request.size(); ++size) CHECK(status_of(request.substr(0, size)) == 0);
  CHECK(ask(request) ==
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nCache-Control: no-store\r\n"
        "Connection: close\r\n\r\npage\n");
  CHECK(status_of("GET /metrics?name=x HTTP/1.0\r\n\r\nmore") == 200);
}

TEST_CASE("anything else is refused") {
  CHECK(status_of("GET / HTTP/1.1\r\n\r\n") == 404);
  CHECK(status_of("GET /metrics/ HTTP/1.1\r\n\r\n") == 404);
  CHECK(status_of("GET http://elsewhere/metrics HTTP/1.1\r\n\r\n") == 404);
  CHECK(status_of("POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc") == 405);
  CHECK(ask("HEAD /metrics HTTP/1.1\r\n\r\n")->contains("\r\nAllow: GET\r\n"));
  for (const char* wrong :
       {"\r\n\r\n", "GET /metrics\r\n\r\n", "GET  HTTP/1.1\r\n\r\n", "GET /metrics HTTP/2\r\n\r\n",
        "GET /metrics HTTP/1.1 \r\n\r\n", "GET /me trics HTTP/1.1\r\n\r\n", "G\x01T /metrics HTTP/1.1\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nno colon\r\n\r\n", "GET /metrics HTTP/1.1\r\n: nameless\r\n\r\n",
        "GET /metrics HTTP/1.1\r\n folded: x\r\n\r\n", "GET /metrics HTTP/1.1\r\nname: \x01\r\n\r\n",
        "GET /metrics HTTP/1.x\r\n\r\n"}) {
    CAPTURE(wrong);
    CHECK(status_of(wrong) == 400);
  }
}

TEST_CASE("who speaks something else is refused as soon as that shows") {
  for (const char* other : {"\x7FP", "H\x01", "\r\n", " ", "G\x01T"}) {
    CAPTURE(other);
    CHECK(status_of(other) == 400);
  }
  CHECK(status_of(std::string("H\0", 2)) == 400);
}

TEST_CASE("a request that is too long is refused, though not before it is") {
  std::string request = "GET /metrics HTTP/1.1\r\nname: ";
  request.resize(longest_http_request - 4, 'x');
  CHECK(status_of(request) == 0);
  CHECK(status_of(request + "\r\n\r\n") == 200);
  CHECK(status_of(request + "xxxx") == 400);
  CHECK(status_of(request + "x\r\n\r\n") == 400);
}
