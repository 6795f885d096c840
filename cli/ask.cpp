#include "cli/ask.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/render.h"
#include "isa/text.h"

namespace chimera::cli {

std::expected<Results, Failure> ask_all(Endpoint& endpoint, const Program& program) {
  endpoint.send_all(program.bytes());
  Results results;
  std::optional<Failure> failure;
  while (endpoint.under_way() > 0) {
    const auto answer = endpoint.receive();
    if (!answer) return std::unexpected(Failure{.words = answer.error()});
    if (!answer->ok() && !failure) failure = {.status = answer->status, .words = describe_failure(*answer)};
    results.emplace_back(answer->result.begin(), answer->result.end());
  }
  if (failure) return std::unexpected(*failure);
  return results;
}

std::expected<void, Failure> try_to_delete(Endpoint& endpoint, const Uuid& device) {
  const auto tried = ask_all(endpoint, Program().begin().delete_device(device).abort());
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
