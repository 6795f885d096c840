#include "io/histogram.h"

#include <doctest/doctest.h>

#include <numeric>

using chimera::io::Histogram;

TEST_CASE("a duration belongs to the first bucket whose bound it does not pass") {
  CHECK(Histogram::bound_ns(0) == 1'000);
  CHECK(Histogram::bound_ns(1) == 1'500);
  CHECK(Histogram::bound_ns(2) == 2'000);
  CHECK(Histogram::bound_ns(Histogram::bucket_count - 2) == 16'777'216'000);
  CHECK(Histogram::bucket_of(0) == 0);
  for (std::size_t bucket = 0; bucket + 1 < Histogram::bucket_count; ++bucket) {
    CAPTURE(bucket);
    CHECK(Histogram::bucket_of(Histogram::bound_ns(bucket)) == bucket);
    CHECK(Histogram::bucket_of(Histogram::bound_ns(bucket) - 1) == bucket);
    CHECK(Histogram::bucket_of(Histogram::bound_ns(bucket) + 1) == bucket + 1);
  }
  CHECK(Histogram::bucket_of(~std::uint64_t{0}) == Histogram::bucket_count - 1);
}

TEST_CASE("a histogram counts and adds up") {
  Histogram histogram;
  for (const std::uint64_t duration : {0, 1'000, 1'001, 5'000'000}) histogram.add(duration);
  CHECK(histogram.count() == 4);
  CHECK(histogram.sum_ns() == 5'002'001);
  CHECK(histogram.buckets()[0] == 2);
  CHECK(histogram.buckets()[1] == 1);
  CHECK(std::accumulate(histogram.buckets().begin(), histogram.buckets().end(), std::uint64_t{0}) == 4);
}
