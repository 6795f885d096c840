// ./dev simulate: crashes by the million. See README.md.

#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include "tests/simulation/every_sequence.h"
#include "tests/simulation/random_programs.h"

namespace chimera::simulation {
namespace {

using devices::testing::CrashCounts;
using Clock = std::chrono::steady_clock;

/// The sanitizers make it many times as slow.
#ifdef __SANITIZE_ADDRESS__
constexpr std::uint64_t share = 100;
#else
constexpr std::uint64_t share = 1;
#endif
constexpr auto between_reports = std::chrono::seconds(10);

constexpr std::string_view usage = R"(usage: simulate [--seed N] [--images M]
       simulate --sequences [FIRST COUNT]

Random programs from one seed after the other, until M images that crashes may leave have been opened (100000), or every
sequence of three writing instructions; on failure ends with status 1 and prints the command that replays it.
)";

struct Arguments {
  bool sequences = false;
  std::uint64_t seed = 1, images = 100'000;
  std::uint64_t first = 0, count = std::numeric_limits<std::uint64_t>::max();
};

/// What has been done, every now and then, and at the end.
class Reporter {
 public:
  explicit Reporter(const CrashCounts& counts) : counts_(counts) {}

  void now_and_then(const std::string& where) {
    if (Clock::now() - last_ < between_reports) return;
    last_ = Clock::now();
    fmt::print("{}: {} images, {:.0f} a second\n", where, counts_.images, rate());
    static_cast<void>(std::fflush(stdout));
  }
  void at_the_end(const std::string& what) {
    fmt::print(
        "{}: {} instructions, {} transactions, {} conflicts, {} states, {} checkpoints, {} boundaries\n"
        "{} images of different contents opened, recovered and compared ({} more were the same as one of them)\n"
        "of these {} checked, {} worked on, {} recovered twice; {} crashes in those\n"
        "{:.0f} images a second, {:.1f} s\n",
        what, counts_.instructions, counts_.transactions, counts_.conflicts, counts_.states, counts_.checkpoints,
        counts_.boundaries, counts_.images, counts_.seen_before, counts_.checked, counts_.reworked, counts_.recovered,
        counts_.second_images, rate(), seconds());
  }

 private:
  [[nodiscard]] double seconds() const { return std::chrono::duration<double>(Clock::now() - begin_).count(); }
  [[nodiscard]] double rate() const { return static_cast<double>(counts_.images) / seconds(); }

  const CrashCounts& counts_;
  Clock::time_point begin_ = Clock::now();
  Clock::time_point last_ = begin_;
};

/// What to say if the program is ended by an assertion: the command that leads there again.
class Replay {
 public:
  Replay() {
    for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE}) std::signal(signal, die);
  }
  static void set(std::string command) { text = "replay it with " + std::move(command) + "\n0 passed, 1 failed\n"; }
  static void print() { fmt::print("{}", text); }

 private:
  static void die(int signal) {
    std::signal(signal, SIG_DFL);
    static_cast<void>(!write(STDOUT_FILENO, text.data(), text.size()));
    raise(signal);
  }
  static inline std::string text;
};

std::string run_random(const Arguments& arguments, CrashCounts& counts) {
  Reporter reporter(counts);
  std::uint64_t seed = arguments.seed;
  const std::uint64_t images = (arguments.images + share - 1) / share;
  for (; counts.images < images; ++seed) {
    Replay::set(fmt::format("./dev simulate --seed {} --images 1", seed));
    const std::string problem = run_crash_programs(seed, programs_of(seed), counts);
    if (!problem.empty()) return fmt::format("seed {}: {}", seed, problem);
    reporter.now_and_then(fmt::format("seed {}", seed));
  }
  reporter.at_the_end(fmt::format("seeds {} to {}", arguments.seed, seed - 1));
  return {};
}

std::string run_every_sequence(const Arguments& arguments, CrashCounts& counts) {
  Reporter reporter(counts);
  const std::uint64_t last = arguments.first + std::min(sequence_count() - arguments.first, arguments.count);
  const std::uint64_t step = arguments.count == 1 ? 1 : share;
  std::uint64_t present = arguments.first;
  const auto before = [&](std::uint64_t number) {
    present = number;
    Replay::set(fmt::format("./dev simulate --sequences {} 1", number));
    reporter.now_and_then(fmt::format("sequence {}", number));
  };
  const std::string problem = run_sequences(arguments.first, last, step, before, counts);
  if (!problem.empty()) return fmt::format("sequence {}, {}: {}", present, sequence_in_words(present), problem);
  reporter.at_the_end(fmt::format("{} sequences", (last - arguments.first + step - 1) / step));
  return {};
}

std::optional<std::uint64_t> number_in(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<Arguments> parse(std::span<char*> words) {
  Arguments arguments;
  const auto take = [&](std::uint64_t& to) {
    if (words.empty()) return false;
    const auto number = number_in(words.front());
    words = words.subspan(1);
    to = number.value_or(0);
    return number.has_value();
  };
  while (!words.empty()) {
    const std::string_view word = words.front();
    words = words.subspan(1);
    bool good = false;
    if (word == "--seed") good = take(arguments.seed);
    if (word == "--images") good = take(arguments.images);
    if (word == "--sequences") {
      arguments.sequences = true;
      good = words.empty() || (take(arguments.first) && take(arguments.count) && arguments.first < sequence_count());
    }
    if (!good) return std::nullopt;
  }
  return arguments;
}

int run(const Arguments& arguments) {
  const Replay replay;
  CrashCounts counts;
  std::string problem;
  try {
    problem = arguments.sequences ? run_every_sequence(arguments, counts) : run_random(arguments, counts);
  } catch (const std::exception& broken) {
    problem = broken.what();
  }
  if (problem.empty()) {
    fmt::print("1 passed, 0 failed\n");
    return 0;
  }
  fmt::print("{}\n", problem);
  Replay::print();
  return 1;
}

}  // namespace
}  // namespace chimera::simulation

int main(int count, char** words) {
  // Stores come and go: their memory stays with the program.
  mallopt(M_MMAP_THRESHOLD, 64 << 20);
  mallopt(M_TRIM_THRESHOLD, 256 << 20);
  // What REQUIRE finds in the shared parts of the tests.
  doctest::Context context;
  context.setAsDefaultForAssertsOutOfTestCases();
  context.setAssertHandler([](const doctest::AssertData& data) {
    throw std::runtime_error(
        fmt::format("{}:{}: {} ({})", data.m_file, data.m_line, data.m_expr, data.m_decomp.c_str()));
  });
  const auto arguments = chimera::simulation::parse(std::span(words, static_cast<std::size_t>(count)).subspan(1));
  if (!arguments) {
    fmt::print(stderr, "{}", chimera::simulation::usage);
    return 2;
  }
  return chimera::simulation::run(*arguments);
}
