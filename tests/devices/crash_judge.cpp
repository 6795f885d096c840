#include "tests/devices/crash_judge.h"

#include <fmt/format.h>

#include "tests/devices/crash_recovery.h"

namespace chimera::devices::testing {

void CrashJudge::take(const io::SimulatedDisk& disk, const Promise& promise) {
  if (!random_.chance(choice_.boundary_percent)) return;
  ++counts_.boundaries;
  const bool everything = choice_.everything_one_in != 0 && random_.below(choice_.everything_one_in) == 0;
  const std::uint64_t enumerated = everything ? 4096 : choice_.tries_at_boundary;
  const io::CrashImages images =
      disk.crash_images({.enumerate_up_to = enumerated, .most_singles = 16, .samples = 64, .seed = random_.next()});
  const bool are_few = everything || images.size() <= choice_.tries_at_boundary;
  const std::size_t tries = are_few ? images.size() : choice_.tries_at_boundary;
  std::size_t taken = 0;
  for (std::size_t n = 0; n < tries && (everything || taken < choice_.images_at_boundary); ++n) {
    // First the one with all that was written.
    const std::size_t index = are_few ? images.size() - 1 - n : n == 0 ? 1 : random_.below(images.size());
    if (take(images, index, promise)) ++taken;
  }
}

/// Whether it is a new one.
bool CrashJudge::take(const io::CrashImages& images, std::size_t index, const Promise& promise) {
  const std::uint64_t mark = images.mark(index);
  const bool is_new = seen_.try_emplace(mark, 0).second;
  crashes_.push_back({mark, {}, "one that has been seen before", promise, random_.next()});
  if (!is_new) return false;
  crashes_.back().image = images.at(index);
  crashes_.back().description = images.describe(index);
  return true;
}

std::string CrashJudge::judge(const States& states) {
  for (const Crash& crash : crashes_) {
    const std::string problem = judge(crash, states);
    if (!problem.empty()) return fmt::format("in the image \"{}\": {}", crash.description, problem);
  }
  crashes_.clear();
  return {};
}

std::string CrashJudge::judge(const Crash& crash, const States& states) {
  io::SeededRandom random(crash.seed);
  const auto one_in = [&random](std::uint64_t count) { return count != 0 && random.below(count) == 0; };
  std::uint64_t& digest = seen_.at(crash.mark);
  const Allowed allowed{states, crash.promise.first_of(states), states.last()};
  if (allowed.first > allowed.last) return "a token was told as committed, and no commit had it";
  if (!crash.image) {
    ++counts_.seen_before;
    if (states.has(digest, allowed.first, allowed.last)) return {};
    return "it is the same as an earlier one, and holds a state that it may not hold any more";
  }
  ++counts_.images;
  const RecoveryOptions options{
      .seed = random.next(), .cache_bytes = choice_.cache_bytes, .for_writing = random.chance(50)};
  Content found;
  std::string problem = open_and_compare(*crash.image, allowed, options, found);
  digest = digest_of(found);
  if (problem.empty() && one_in(choice_.check_one_in)) {
    ++counts_.checked;
    problem = check_image(*crash.image, options);
  }
  if (problem.empty() && one_in(choice_.recover_one_in)) {
    ++counts_.recovered;
    problem = crash_in_recovery(*crash.image, found, 2, options, counts_);
  }
  if (problem.empty() && one_in(choice_.rework_one_in)) {
    ++counts_.reworked;
    problem = rework(*crash.image, found, options, counts_);
  }
  return problem;
}

}  // namespace chimera::devices::testing
