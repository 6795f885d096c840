#pragma once
// A machine's figures as Prometheus reads them.
// Source: https://prometheus.io/docs/instrumenting/exposition_formats/, the text format 0.0.4

#include <string>
#include <string_view>
#include <vector>

#include "vm/measurements.h"

namespace chimera::server {

inline constexpr std::string_view metrics_content_type = "text/plain; version=0.0.4; charset=utf-8";

/// Each name begins with `chimera_`; times are seconds.
[[nodiscard]] std::string metrics_text(const std::vector<vm::Measurement>& all);

}  // namespace chimera::server
