#include "cli/image_file.h"

#include <doctest/doctest.h>

#include <random>
#include <vector>

using namespace chimera::cli;

namespace {

constexpr std::size_t block = 4096;

std::vector<Range> data_runs(const std::vector<std::uint8_t>& bytes) {
  std::vector<Range> runs;
  for_each_data_run(bytes, [&](std::size_t offset, std::span<const std::uint8_t> run) {
    CHECK(run.data() == bytes.data() + offset);
    runs.push_back({offset, offset + run.size()});
  });
  return runs;
}

}  // namespace

TEST_CASE("runs of data: whole blocks, joined, the last one cut") {
  CHECK(data_runs({}).empty());
  CHECK(data_runs(std::vector<std::uint8_t>(3 * block)).empty());

  std::vector<std::uint8_t> bytes(5 * block + 10);
  bytes[block] = 1;
  bytes[3 * block - 1] = 1;
  bytes.back() = 1;
  const auto runs = data_runs(bytes);
  REQUIRE(runs.size() == 2);
  CHECK((runs[0].begin == block && runs[0].end == 3 * block));
  CHECK((runs[1].begin == 5 * block && runs[1].end == 5 * block + 10));
}

TEST_CASE("what lies outside the runs is zeros, and each of their blocks holds something") {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    std::vector<std::uint8_t> bytes(random() % (20 * block));
    for (auto changes = random() % 12; changes > 0 && !bytes.empty(); --changes) bytes[random() % bytes.size()] = 1;
    std::vector<bool> covered(bytes.size());
    for (const Range& run : data_runs(bytes)) {
      for (std::size_t at = run.begin; at < run.end; at += block) {
        bool holds_something = false;
        for (std::size_t i = at; i < std::min<std::size_t>(at + block, run.end); ++i) {
          covered[i] = true;
          holds_something = holds_something || bytes[i] != 0;
        }
        CHECK(holds_something);
      }
    }
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      if (!covered[i]) REQUIRE(bytes[i] == 0);
    }
  }
}
