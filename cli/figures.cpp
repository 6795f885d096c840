#include "cli/figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "isa/builder.h"

namespace chimera::cli {
namespace {

using Json = nlohmann::ordered_json;

Durations durations_in(const Json& object) {
  const auto number = [&](const char* member) {
    return object.contains(member) && object[member].is_number() ? object[member].get<double>() : 0.0;
  };
  Durations durations{.count = number("count"), .sum_seconds = number("sum"), .buckets = {}};
  for (const Json& bucket : object["buckets"]) {
    if (!bucket.is_array() || bucket.size() != 2 || !bucket[1].is_number()) continue;
    const double bound = bucket[0].is_number() ? bucket[0].get<double>() : std::numeric_limits<double>::infinity();
    durations.buckets[bound] += bucket[1].get<double>();
  }
  return durations;
}

/// A number, a histogram, or an object of either by label.
void take(Figures& figures, const std::string& name, const Json& value) {
  if (value.is_number()) {
    figures.numbers[name] = value.get<double>();
  } else if (value.is_object() && value.contains("buckets")) {
    figures.durations[name] = durations_in(value);
  } else if (value.is_object() && !name.ends_with('}')) {
    for (const auto& [label, labelled] : value.items()) take(figures, name + "{" + label + "}", labelled);
  }
}

/// Three digits, so that columns stay narrow.
std::string three_digits(double number) {
  if (number >= 99.95) return fmt::format("{:.0f}", number);
  if (number >= 9.995) return fmt::format("{:.1f}", number);
  return fmt::format("{:.2f}", number);
}

}  // namespace

double Durations::quantile(double part) const {
  const double wanted = part * count;
  double below = 0;
  double lower = 0;
  for (const auto& [bound, many] : buckets) {
    // Bounds that were empty are not told: the one below is two thirds or three quarters of this one.
    const bool is_low = std::fabs(std::log2(bound * 1e6) - std::round(std::log2(bound * 1e6))) < 0.01;
    const double floor = std::isinf(bound) ? lower : std::max(lower, bound * (is_low ? 0.75 : 2.0 / 3));
    if (many > 0 && below + many >= wanted) {
      if (std::isinf(bound)) return floor;
      return floor + (bound - floor) * std::max(0.0, wanted - below) / many;
    }
    below += many;
    lower = bound;
  }
  return lower;
}

Durations Durations::since(const Durations& before) const {
  Durations passed{.count = count - before.count, .sum_seconds = sum_seconds - before.sum_seconds, .buckets = buckets};
  for (const auto& [bound, many] : before.buckets) passed.buckets[bound] -= many;
  return passed;
}

double Figures::number(const std::string& name) const {
  const auto found = numbers.find(name);
  return found == numbers.end() ? 0 : found->second;
}

Durations Figures::durations_of(const std::string& name) const {
  const auto found = durations.find(name);
  return found == durations.end() ? Durations{} : found->second;
}

std::map<std::string, double> Figures::labelled(const std::string& name) const {
  std::map<std::string, double> values;
  const std::string head = name + "{";
  for (auto at = numbers.lower_bound(head); at != numbers.end() && at->first.starts_with(head); ++at) {
    values[at->first.substr(head.size(), at->first.size() - head.size() - 1)] = at->second;
  }
  return values;
}

std::expected<std::unique_ptr<Endpoint>, std::string> open_figures(const std::string& address) {
  if (is_address(address)) return open_endpoint(address, {});
  return std::unexpected(fmt::format(
      "{} is not an address: figures are those of a running server, at unix:PATH or tcp:HOST:PORT", address));
}

std::expected<Figures, std::string> parse_figures(std::string_view description) {
  Figures figures;
  figures.description = Json::parse(description, nullptr, /*allow_exceptions=*/false);
  if (!figures.description.is_object() || !figures.description.contains("stats") ||
      !figures.description["stats"].is_object()) {
    return std::unexpected("The server tells no figures of itself: it is of an older version.");
  }
  for (const auto& [name, value] : figures.description["stats"].items()) take(figures, name, value);
  return figures;
}

std::expected<Figures, std::string> ask_figures(Endpoint& endpoint) {
  const auto answer = endpoint.ask(Program().describe_store().bytes());
  if (!answer) return std::unexpected(answer.error());
  return parse_figures(text_of(*answer));
}

std::string human_time(double seconds) {
  if (seconds <= 0) return "0";
  if (seconds < 999.5e-6) return three_digits(seconds * 1e6) + " us";
  if (seconds < 0.9995) return three_digits(seconds * 1e3) + " ms";
  if (seconds < 119.5) return three_digits(seconds) + " s";
  const auto whole = static_cast<std::uint64_t>(seconds);
  if (whole < 7200) return fmt::format("{} min", whole / 60);
  if (whole < 172'800) return fmt::format("{} h {} min", whole / 3600, whole / 60 % 60);
  return fmt::format("{} d {} h", whole / 86'400, whole / 3600 % 24);
}

std::string human_count(double number) {
  if (number < 999.5) return number == std::floor(number) ? fmt::format("{:.0f}", number) : three_digits(number);
  constexpr std::array units{'k', 'M', 'G', 'T', 'P'};
  std::size_t unit = 0;
  for (number /= 1000; number >= 999.5 && unit + 1 < units.size(); ++unit) number /= 1000;
  return three_digits(number) + units[unit];
}

}  // namespace chimera::cli
