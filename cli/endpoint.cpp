#include "cli/endpoint.h"

#include <sys/stat.h>

#include <fmt/format.h>

#include <cassert>
#include <cctype>

#include "cli/embedded_endpoint.h"
#include "cli/remote_endpoint.h"
#include "isa/decoder.h"
#include "server/address.h"

namespace chimera::cli {

void Endpoint::expect_answer(const Instruction& instruction) {
  questions_.push_back({.operation = instruction.operation, .count = instruction.count});
}

void Endpoint::send(std::span<const std::uint8_t> bytes, const Instruction& instruction) {
  expect_answer(instruction);
  send_bytes(bytes);
}

void Endpoint::send_all(std::span<const std::uint8_t> instructions) {
  for (std::span<const std::uint8_t> rest = instructions; !rest.empty();) {
    Instruction instruction;
    const Decoded decoded = decode(rest, instruction);
    assert(decoded.kind == Decoded::Kind::complete);
    expect_answer(instruction);
    rest = rest.subspan(decoded.size);
  }
  send_bytes(instructions);
}

std::expected<Answer, std::string> Endpoint::ask(std::span<const std::uint8_t> instruction) {
  send_all(instruction);
  auto answer = receive();
  if (answer && !answer->ok()) return std::unexpected(describe_failure(*answer));
  return answer;
}

ParsedAnswer Endpoint::parse_next(std::span<const std::uint8_t> stream, Answer& answer) {
  assert(!questions_.empty());
  const ParsedAnswer parsed = parse_answer(questions_.front(), stream, answer);
  if (parsed.kind == ParsedAnswer::Kind::complete) questions_.pop_front();
  return parsed;
}

bool is_address(std::string_view target) { return server::looks_like_address(target); }

namespace {

/// Options that say how a store is opened in this process are not passed over in silence where it is not.
std::string wrong_with_address(const StoreOptions& options) {
  const StoreOptions usual;
  const char* given = nullptr;
  if (options.loop != usual.loop) given = "--io";
  if (options.cache_bytes != usual.cache_bytes) given = "--cache";
  if (options.memory_bytes != usual.memory_bytes) given = "--memory";
  if (!options.folder.empty()) given = "--attach";
  if (options.without_journal) given = "--without-journal";
  if (options.keep_space) given = "--keep-space";
  if (given == nullptr) return {};
  return fmt::format("{} is for a store that is opened here: a server has its own, from `chimera serve`.", given);
}

}  // namespace

std::expected<std::unique_ptr<Endpoint>, std::string> open_endpoint(const std::string& target,
                                                                    const StoreOptions& options) {
  if (is_address(target)) {
    if (const std::string wrong = wrong_with_address(options); !wrong.empty()) return std::unexpected(wrong);
    return connect_endpoint(target);
  }
  struct stat status {};
  if (::stat(target.c_str(), &status) == 0 && S_ISSOCK(status.st_mode)) {
    return std::unexpected(fmt::format("{} is a socket: the address of a server there is unix:{}.", target, target));
  }
  return open_embedded_endpoint(target, options);
}

std::string describe_failure(const Answer& answer) {
  std::string text = fmt::format("{}: {}", status_text(answer.status), answer.message);
  text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
  if (!text.ends_with('.')) text += '.';
  return text;
}

}  // namespace chimera::cli
