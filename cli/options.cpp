#include "cli/options.h"

#include <CLI/CLI.hpp>
#include <array>
#include <charconv>
#include <utility>

#include "isa/limits.h"
#include "isa/text.h"

namespace chimera::cli {
namespace {

/// Turns `1G` into `1073741824`, or says what is wrong with it.
std::string normalise_size_or_zero(std::string& text) {
  const auto bytes = parse_size(text);
  if (!bytes) return "\"" + text + "\" is not a size: write a whole number, with K, M, G or T behind it if you like";
  text = std::to_string(*bytes);
  return {};
}

std::string refuse_zero(std::string& text) { return text == "0" ? "a size of 0 is none" : ""; }

std::string normalise_size(std::string& text) {
  const std::string wrong = normalise_size_or_zero(text);
  return wrong.empty() ? refuse_zero(text) : wrong;
}

/// Turns `5m` into `300000`, or says what is wrong with it.
std::string normalise_time(std::string& text) {
  constexpr std::array units{std::pair{"ms", 1ull}, std::pair{"s", 1000ull}, std::pair{"m", 60'000ull},
                             std::pair{"h", 3'600'000ull}};
  constexpr std::uint64_t most = 365ull * 24 * 3600 * 1000;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  for (const auto& [name, milliseconds] : units) {
    if (error != std::errc() || unit != name || number > most / milliseconds) continue;
    text = std::to_string(number * milliseconds);
    return {};
  }
  if (text == "0") return {};
  return "\"" + text + "\" is not a time: write 500ms, 10s, 5m or 2h, up to a year, or 0";
}

/// Turns a kind's name into its number, which is what an option of that type reads.
std::string normalise_loop(std::string& text) {
  constexpr std::array kinds{std::pair{"uring", io::LoopKind::uring}, std::pair{"posix", io::LoopKind::posix},
                             std::pair{"auto", io::LoopKind::automatic}};
  for (const auto& [name, kind] : kinds) {
    if (text != name) continue;
    text = std::to_string(static_cast<int>(kind));
    return {};
  }
  return "it takes uring, posix or auto, and not \"" + text + "\"";
}

}  // namespace

Option& Option::above_zero() { return check(refuse_zero); }

Option& Option::required() {
  option_->required();
  return *this;
}

Option& Option::check(Check check) {
  option_->check(CLI::Validator(std::move(check), ""));
  return *this;
}

Option& Option::rewrite(Check rewrite) {
  option_->transform(CLI::Validator(std::move(rewrite), ""));
  return *this;
}

Option& Option::excludes(const Option& other) {
  option_->excludes(other.option_);
  return *this;
}

Option& Option::needs(const Option& other) {
  option_->needs(other.option_);
  return *this;
}

Option& Option::under(const std::string& heading) {
  option_->group(heading);
  return *this;
}

Option& Option::with_default_shown() {
  option_->capture_default_str();
  return *this;
}

Option add_operand(CLI::App& command, const std::string& name, std::string& value, const std::string& help) {
  return Option(command.add_option(name, value, help)->type_name(""));
}

Option add_operand(CLI::App& command, const std::string& name, std::vector<std::string>& values,
                   const std::string& help) {
  return Option(command.add_option(name, values, help)->type_name(""));
}

Option add_option(CLI::App& command, const std::string& names, const std::string& what, std::string& value,
                  const std::string& help) {
  return Option(command.add_option(names, value, help)->type_name(what));
}

Option add_option(CLI::App& command, const std::string& names, const std::string& what,
                  std::vector<std::string>& values, const std::string& help) {
  return Option(command.add_option(names, values, help)->allow_extra_args(false)->type_name(what));
}

Option add_option(CLI::App& command, const std::string& names, const std::string& what, unsigned& value,
                  const std::string& help) {
  return Option(command.add_option(names, value, help)->type_name(what));
}

Option add_count_option(CLI::App& command, const std::string& names, std::size_t& count, std::size_t least,
                        std::size_t most, const std::string& help) {
  CLI::Option* const option = command.add_option(names, count, help);
  return Option(option->type_name("N")->check(CLI::Range(least, most).description("")));
}

Option add_flag(CLI::App& command, const std::string& names, bool& is_given, const std::string& help) {
  return Option(command.add_flag(names, is_given, help));
}

void once_read(CLI::App& command, std::function<void()> action) { command.final_callback(std::move(action)); }

void refuse_without(const std::string& what) { throw CLI::RequiredError(what); }

Option add_size_option(CLI::App& command, const std::string& name, std::uint64_t& bytes,
                       const std::string& description) {
  const bool is_operand = !name.starts_with('-');  // whose name tells what it is
  return Option(command.add_option(name, bytes, description)->type_name(is_operand ? "" : "SIZE"))
      .rewrite(normalise_size);
}

Option add_size_option(CLI::App& command, const std::string& name, std::optional<std::uint64_t>& bytes,
                       const std::string& description) {
  return Option(command.add_option(name, bytes, description)->type_name("SIZE")).rewrite(normalise_size_or_zero);
}

Option add_time_option(CLI::App& command, const std::string& name, std::uint64_t& milliseconds,
                       const std::string& description) {
  return Option(command.add_option(name, milliseconds, description)->type_name("TIME")).rewrite(normalise_time);
}

void add_store_options(CLI::App& command, StoreOptions& options) {
  command.add_option("--io", options.loop, "How to reach the kernel: uring, posix or auto (uring if there is one)")
      ->transform(CLI::Validator(normalise_loop, ""))
      ->type_name("uring|posix|auto")
      ->group("Machine");
  add_size_option(command, "--cache", options.cache_bytes, "Memory for cached blocks (default 256M, at least 128M)")
      .check([](std::string& text) {
        const auto bytes = parse_size(text);
        const bool enough = bytes && *bytes >= limits::smallest_cache;
        return enough ? std::string() : std::string("the cache has to have at least 128M");
      })
      .under("Machine");
  add_size_option(command, "--memory", options.memory_bytes,
                  "Memory for devices in memory (default half of this computer's)")
      .under("Machine");
  command
      .add_option("--attach", options.folder,
                  "The folder below which devices may be files that are served in place (kind=file,path=PATH)")
      ->type_name("DIR")
      ->check(CLI::ExistingDirectory.description(""))
      ->group("Machine");
  command
      .add_flag("--without-journal", options.without_journal,
                "Open the state of the last checkpoint, for reading only: where the journal is damaged")
      ->group("Machine");
  command
      .add_flag("--keep-space", options.keep_space,
                "Do not give the space of what is deleted back to the file system, as in a preallocated store")
      ->group("Machine");
}

}  // namespace chimera::cli
