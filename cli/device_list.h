#pragma once
// All devices behind an endpoint.

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "cli/endpoint.h"
#include "isa/uuid.h"

namespace chimera::cli {

struct NamedDevice {
  Uuid uuid;
  std::string name;
};

/// Sorted by name. Devices that come or go meanwhile may be missed or listed.
[[nodiscard]] std::expected<std::vector<NamedDevice>, std::string> list_devices(Endpoint& endpoint);

struct DescribedDevice {
  NamedDevice device;
  std::string json;  ///< what `describe device` answers
};

/// All devices, each described; those that went away meanwhile are left out.
[[nodiscard]] std::expected<std::vector<DescribedDevice>, std::string> describe_devices(Endpoint& endpoint);

/// How many of the device's first `length` bytes are data: what is no hole. What it shares with clones
/// counts for each of them. Of one that becomes shorter or goes away meanwhile: those that were seen. The device is
/// open afterwards.
[[nodiscard]] std::expected<std::uint64_t, std::string> count_data(Endpoint& endpoint, const Uuid& device,
                                                                   std::uint64_t length);

}  // namespace chimera::cli
