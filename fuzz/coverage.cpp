// libFuzzer takes its coverage from Clang's instrumentation, which cannot compile std::expected as the Debian release
// has it. GCC calls a function for every block of code instead; here that call counts in a table of the kind that
// libFuzzer reads.

#include <cstdint>

extern "C" {

void __sanitizer_cov_8bit_counters_init(std::uint8_t* begin, std::uint8_t* end);

// The callback that -fsanitize-coverage=trace-pc compiles into everything.
void __sanitizer_cov_trace_pc();

// GCC reports comparisons of floating-point numbers as well; libFuzzer has no use for them.
void __sanitizer_cov_trace_cmpf(float, float) {}
void __sanitizer_cov_trace_cmpd(double, double) {}
}

namespace {

constexpr std::uintptr_t size = 1 << 16;
std::uint8_t counters[size];

__attribute__((constructor, no_sanitize_coverage, no_sanitize_address, no_sanitize_undefined)) void announce() {
  __sanitizer_cov_8bit_counters_init(counters, counters + size);
}

}  // namespace

__attribute__((no_sanitize_coverage, no_sanitize_address, no_sanitize_undefined)) void __sanitizer_cov_trace_pc() {
  const auto place = reinterpret_cast<std::uintptr_t>(__builtin_return_address(0));
  ++counters[(place ^ place >> 16) % size];
}
