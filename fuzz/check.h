#pragma once
// What a fuzz target demands.

#include <cstdlib>

/// Ends the run, which libFuzzer reports with the input.
#define FUZZ_CHECK(condition)  \
  do {                         \
    if (!(condition)) abort(); \
  } while (false)
