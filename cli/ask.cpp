#include "cli/ask.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "cli/render.h"
#include "isa/text.h"

namespace chimera::cli {

namespace {

struct Answered {
  Results results;
  std::optional<std::size_t> failed_at;  ///< the first instruction that was not ok
  std::optional<Failure> failure;        ///< of that, or of the connection, which has no place
};

Answered ask(Endpoint& endpoint, std::span<const std::uint8_t> instructions) {
  endpoint.send_all(instructions);
  Answered answered;
  auto& [results, failed_at, failure] = answered;
  while (endpoint.under_way() > 0) {
    const auto answer = endpoint.receive();
    if (!answer) return {.failure = Failure{.words = answer.error()}};
    if (!answer->ok() && !failure) {
      failed_at = results.size();
      failure = {.status = answer->status, .words = describe_failure(*answer)};
    }
    results.emplace_back(answer->result.begin(), answer->result.end());
  }
  return answered;
}

}  // namespace

std::expected<Results, Failure> ask_all(Endpoint& endpoint, const Program& program) {
  auto [results, failed_at, failure] = ask(endpoint, program.bytes());
  if (failure) return std::unexpected(*failure);
  return results;
}

std::expected<Results, Failure> ask_at_once(Endpoint& endpoint, const Program& program) {
  // In one go, so that a server can run it again where others were faster.
  std::vector<std::uint8_t> whole;
  for (const Program& part : {std::move(Program().begin()), program, std::move(Program().commit())}) {
    whole.insert(whole.end(), part.bytes().begin(), part.bytes().end());
  }
  auto [results, failed_at, failure] = ask(endpoint, whole);
  if (failure) {
    const bool is_the_commit = !failed_at || *failed_at + 1 == results.size();
    if (failure->status == Status::io_error && is_the_commit) {
      failure->words += " It may have happened all the same: `chimera devices` tells.";
    }
    return std::unexpected(*failure);
  }
  results.erase(results.begin());
  results.pop_back();
  return results;
}

std::expected<void, Failure> try_to_delete(Endpoint& endpoint, const Uuid& device) {
  const auto tried = ask_all(endpoint, Program().begin().delete_device(device).abort().close_device(device));
  if (!tried) return std::unexpected(tried.error());
  return {};
}

Uuid uuid_in(const std::vector<std::uint8_t>& result) {
  Uuid uuid{};
  std::copy_n(result.begin(), std::min(result.size(), uuid.size()), uuid.begin());
  return uuid;
}

std::expected<std::optional<FoundDevice>, std::string> look_for(Endpoint& endpoint, Program reach) {
  const auto found = ask_all(endpoint, reach.describe_device());
  if (!found && found.error().status == Status::not_found) return std::nullopt;
  if (!found) return std::unexpected(found.error().words);
  // A text32 begins with its length.
  const std::vector<std::uint8_t>& text = found->back();
  const auto description =
      nlohmann::json::parse(text.begin() + sizeof(std::uint32_t), text.end(), nullptr, /*allow_exceptions=*/false);
  const auto uuid = description.is_object() ? parse_uuid(description.value("uuid", "")) : std::nullopt;
  if (!uuid) return std::unexpected("The description of the device is not a JSON object with its UUID.");
  return FoundDevice{.uuid = *uuid,
                     .name = description.value("name", ""),
                     .length = description.value("length", std::uint64_t{0}),
                     .read_only = description.value("read_only", false),
                     .fixed_length = description.value("fixed_length", false),
                     .family = description.value("family", "")};
}

std::expected<FoundDevice, std::string> find_device(Endpoint& endpoint, const std::string& target,
                                                    const std::string& name_or_uuid) {
  if (!is_valid_name(name_or_uuid)) {
    return std::unexpected("A device's name has 1 to 255 bytes of UTF-8 and no control characters.");
  }
  auto found = look_for(endpoint, Program().open_device(name_or_uuid));
  if (found && !*found) {
    if (const auto uuid = parse_uuid(name_or_uuid)) found = look_for(endpoint, Program().select_device(*uuid));
  }
  if (!found) return std::unexpected(found.error());
  if (*found) return std::move(**found);
  return std::unexpected(fmt::format("There is no device named {}: `chimera devices {}` lists those that there are.",
                                     quote(name_or_uuid), target));
}

}  // namespace chimera::cli
