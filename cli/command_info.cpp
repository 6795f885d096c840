// chimera info and chimera devices: what a store holds.

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/device_list.h"
#include "cli/endpoint.h"
#include "cli/render.h"
#include "cli/terminal.h"
#include "isa/builder.h"

namespace chimera::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string target;
  StoreOptions store{.read_only = true};
  bool json = false;
};

/// "1,234,567 (1.2M)", a word, or yes and no.
std::string value_text(const Json& value) {
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_number_unsigned()) return value.dump();
  const auto number = value.get<std::uint64_t>();
  return number < 10'000 ? std::to_string(number) : fmt::format("{} ({})", grouped(number), human_size(number));
}

/// A line a value; those of an object within stand behind its name.
void print_values(const Json& object, const std::string& prefix) {
  constexpr std::size_t name_width = 32;
  for (const auto& [key, value] : object.items()) {
    std::string name = prefix + key;
    std::ranges::replace(name, '_', ' ');
    if (value.is_null()) continue;
    if (value.is_object()) {
      print_values(value, name + " ");
    } else {
      fmt::print("{}{}\n", pad_to_width(name, name_width), value_text(value));
    }
  }
}

std::expected<Json, std::string> ask_info(Endpoint& endpoint) {
  Program program;
  program.hello();
  auto answer = endpoint.ask(program.bytes());
  if (!answer) return std::unexpected(answer.error());
  const Greeting greeting = greeting_of(*answer);
  Json info{{"version", fmt::format("{}.{}.{}", greeting.major, greeting.minor, greeting.patch)}};
  program.clear();
  program.describe_store();
  answer = endpoint.ask(program.bytes());
  if (!answer) return std::unexpected(answer.error());
  const auto description = Json::parse(text_of(*answer), nullptr, /*allow_exceptions=*/false);
  if (!description.is_object()) return std::unexpected("The description of the store is not a JSON object.");
  info.update(description);
  return info;
}

int run_info(const Options& options) {
  const auto endpoint = open_endpoint(options.target, options.store);
  if (!endpoint) return fail(endpoint.error());
  const auto info = ask_info(**endpoint);
  if (!info) return fail(info.error());
  if (options.json) {
    fmt::print("{}\n", info->dump(2));
  } else {
    print_values(*info, "");
  }
  const auto closed = (*endpoint)->close();
  return closed ? exit_done : fail(closed.error());
}

void print_device(const Json& device, std::size_t name_width) {
  std::string flags;
  if (device.value("read_only", false)) flags += " read-only";
  if (device.value("fixed_length", false)) flags += " fixed";
  if (device.value("kind", "pool") != "pool") flags += " " + device.value("kind", "");
  fmt::print("{}  {:>26}  {}{}\n", pad_to_width(quote(device.value("name", "")), name_width),
             grouped(device.value("length", std::uint64_t{0})), device.value("uuid", ""), flags);
}

void print_devices(const std::vector<Json>& devices) {
  std::size_t name_width = 8;
  for (const Json& device : devices) name_width = std::max(name_width, display_width(quote(device.value("name", ""))));
  name_width = std::min<std::size_t>(name_width, 40);
  const std::string header = fmt::format("{}  {:>26}  UUID", pad_to_width("NAME", name_width), "LENGTH");
  fmt::print("{}\n", paint(header, Colour::bold, takes_colours(STDOUT_FILENO)));
  for (const Json& device : devices) print_device(device, name_width);
}

int run_devices(const Options& options) {
  const auto endpoint = open_endpoint(options.target, options.store);
  if (!endpoint) return fail(endpoint.error());
  const auto described = describe_devices(**endpoint);
  if (!described) return fail(described.error());
  std::vector<Json> devices;
  for (const DescribedDevice& device : *described) {
    Json json = Json::parse(device.json, nullptr, /*allow_exceptions=*/false);
    if (json.is_object()) devices.push_back(std::move(json));
  }
  if (options.json) {
    fmt::print("{}\n", Json(devices).dump(2));
  } else {
    print_devices(devices);
  }
  const auto closed = (*endpoint)->close();
  return closed ? exit_done : fail(closed.error());
}

void add_options(CLI::App& command, Options& options) {
  command.add_option("STORE|ADDRESS", options.target, "A store, or a running server")->type_name("")->required();
  command.add_flag("--json", options.json, "Print as JSON");
  add_store_options(command, options.store);
}

}  // namespace

Command make_info_command(CLI::App& program) {
  CLI::App& command = add_command(program, "info", "Describe a store",
                                  "  chimera info store.img\n"
                                  "  chimera info unix:chimera.socket --json");
  auto options = std::make_shared<Options>();
  add_options(command, *options);
  return {&command, [options] { return run_info(*options); }};
}

Command make_devices_command(CLI::App& program) {
  CLI::App& command = add_command(program, "devices", "List the devices of a store",
                                  "  chimera devices store.img\n"
                                  "  chimera devices tcp:localhost:4096 --json");
  auto options = std::make_shared<Options>();
  add_options(command, *options);
  return {&command, [options] { return run_devices(*options); }};
}

}  // namespace chimera::cli
