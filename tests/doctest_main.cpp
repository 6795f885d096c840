#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>

namespace {

/// On a slow computer under the sanitizers. tests/run.py ends a whole program later than that.
constexpr unsigned longest_case_s = 1800;

std::array<char, 400> words{};

/// Names a test case that hangs and ends the program: nothing else would say which it was.
void give_up(int number) {
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, words.data(), std::strlen(words.data()));
  std::signal(number, SIG_DFL);
  ::raise(number);
}

struct Bound final : doctest::IReporter {
  explicit Bound(const doctest::ContextOptions&) {}

  void test_case_start(const doctest::TestCaseData& begun) override {
    words.fill('\0');
    std::strncat(words.data(), "\nThis test case does not end: ", words.size() - 1);
    std::strncat(words.data(), begun.m_name, words.size() - 2 - std::strlen(words.data()));
    std::strncat(words.data(), "\n", words.size() - 1 - std::strlen(words.data()));
    std::signal(SIGALRM, give_up);
    ::alarm(longest_case_s);
  }
  void test_case_end(const doctest::CurrentTestCaseStats&) override { ::alarm(0); }

  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats&) override {}
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}
};

}  // namespace

DOCTEST_REGISTER_LISTENER("bound", 1, Bound);
