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

std::string normalise_size(std::string& text) {
  std::string wrong = normalise_size_or_zero(text);
  if (wrong.empty() && text == "0") wrong = "a size of 0 is none";
  return wrong;
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

CLI::Option* add_size_option(CLI::App& command, const std::string& name, std::uint64_t& bytes,
                             const std::string& description) {
  return command.add_option(name, bytes, description)->type_name("SIZE")->transform(CLI::Validator(normalise_size, ""));
}

CLI::Option* add_size_option(CLI::App& command, const std::string& name, std::optional<std::uint64_t>& bytes,
                             const std::string& description) {
  return command.add_option(name, bytes, description)
      ->type_name("SIZE")
      ->transform(CLI::Validator(normalise_size_or_zero, ""));
}

CLI::Option* add_time_option(CLI::App& command, const std::string& name, std::uint64_t& milliseconds,
                             const std::string& description) {
  return command.add_option(name, milliseconds, description)
      ->type_name("TIME")
      ->transform(CLI::Validator(normalise_time, ""));
}

void add_store_options(CLI::App& command, StoreOptions& options) {
  command.add_option("--io", options.loop, "How to reach the kernel: uring, posix or auto (uring if there is one)")
      ->transform(CLI::Validator(normalise_loop, ""))
      ->type_name("uring|posix|auto")
      ->group("Machine");
  add_size_option(command, "--cache", options.cache_bytes, "Memory for cached blocks (default 256M, at least 128M)")
      ->check(CLI::Validator(
          [](std::string& text) {
            const auto bytes = parse_size(text);
            const bool enough = bytes && *bytes >= limits::smallest_cache;
            return enough ? std::string() : std::string("the cache has to have at least 128M");
          },
          ""))
      ->group("Machine");
  add_size_option(command, "--memory", options.memory_bytes,
                  "Memory for devices in memory (default half of this computer's)")
      ->group("Machine");
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
}

}  // namespace chimera::cli
