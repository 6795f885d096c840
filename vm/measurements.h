#pragma once
// Figures by name, whoever shows them: `describe store` as JSON, a metrics page as text. docs/operating.md lists them.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "io/histogram.h"

namespace chimera::vm {

/// One figure, or one for each value of a label.
struct Measurement {
  enum class Kind : std::uint8_t {
    counter,    ///< grows only, from 0 when the machine begins
    gauge,      ///< as it is now
    histogram,  ///< of durations
  };
  struct Sample {
    std::string_view label_value;  ///< of a constant, or a device's name; empty where there is no label
    std::uint64_t value = 0;       ///< not of a histogram
    const io::Histogram* histogram = nullptr;
  };

  std::string_view name;  ///< words joined by _, the unit behind, `_total` at the end of counters
  Kind kind = Kind::gauge;
  std::string_view help;        ///< a sentence without its full stop
  std::string_view label = {};  ///< none if empty
  bool is_nanoseconds = false;  ///< the values are; they are shown as seconds, as histograms always are
  std::vector<Sample> samples = {};
};

/// Whoever has figures of their own. They have to stay as they are until they have been shown.
class MeasurementSource {
 public:
  virtual void measure(std::vector<Measurement>& all) const = 0;

 protected:
  ~MeasurementSource() = default;
};

/// An object: a number, or an object of numbers by label, for each; a histogram is an object of `count`, `sum`
/// (seconds) and `buckets`, a list of [upper bound in seconds, how many] of those that are not empty, the bound null in
/// the last one.
[[nodiscard]] std::string to_json(const std::vector<Measurement>& all);

}  // namespace chimera::vm
