#pragma once
// What can be verified of a store through its instruction set alone: every block that a device holds is read, and with
// that its checksum and those of the maps above it are compared.

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "cli/endpoint.h"

namespace chimera::cli {

struct RemoteCheckReport {
  std::uint64_t devices = 0;
  std::uint64_t data_bytes = 0;      ///< verified
  std::uint64_t metadata_bytes = 0;  ///< verified
  std::uint64_t problem_count = 0;
  std::vector<std::string> problems;  ///< a line each, at most 100, by device, plane and offset
};

/// Damage is told apart down to the block; blocks side by side are one line. An error only where the server has gone
/// away; whatever it answers about its data is in the report.
[[nodiscard]] std::expected<RemoteCheckReport, std::string> check_through(Endpoint& endpoint);

}  // namespace chimera::cli
