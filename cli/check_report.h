#pragma once
// What a check has found, for people and as JSON.

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "devices/open.h"

namespace chimera::cli {

/// The problems and their number; returns the exit status.
int print_verdict(std::uint64_t problem_count, const std::vector<std::string>& problems);
int print_store_report(const devices::CheckReport& report);
[[nodiscard]] nlohmann::ordered_json to_json(const devices::CheckReport& report);

}  // namespace chimera::cli
