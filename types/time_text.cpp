// Datetimes and durations as text.

#include <fmt/format.h>
#include <algorithm>
#include <array>
#include <chrono>
#include <limits>

#include "types/scalar_text.h"

namespace chimera::types {
namespace {

constexpr std::int64_t second = 1'000'000'000;

/// Appends nanoseconds behind a point, without trailing zeros; nothing for none.
void append_fraction(std::string& to, std::uint64_t nanoseconds) {
  if (nanoseconds == 0) return;
  fmt::format_to(std::back_inserter(to), ".{:09}", nanoseconds);
  while (to.back() == '0') to.pop_back();
}

bool in_range(I128 value) {
  return value >= std::numeric_limits<std::int64_t>::min() && value <= std::numeric_limits<std::int64_t>::max();
}

/// Takes pieces off the front of a text.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_{text} {}

  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  [[nodiscard]] bool at_digit() const { return !rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9'; }

  bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool take_one_of(std::string_view characters) {
    if (rest_.empty() || characters.find(rest_.front()) == std::string_view::npos) return false;
    rest_.remove_prefix(1);
    return true;
  }
  /// Exactly that many digits.
  std::optional<int> number(std::size_t digits) {
    if (rest_.size() < digits) return std::nullopt;
    int value = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      if (rest_[i] < '0' || rest_[i] > '9') return std::nullopt;
      value = value * 10 + (rest_[i] - '0');
    }
    rest_.remove_prefix(digits);
    return value;
  }
  /// 1 to 9 digits behind a point, as billionths.
  std::optional<std::int64_t> fraction() {
    std::int64_t value = 0;
    std::size_t digits = 0;
    for (; at_digit(); ++digits) {
      if (digits == 9) return std::nullopt;
      value = value * 10 + (rest_.front() - '0');
      rest_.remove_prefix(1);
    }
    if (digits == 0) return std::nullopt;
    for (; digits < 9; ++digits) value *= 10;
    return value;
  }
  /// A whole number of at most 20 digits.
  std::optional<I128> whole() {
    I128 value = 0;
    std::size_t digits = 0;
    for (; at_digit(); ++digits) {
      if (digits == 20) return std::nullopt;
      value = value * 10 + (rest_.front() - '0');
      rest_.remove_prefix(1);
    }
    if (digits == 0) return std::nullopt;
    return value;
  }
  std::string_view letters() {
    const std::size_t end = std::min(rest_.find_first_of("0123456789."), rest_.size());
    const std::string_view word = rest_.substr(0, end);
    rest_.remove_prefix(end);
    return word;
  }

