#include "cli/device_list.h"

#include "isa/builder.h"

namespace chimera::cli {
namespace {

constexpr std::uint32_t devices_a_page = 1000;
constexpr std::size_t most_under_way = 256;

}  // namespace

std::expected<std::vector<NamedDevice>, std::string> list_devices(Endpoint& endpoint) {
  std::vector<NamedDevice> devices;
  while (true) {
    Program program;
    program.list_devices("", devices.empty() ? "" : devices.back().name, devices_a_page);
    const auto answer = endpoint.ask(program.bytes());
    if (!answer) return std::unexpected(answer.error());
    const auto page = devices_of(*answer);
    for (const ListedDevice& device : page) devices.push_back({device.uuid, std::string(device.name)});
    if (page.size() < devices_a_page) return devices;
  }
}

std::expected<std::vector<DescribedDevice>, std::string> describe_devices(Endpoint& endpoint) {
  const auto devices = list_devices(endpoint);
  if (!devices) return std::unexpected(devices.error());
  std::vector<DescribedDevice> described;
  std::size_t sent = 0;
  for (const NamedDevice& device : *devices) {
    for (; sent < devices->size() && endpoint.under_way() < most_under_way; ++sent) {
      // Closed again at once: a session may have only so many open, and an open one cannot be deleted by others.
      const Uuid& uuid = (*devices)[sent].uuid;
      Program program;
      program.describe_device(uuid).close_device(uuid);
      endpoint.send_all(program.bytes());
    }
    const auto description = endpoint.receive();
    if (!description) return std::unexpected(description.error());
    if (description->ok()) described.push_back({device, std::string(text_of(*description))});
    if (const auto closed = endpoint.receive(); !closed) return std::unexpected(closed.error());
  }
  return described;
}

std::expected<std::uint64_t, std::string> count_data(Endpoint& endpoint, const Uuid& device, std::uint64_t length) {
  std::uint64_t data = 0;
  for (std::uint64_t offset = 0; offset < length;) {
    endpoint.send_all(Program().read_extents(device, offset, length - offset).bytes());
    const auto answer = endpoint.receive();
    if (!answer) return std::unexpected(answer.error());
    if (answer->status == Status::out_of_range || answer->status == Status::not_found) return data;
    if (!answer->ok()) return std::unexpected(describe_failure(*answer));
    const std::uint64_t before = offset;
    for (const Extent& extent : extents_of(*answer)) {
      if ((extent.flags & extent_flags::hole) == 0) data += extent.length;
      offset += extent.length;
    }
    if (offset == before) return std::unexpected("The answer to read extents holds none.");
  }
  return data;
}

}  // namespace chimera::cli
