#include "cli/top_screen.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "cli/terminal.h"

namespace chimera::cli {
namespace {

/// Lines are made of plain text, so that their width can be told, and painted at last.
class Screen {
 public:
  explicit Screen(const TopView& view) : view_(view) {}

  [[nodiscard]] double rate(const std::string& name) const {
    return view_.seconds > 0 ? std::max(0.0, view_.now.number(name) - view_.before.number(name)) / view_.seconds : 0;
  }
  [[nodiscard]] Durations passed(const std::string& name) const {
    return view_.now.durations_of(name).since(view_.before.durations_of(name));
  }
  [[nodiscard]] double number(const std::string& name) const { return view_.now.number(name); }

  void line(const std::string& text, Colour colour = Colour::none) {
    lines_.push_back(paint(cut_to_width(text, view_.columns), colour, view_.colours));
  }
  /// A caption, and what it is about.
  void fact(std::string_view caption, const std::string& text, Colour colour = Colour::none) {
    constexpr std::size_t caption_width = 13;
    if (view_.columns <= caption_width) return line(std::string(caption));
    const std::size_t room = view_.columns - caption_width;
    lines_.push_back(
        paint(cut_to_width(pad_to_width(caption, caption_width), view_.columns), Colour::grey, view_.colours) +
        paint(cut_to_width(text, room), colour, view_.colours));
  }
  void heading(const std::string& text) {
    lines_.emplace_back();
    line(text, Colour::bold);
  }
  std::vector<std::string> take() { return std::move(lines_); }
  [[nodiscard]] const TopView& view() const { return view_; }

