#include "server/metrics_text.h"

#include <fmt/format.h>

#include <cstdint>
#include <iterator>

namespace chimera::server {
namespace {

using Kind = vm::Measurement::Kind;
using Sample = vm::Measurement::Sample;

std::string_view type_of(Kind kind) {
  switch (kind) {
    case Kind::counter: return "counter";
    case Kind::gauge: return "gauge";
    case Kind::histogram: return "histogram";
  }
  return "untyped";
}

std::string seconds(std::uint64_t nanoseconds) { return fmt::format("{}", static_cast<double>(nanoseconds) / 1e9); }

/// Devices may be called what they like, but for control characters.
std::string escaped(std::string_view value) {
  std::string text;
  for (const char letter : value) {
    if (letter == '"' || letter == '\\') text += '\\';
    text += letter;
  }
  return text;
}

/// Nothing, or `{label="value"}` with what else there is to say within the braces.
std::string labels(const vm::Measurement& measurement, const Sample& sample, std::string_view more = "") {
  std::string text;
  if (!measurement.label.empty()) text = fmt::format("{}=\"{}\"", measurement.label, escaped(sample.label_value));
  if (!text.empty() && !more.empty()) text += ',';
  text += more;
  return text.empty() ? "" : fmt::format("{{{}}}", text);
}

void put_histogram(std::string& text, const vm::Measurement& measurement, const Sample& sample) {
  const io::Histogram& histogram = *sample.histogram;
  const auto out = std::back_inserter(text);
  std::uint64_t count = 0;
  for (std::size_t bucket = 0; bucket < io::Histogram::bucket_count; ++bucket) {
    const bool is_last = bucket + 1 == io::Histogram::bucket_count;
    count += histogram.buckets()[bucket];
    const std::string bound = fmt::format("le=\"{}\"", is_last ? "+Inf" : seconds(io::Histogram::bound_ns(bucket)));
    fmt::format_to(out, "chimera_{}_bucket{} {}\n", measurement.name, labels(measurement, sample, bound), count);
  }
  const std::string label = labels(measurement, sample);
  fmt::format_to(out, "chimera_{}_sum{} {}\n", measurement.name, label, seconds(histogram.sum_ns()));
  fmt::format_to(out, "chimera_{}_count{} {}\n", measurement.name, label, histogram.count());
}

}  // namespace

std::string metrics_text(const std::vector<vm::Measurement>& all) {
  std::string text;
  const auto out = std::back_inserter(text);
  for (const vm::Measurement& measurement : all) {
    if (measurement.samples.empty()) continue;
    fmt::format_to(out, "# HELP chimera_{} {}.\n", measurement.name, measurement.help);
    fmt::format_to(out, "# TYPE chimera_{} {}\n", measurement.name, type_of(measurement.kind));
    for (const Sample& sample : measurement.samples) {
      if (sample.histogram != nullptr) {
        put_histogram(text, measurement, sample);
        continue;
      }
      const std::string value = measurement.is_nanoseconds ? seconds(sample.value) : fmt::format("{}", sample.value);
      fmt::format_to(out, "chimera_{}{} {}\n", measurement.name, labels(measurement, sample), value);
    }
  }
  return text;
}

}  // namespace chimera::server
