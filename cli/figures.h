#pragma once
// The figures of a running server, as `describe store` tells them: what `chimera stats` and `chimera top` show.

#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "cli/endpoint.h"

namespace chimera::cli {

/// Durations, as counted in buckets.
struct Durations {
  double count = 0;
  double sum_seconds = 0;
  /// Upper bound in seconds, and how many; infinity is the last bound there can be.
  std::map<double, double> buckets;

  /// The duration that this part (0 to 1) of them has not passed, in seconds; 0 where there are none. Within a bucket
  /// it is taken as even.
  [[nodiscard]] double quantile(double part) const;
  [[nodiscard]] double mean() const { return count > 0 ? sum_seconds / count : 0; }
  /// What has come since `before`.
  [[nodiscard]] Durations since(const Durations& before) const;
};

/// By the name of the figure, with `{label value}` behind it where it has a label.
struct Figures {
  nlohmann::ordered_json description;  ///< all of it, as it was told
  std::map<std::string, double> numbers;
  std::map<std::string, Durations> durations;

  /// 0 for what there is not.
  [[nodiscard]] double number(const std::string& name) const;
  [[nodiscard]] Durations durations_of(const std::string& name) const;
  [[nodiscard]] bool has(const std::string& name) const { return numbers.contains(name); }
  /// By their label's value.
  [[nodiscard]] std::map<std::string, double> labelled(const std::string& name) const;
};

/// Connects to a running server; a store has none. Errors are whole sentences.
[[nodiscard]] std::expected<std::unique_ptr<Endpoint>, std::string> open_figures(const std::string& address);
/// Takes them out of the text of a description. Errors are whole sentences.
[[nodiscard]] std::expected<Figures, std::string> parse_figures(std::string_view description);
[[nodiscard]] std::expected<Figures, std::string> ask_figures(Endpoint& endpoint);

/// 1.25e-4 as "125 us", for people.
[[nodiscard]] std::string human_time(double seconds);
/// 1234567 as "1.23M", for people: counts and rates, in thousands.
[[nodiscard]] std::string human_count(double number);

}  // namespace chimera::cli
