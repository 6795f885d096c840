#include "cli/device_target.h"

#include <algorithm>
#include <utility>

#include "cli/commands.h"
#include "isa/text.h"

namespace chimera::cli {

void add_target_operand(CLI::App& command, DeviceTarget& target) {
  add_operand(command, "STORE|ADDRESS", target.target, "A store, or a running server").required();
}

std::string wrong_with_device_name(const std::string& word) {
  return is_valid_name(word) ? "" : "a device's name has 1 to 255 bytes of UTF-8 and no control characters";
}

std::string wrong_with_new_device_name(const std::string& word) {
  if (parse_uuid(word)) return "a UUID is no name: it would be taken for the device that has it";
  return wrong_with_device_name(word);
}

Option add_name_operand(CLI::App& command, const std::string& name, std::string& value, const std::string& help) {
  return add_operand(command, name, value, help).check(wrong_with_device_name).required();
}

Option add_name_operand(CLI::App& command, const std::string& name, std::vector<std::string>& values,
                        const std::string& help) {
  return add_operand(command, name, values, help).check(wrong_with_device_name).required();
}

std::string with_advice_on_name(const Failure& failure) {
  return failure.words + (failure.status == Status::exists ? " Give the device another name." : "");
}

int with_endpoint(const DeviceTarget& target, const std::function<Done(Endpoint&)>& what) {
  const auto endpoint = open_endpoint(target.target, target.store);
  if (!endpoint) return fail(endpoint.error());
  const Done done = what(**endpoint);
  const auto closed = (*endpoint)->close();
  if (!done) return fail(done.error());
  return closed ? exit_done : fail(closed.error());
}

std::expected<std::vector<FoundDevice>, std::string> find_devices(Endpoint& endpoint, const std::string& target,
                                                                  const std::vector<std::string>& words) {
  std::vector<FoundDevice> devices;
  for (const std::string& word : words) {
    auto found = find_device(endpoint, target, word);
    if (!found) return std::unexpected(found.error());
    if (std::ranges::find(devices, found->uuid, &FoundDevice::uuid) == devices.end()) {
      devices.push_back(std::move(*found));
    }
  }
  return devices;
}

}  // namespace chimera::cli
