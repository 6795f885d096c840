#include "devices/flush_forecast.h"

#include <doctest/doctest.h>

#include <algorithm>

namespace chimera::devices {
namespace {

/// So many writes, each of which may be the last; how often a flush was expected behind one of them.
unsigned expected_behind(FlushForecast& forecast, unsigned writes) {
  unsigned expected = 0;
  for (unsigned n = 0; n < writes; ++n) {
    forecast.recorded();
    expected += forecast.take_due();
  }
  return expected;
}

/// Flushes behind so many writes each until one is foreseen.
unsigned flushes_until_foreseen(FlushForecast& forecast, unsigned writes) {
  for (unsigned flushes = 0;; ++flushes) {
    const bool is_foreseen = expected_behind(forecast, writes) > 0;
    forecast.asked();
    if (is_foreseen) return flushes;
  }
}

TEST_CASE("a flush that has come behind as many writes time after time is foreseen behind the last of them") {
  for (const unsigned writes : {1u, 4u}) {
    CAPTURE(writes);
    FlushForecast forecast;
    CHECK_EQ(flushes_until_foreseen(forecast, writes), FlushForecast::least_patience);
    CHECK_EQ(expected_behind(forecast, writes - 1), 0);
    CHECK_EQ(expected_behind(forecast, 1), 1);
    CHECK_FALSE(forecast.take_due());
    forecast.asked();
    // Who asks again, or has written nothing, changes nothing.
    forecast.asked();
    CHECK_EQ(expected_behind(forecast, writes), 1);
  }
}

TEST_CASE("flushes behind many writes, or behind now more and now fewer, are not foreseen") {
  FlushForecast many, changing;
  for (unsigned n = 0; n < 1000; ++n) {
    CHECK_EQ(expected_behind(many, FlushForecast::most_writes + 1), 0);
    many.asked();
    CHECK_EQ(expected_behind(changing, 1 + n % 2), 0);
    changing.asked();
  }
}

TEST_CASE("where forecasts are wrong time after time, they become rare") {
  FlushForecast forecast;
  // Each is right once, and then wrong.
  const auto next = [](std::uint64_t last) { return 2 * std::max(last - 1, FlushForecast::least_patience); };
  for (std::uint64_t last = FlushForecast::least_patience; last < FlushForecast::most_patience; last = next(last)) {
    CHECK_EQ(flushes_until_foreseen(forecast, 1), last);
    // Writes without end.
    CHECK_EQ(expected_behind(forecast, 100), 1);
    forecast.asked();
  }
  CHECK_EQ(flushes_until_foreseen(forecast, 1), FlushForecast::most_patience);
  // Where they have been right as often, one that is wrong costs as little as at first.
  for (std::uint64_t n = 0; n < FlushForecast::most_patience; ++n) CHECK_EQ(flushes_until_foreseen(forecast, 1), 0);
  CHECK_EQ(expected_behind(forecast, 2), 1);
  forecast.asked();
  CHECK_EQ(flushes_until_foreseen(forecast, 1), 2 * FlushForecast::least_patience);
}

}  // namespace
}  // namespace chimera::devices