 private:
  std::string_view rest_;
};

/// Minutes east of UTC; nothing where the text is no zone.
std::optional<int> take_zone(Scanner& scanner) {
  if (scanner.at_end() || scanner.take_one_of("Zz")) return 0;
  const bool east = scanner.take('+');
  if (!east && !scanner.take('-')) return std::nullopt;
  const auto hours = scanner.number(2);
  scanner.take(':');
  const auto minutes = scanner.at_end() ? std::optional{0} : scanner.number(2);
  if (!hours || !minutes || *hours > 23 || *minutes > 59) return std::nullopt;
  const int offset = *hours * 60 + *minutes;
  return east ? offset : -offset;
}

/// Nanoseconds since midnight UTC, which may lie on another day; nothing where the text is no time.
std::optional<I128> take_time(Scanner& scanner) {
  const auto hour = scanner.number(2);
  if (!hour || !scanner.take(':')) return std::nullopt;
  const auto minute = scanner.number(2);
  std::optional<int> seconds = 0;
  std::optional<std::int64_t> fraction = 0;
  if (scanner.take(':')) {
    seconds = scanner.number(2);
    if (scanner.take('.')) fraction = scanner.fraction();
  }
  if (!minute || !seconds || !fraction || *hour > 23 || *minute > 59 || *seconds > 59) return std::nullopt;
  const auto zone = take_zone(scanner);
  if (!zone) return std::nullopt;
  return I128{(*hour * 60 + *minute - *zone) * 60 + *seconds} * second + *fraction;
}

struct Unit {
  std::string_view name;
  std::int64_t nanoseconds;
};
constexpr std::array<Unit, 7> units{{{"d", 86400 * second},
                                     {"h", 3600 * second},
                                     {"m", 60 * second},
                                     {"s", second},
                                     {"ms", 1'000'000},
                                     {"us", 1'000},
                                     {"ns", 1}}};

/// One number with its unit, in nanoseconds; nothing where there is none or it has parts of a nanosecond.
std::optional<I128> take_amount(Scanner& scanner) {
  const auto whole = scanner.whole();
  std::optional<std::int64_t> fraction = 0;
  if (scanner.take('.')) fraction = scanner.fraction();
  if (!whole || !fraction) return std::nullopt;
  const auto unit = std::ranges::find(units, scanner.letters(), &Unit::name);
  if (unit == units.end()) return std::nullopt;
  const I128 part = I128{*fraction} * unit->nanoseconds;
  if (part % second != 0) return std::nullopt;
  return *whole * unit->nanoseconds + part / second;
}

}  // namespace

void append_datetime(std::string& to, std::int64_t nanoseconds) {
  using namespace std::chrono;
  std::int64_t seconds = nanoseconds / second;
  std::int64_t fraction = nanoseconds % second;
  if (fraction < 0) {
    fraction += second;
    --seconds;
  }
  const sys_seconds moment{std::chrono::seconds{seconds}};
  const sys_days day = floor<days>(moment);
  const year_month_day date{day};
  const hh_mm_ss time{moment - day};
  fmt::format_to(std::back_inserter(to), "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", int{date.year()},
                 unsigned{date.month()}, unsigned{date.day()}, time.hours().count(), time.minutes().count(),
                 time.seconds().count());
  append_fraction(to, static_cast<std::uint64_t>(fraction));
  to += 'Z';
}

Result<std::int64_t> parse_datetime(std::string_view text) {
  using namespace std::chrono;
  const auto no_datetime = [text] {
    return bad(fmt::format("{} is no datetime, as 2024-05-01T12:34:56.5Z is one", cited(text)));
  };
  Scanner scanner{text};
  const auto year = scanner.number(4);
  if (!year || !scanner.take('-')) return no_datetime();
  const auto month = scanner.number(2);
  if (!month || !scanner.take('-')) return no_datetime();
  const auto day = scanner.number(2);
  if (!day) return no_datetime();
  const year_month_day date{std::chrono::year{*year}, std::chrono::month{static_cast<unsigned>(*month)},
                            std::chrono::day{static_cast<unsigned>(*day)}};
  if (!date.ok()) return bad(fmt::format("{} is a day that no calendar has", cited(text)));
  I128 nanoseconds = I128{sys_days{date}.time_since_epoch().count()} * 86400 * second;
  if (!scanner.at_end()) {
    if (!scanner.take_one_of("Tt ")) return no_datetime();
    const auto time = take_time(scanner);
    if (!time || !scanner.at_end()) return no_datetime();
    nanoseconds += *time;
  }
  if (!in_range(nanoseconds)) {
    return bad(fmt::format(
        "{} does not fit datetime (1677-09-21T00:12:43.145224192Z to 2262-04-11T23:47:16.854775807Z)", cited(text)));
  }
  return static_cast<std::int64_t>(nanoseconds);
}

void append_duration(std::string& to, std::int64_t nanoseconds) {
  if (nanoseconds < 0) to += '-';
  auto rest = static_cast<std::uint64_t>(nanoseconds);
  if (nanoseconds < 0) rest = ~rest + 1;
  const std::uint64_t hours = rest / (3600 * second);
  const std::uint64_t minutes = rest / (60 * second) % 60;
  rest %= 60 * second;
  if (hours != 0) fmt::format_to(std::back_inserter(to), "{}h", hours);
  if (minutes != 0) fmt::format_to(std::back_inserter(to), "{}m", minutes);
  if (rest == 0 && (hours != 0 || minutes != 0)) return;
  fmt::format_to(std::back_inserter(to), "{}", rest / second);
  append_fraction(to, rest % second);
  to += 's';
}

Result<std::int64_t> parse_duration(std::string_view text) {
  Scanner scanner{text};
  const bool negative = scanner.take('-');
  I128 total = 0;
  do {
    const auto amount = take_amount(scanner);
    if (!amount) {
      return bad(
          fmt::format("{} is no duration, as 1h2m3.5s is one: numbers with d, h, m, s, ms, us or ns", cited(text)));
    }
    total += *amount;
    if (!in_range(total) && total > I128{std::numeric_limits<std::int64_t>::max()} + 1) break;
  } while (!scanner.at_end());
  if (negative) total = -total;
  if (!in_range(total)) {
    return bad(fmt::format("{} does not fit duration (292 years either way)", cited(text)));
  }
  return static_cast<std::int64_t>(total);
}

}  // namespace chimera::types
