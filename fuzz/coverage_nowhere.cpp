// The callbacks of -fsanitize-coverage that the sanitizers' library has not, for the programs of the same build that
// are no fuzz targets. In a fuzz target those of coverage.cpp stand in front of these.

extern "C" {

__attribute__((no_sanitize_coverage)) void __sanitizer_cov_trace_pc() {}
__attribute__((no_sanitize_coverage)) void __sanitizer_cov_trace_cmpf(float, float) {}
__attribute__((no_sanitize_coverage)) void __sanitizer_cov_trace_cmpd(double, double) {}
}