 private:
  const TopView& view_;
  std::vector<std::string> lines_;
};

std::string bytes_a_second(double rate) { return human_size(static_cast<std::uint64_t>(rate)) + "/s"; }
std::string a_second(double rate) { return human_count(rate) + "/s"; }

/// `part` of a bar of this many columns.
std::string bar(double part, std::size_t columns) {
  const auto full = static_cast<std::size_t>(std::clamp(part, 0.0, 1.0) * static_cast<double>(columns) + 0.5);
  std::string text;
  for (std::size_t n = 0; n < columns; ++n) text += n < full ? "█" : "░";
  return text;
}

/// Short where lines are, so that what stands behind it is seen.
std::string gauge(const Screen& screen, double part) {
  constexpr std::size_t wide = 100;
  return fmt::format("{} {:3.0f} %   ", bar(part, screen.view().columns < wide ? 10 : 20), part * 100);
}

double part_of(double part, double whole) { return whole > 0 ? part / whole : 0; }

void put_head(Screen& screen) {
  const TopView& view = screen.view();
  const double load = screen.rate("processor_seconds_total") * 100;
  const std::string left = fmt::format("chimera top  {}", view.address);
  const std::string right = fmt::format("up {}  processor {:.0f} %", human_time(screen.number("uptime_seconds")), load);
  const std::size_t used = display_width(left) + display_width(right);
  screen.line(left + std::string(view.columns > used ? view.columns - used : 1, ' ') + right, Colour::bold);
  if (screen.number("store_failed") != 0) {
    screen.line(
        "FAILED: " + view.now.description.value("failure", "nothing is written until the store is opened again"),
        Colour::red);
  }
}

void put_clients(Screen& screen) {
  screen.fact("connections", fmt::format("{:.0f} instructions, {:.0f} NBD     sessions {:.0f}     transactions {:.0f}",
                                         screen.number("connections{instructions}"), screen.number("connections{nbd}"),
                                         screen.number("sessions"), screen.number("open_transactions")));
  screen.fact("traffic", fmt::format("in {}   out {}", bytes_a_second(screen.rate("instruction_bytes_total")),
                                     bytes_a_second(screen.rate("answer_bytes_total"))));
}

void put_store(Screen& screen) {
  const double size = screen.number("store_size_bytes");
  const double used = screen.number("store_used_bytes");
  const auto human = [](double bytes) { return human_size(static_cast<std::uint64_t>(bytes)); };
  const double full = part_of(used, size);
  screen.fact("store",
              gauge(screen, full) + fmt::format("{} of {}, {} free, {:.0f} device{}", human(used), human(size),
                                                human(screen.number("store_free_bytes")), screen.number("devices"),
                                                screen.number("devices") == 1 ? "" : "s"),
              full > 0.95 ? Colour::red : Colour::none);
  if (!screen.view().now.has("cache_size_bytes")) return;
  const double found = screen.rate("cache_found_total");
  const double misses = screen.rate("cache_misses_total");
  const double cache = screen.number("cache_size_bytes");
  const double dirty = part_of(screen.number("cache_dirty_bytes"), cache);
  const std::string hits = found > 0 ? fmt::format("{:5.1f} %", std::max(0.0, 1 - misses / found) * 100) : "    -  ";
  screen.fact("cache", gauge(screen, dirty) +
                           fmt::format("dirty of {}, hits {}, {} read", human(cache), hits, a_second(misses)));
  if (!screen.view().now.has("journal_size_bytes")) return;
  const double ring = part_of(screen.number("journal_used_bytes"), screen.number("journal_size_bytes"));
  screen.fact("journal",
              gauge(screen, ring) + fmt::format("of {}, {} records", human(screen.number("journal_size_bytes")),
                                                a_second(screen.rate("journal_last_record"))));
}

void put_checkpoints(Screen& screen) {
  if (!screen.view().now.has("checkpoint_age_seconds")) return;
  const Durations all = screen.view().now.durations_of("checkpoint_seconds");
  const std::string age = human_time(screen.number("checkpoint_age_seconds"));
  const double count = screen.number("checkpoints_total");
  if (count == 0) return screen.fact("checkpoint", "none in " + age);
  std::string text = fmt::format("{} ago, {} since the start", age, human_count(count));
  if (all.count > 0) text += fmt::format(", half of them within {}", human_time(all.quantile(0.5)));
  screen.fact("checkpoint", text);
}

void put_durations(Screen& screen) {
  screen.heading(
      fmt::format("{:<20}{:>10}{:>12}{:>12}{:>12}{:>12}", "LATENCY", "per s", "half", "99 %", "99.9 %", "moved"));
  const double seconds = screen.view().seconds;
  for (const auto& [caption, name, bytes] :
       {std::tuple{"flush, commit", "flush_seconds", ""}, std::tuple{"waiting writes", "wait_seconds{write}", ""},
        std::tuple{"waiting others", "wait_seconds{other}", ""},
        std::tuple{"disk reads", "disk_seconds{read}", "disk_bytes_total{read}"},
        std::tuple{"disk writes", "disk_seconds{write}", "disk_bytes_total{write}"},
        std::tuple{"disk flushes", "disk_seconds{flush}", ""},
        std::tuple{"NBD reads", "nbd_seconds{read}", "nbd_bytes_total{read}"},
        std::tuple{"NBD writes", "nbd_seconds{write}", "nbd_bytes_total{write}"},
        std::tuple{"NBD flushes", "nbd_seconds{flush}", ""}, std::tuple{"NBD others", "nbd_seconds{other}", ""}}) {
    if (!screen.view().now.durations.contains(name)) continue;
    // Where nobody speaks NBD its lines would only take the place of others.
    if (std::string_view(name).starts_with("nbd_") && screen.view().now.durations_of(name).count == 0) continue;
    const Durations durations = screen.passed(name);
    const auto within = [&](double part) { return durations.count > 0 ? human_time(durations.quantile(part)) : "-"; };
    const std::string moved = *bytes == '\0' ? "" : bytes_a_second(screen.rate(bytes));
    const double rate = seconds > 0 ? durations.count / seconds : 0;
    screen.line(fmt::format("{:<20}{:>10}{:>12}{:>12}{:>12}{:>12}", caption, human_count(rate), within(0.5),
                            within(0.99), within(0.999), moved),
                durations.count > 0 ? Colour::none : Colour::grey);
  }
}

/// Those that most is done to now.
void put_devices(Screen& screen) {
  constexpr std::size_t most = 4;
  struct Line {
    double bytes;
    std::string name;
  };
  std::vector<Line> lines;
  const auto rate_of = [&](std::string_view figure, const std::string& name) {
    return screen.rate(fmt::format("device_{}_total{{{}}}", figure, name));
  };
  for (const auto& [name, total] : screen.view().now.labelled("device_reads_total")) {
    // One that is new in the figures, or has another name now, brings its past with it.
    if (!screen.view().before.has(fmt::format("device_reads_total{{{}}}", name))) continue;
    const double bytes = rate_of("read_bytes", name) + rate_of("written_bytes", name);
    if (bytes > 0) lines.push_back({bytes, name});
  }
  if (lines.empty()) return;
  std::ranges::stable_sort(lines, std::ranges::greater(), &Line::bytes);
  screen.heading(fmt::format("{:<20}{:>10}{:>12}{:>12}{:>12}", "DEVICES", "reads", "read", "writes", "written"));
  if (lines.size() > most) lines.resize(most);
  for (const Line& line : lines) {
    screen.line(fmt::format("{}{:>10}{:>12}{:>12}{:>12}", pad_to_width(cut_to_width(line.name, 19), 20),
                            a_second(rate_of("reads", line.name)), bytes_a_second(rate_of("read_bytes", line.name)),
                            a_second(rate_of("writes", line.name)),
                            bytes_a_second(rate_of("written_bytes", line.name))));
  }
}

/// Those that happen most, in as many columns as there is room for.
void put_rates(Screen& screen, const std::string& heading, const std::string& name) {
  std::vector<std::pair<double, std::string>> rates;
  for (const auto& [label, total] : screen.view().now.labelled(name)) {
    if (total > 0) rates.emplace_back(screen.rate(name + "{" + label + "}"), label);
  }
  if (rates.empty()) return;
  std::ranges::stable_sort(rates, [](const auto& a, const auto& b) { return a.first > b.first; });
  constexpr std::size_t cell = 38;
  const std::size_t columns = std::max<std::size_t>(1, (screen.view().columns + 2) / (cell + 2));
  std::string head;
  for (std::size_t n = 0; n < std::min(columns, rates.size()); ++n) {
    head += fmt::format("{:<18}{:>10}{:>10}  ", n == 0 ? heading : "", "per s", "in all");
  }
  screen.heading(head);
  const std::size_t rows = (rates.size() + columns - 1) / columns;
  for (std::size_t row = 0; row < rows; ++row) {
    std::string line;
    for (std::size_t n = row; n < rates.size(); n += rows) {
      const auto& [rate, label] = rates[n];
      const double total = screen.number(name + "{" + label + "}");
      line += fmt::format("{}{:>10}{:>10}  ", pad_to_width(cut_to_width(label, 18), 18), human_count(rate),
                          human_count(total));
    }
    line.resize(line.find_last_not_of(' ') + 1);
    screen.line(line);
  }
}

}  // namespace

std::vector<std::string> top_lines(const TopView& view) {
  Screen screen(view);
  put_head(screen);
  put_clients(screen);
  put_store(screen);
  put_checkpoints(screen);
  put_devices(screen);
  put_durations(screen);
  put_rates(screen, "INSTRUCTIONS", "instructions_total");
  put_rates(screen, "NBD REQUESTS", "nbd_requests_total");
  put_rates(screen, "FAILURES", "failures_total");
  return screen.take();
}

}  // namespace chimera::cli
