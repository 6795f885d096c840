#pragma once
// What a check has found, for people and as JSON.

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cli/check_tables.h"
#include "devices/open.h"

namespace chimera::cli {

/// What is wrong with tables stands behind what is wrong with the store.
[[nodiscard]] std::vector<std::string> all_problems(std::vector<std::string> problems, const TablesReport& tables);
/// What is to be done with tables that are not whole; nothing where all are.
[[nodiscard]] std::string advice_for(const TablesReport& tables);
/// The problems, advice where there is some, and their number; returns the exit status.
int print_verdict(std::uint64_t problem_count, const std::vector<std::string>& problems, const std::string& advice,
                  const std::string& all_well = "No problem was found.");
/// How many tables there are, where there are any, and what others have left of such.
void print_tables(const TablesReport& tables);
int print_store_report(const devices::CheckReport& report, const TablesReport& tables);
[[nodiscard]] nlohmann::ordered_json to_json(const devices::CheckReport& report);
/// Adds what was found in tables to a report that has problems already.
void add_tables(nlohmann::ordered_json& report, const TablesReport& tables);

}  // namespace chimera::cli
