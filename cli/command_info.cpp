// chimera info and chimera devices: what a store holds.

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/ask.h"
#include "cli/commands.h"
#include "cli/device_list.h"
#include "cli/endpoint.h"
#include "cli/render.h"
#include "cli/terminal.h"
#include "isa/builder.h"
#include "isa/bytes.h"

namespace chimera::cli {
namespace {

using Json = nlohmann::ordered_json;

struct InfoOptions {
  std::string target;
  StoreOptions store{.read_only = true};
  bool json = false;
  bool data = false;  ///< tell how much of each device is no hole
};

/// The values that are sizes; every other number is a count.
bool is_size(std::string_view key) {
  constexpr std::array sizes{"size", "used", "free", "kept_back", "given_back", "dirty"};
  return std::ranges::find(sizes, key) != sizes.end();
}

/// "1,234,567 (1.2M)" for a size, "1,234,567" for a count, a word, or yes and no.
std::string value_text(std::string_view key, const Json& value) {
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_number_unsigned()) return value.dump();
  const auto number = value.get<std::uint64_t>();
  return is_size(key) ? fmt::format("{} ({})", grouped(number), human_size(number)) : grouped(number);
}

/// What a value is called, `prefix` being that of the object that it stands in.
std::string value_name(const std::string& prefix, const std::string& key) {
  if (key == "being_freed") return "devices being freed";
  if (prefix == "journal " && key == "last") return "last record of the journal";
  if (prefix == "journal " && key == "durable") return "records are durable up to";
  std::string name = prefix + key;
  std::ranges::replace(name, '_', ' ');
  return name;
}

/// A line a value; those of an object within stand behind its name.
void print_values(const Json& object, const std::string& prefix) {
  constexpr std::size_t name_width = 32;
  for (const auto& [key, value] : object.items()) {
    const std::string name = value_name(prefix, key);
    if (value.is_null()) {
      if (key == "journal") fmt::print("{}none\n", pad_to_width(name, name_width));
    } else if (value.is_object()) {
      print_values(value, name + " ");
    } else {
      fmt::print("{}{}\n", pad_to_width(name, name_width), value_text(key, value));
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
  info.erase("stats");  // `chimera stats` has them
  return info;
}

int run_info(const InfoOptions& options) {
  const auto endpoint = open_endpoint(options.target, options.store);
  if (!endpoint) return fail(endpoint.error());
  const auto info = ask_info(**endpoint);
  if (!info) return fail(info.error());
  if (options.json) {
    fmt::print("{}\n", to_text(*info, 2));
  } else {
    print_values(*info, "");
  }
  const auto closed = (*endpoint)->close();
  return closed ? exit_done : fail(closed.error());
}

/// Columns as wide as what stands in them; those of numbers, behind the first, to the right.
void print_table(const std::vector<std::vector<std::string>>& rows, std::size_t numbers) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const auto& row : rows) {
    for (std::size_t n = 0; n < row.size(); ++n) widths[n] = std::max(widths[n], display_width(row[n]));
  }
  for (const auto& row : rows) {
    std::string line = pad_to_width(row[0], widths[0]);
    for (std::size_t n = 1; n < row.size(); ++n) {
      const std::string blanks(widths[n] - display_width(row[n]), ' ');
      line += "  " + (n <= numbers ? blanks + row[n] : row[n] + blanks);
    }
    line.resize(line.find_last_not_of(' ') + 1);
    const bool is_header = &row == &rows.front();
    fmt::print("{}\n", paint(line, is_header ? Colour::bold : Colour::none, takes_colours(STDOUT_FILENO)));
  }
}

/// `has_folder`: files have been looked for.
void print_devices(const std::vector<Json>& devices, bool with_data, bool has_folder) {
  std::vector<std::vector<std::string>> rows{{"NAME", "LENGTH", "UUID", "KIND", "FLAGS"}};
  if (with_data) rows.front().insert(rows.front().begin() + 2, "DATA");
  for (const Json& device : devices) {
    std::string flags;
    if (device.value("fixed_length", false)) flags = "fixed";
    if (device.value("read_only", false)) flags += flags.empty() ? "read-only" : ", read-only";
    if (!device.value("attached", true)) {
      if (!flags.empty()) flags += ", ";
      flags += has_folder ? "missing" : "not attached";
    }
    std::vector<std::string> row{quote(device.value("name", "")), grouped(device.value("length", std::uint64_t{0})),
                                 device.value("uuid", ""), device.value("kind", ""), flags};
    if (with_data) {
      row.insert(row.begin() + 2, device.contains("data") ? grouped(device.value("data", std::uint64_t{0})) : "-");
    }
    rows.push_back(std::move(row));
  }
  print_table(rows, with_data ? 2 : 1);
}

/// A file is opened when its bytes are first needed: whether that can be done shows only then, and so does its length.
void look_at_file(Endpoint& endpoint, const Uuid& device, Json& json) {
  const auto length = ask_all(endpoint, Program().read_length(device));
  json["attached"] = length.has_value();
  if (length) json["length"] = load<std::uint64_t>(length->front().data());
}

/// Of one whose file is missing, or whose map cannot be read, nothing is told; the others are. An error means that the
/// other side has gone away.
std::expected<void, std::string> add_data(Endpoint& endpoint, const Uuid& device, Json& json) {
  if (!json.value("attached", true)) return {};
  const auto data = count_data(endpoint, device, json.value("length", std::uint64_t{0}));
  if (data) {
    json["data"] = *data;
  } else {
    fmt::print(stderr, "chimera: {}: {}\n", quote(json.value("name", "")), data.error());
  }
  endpoint.send_all(Program().close_device(device).bytes());
  if (auto closed = endpoint.receive(); !closed) return std::unexpected(closed.error());
  return {};
}

std::expected<std::vector<Json>, std::string> look_at_devices(Endpoint& endpoint, bool with_data) {
  const auto described = describe_devices(endpoint);
  if (!described) return std::unexpected(described.error());
  std::vector<Json> devices;
  for (const DescribedDevice& device : *described) {
    Json json = Json::parse(device.json, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) continue;
    if (!json.value("attached", true)) look_at_file(endpoint, device.device.uuid, json);
    if (with_data) {
      if (auto added = add_data(endpoint, device.device.uuid, json); !added) return std::unexpected(added.error());
    }
    devices.push_back(std::move(json));
  }
  return devices;
}

int run_devices(const InfoOptions& options) {
  const auto endpoint = open_endpoint(options.target, options.store);
  if (!endpoint) return fail(endpoint.error());
  const auto devices = look_at_devices(**endpoint, options.data);
  if (!devices) return fail(devices.error());
  if (options.json) {
    fmt::print("{}\n", to_text(Json(*devices), 2));
  } else {
    print_devices(*devices, options.data, is_address(options.target) || !options.store.folder.empty());
  }
  const auto closed = (*endpoint)->close();
  return closed ? exit_done : fail(closed.error());
}

void add_options(CLI::App& command, InfoOptions& options, const std::string& json_help) {
  add_operand(command, "STORE|ADDRESS", options.target, "A store, or a running server").required();
  add_flag(command, "--json", options.json, json_help);
  add_store_options(command, options.store);
}

}  // namespace

Command make_info_command(CLI::App& program) {
  CLI::App& command = add_command(program, "info", "Describe a store",
                                  "  chimera info store.img\n"
                                  "  chimera info unix:chimera.socket --json\n"
                                  "\nsize = used + free + kept back. What is kept back is no user's: checkpoints and\n"
                                  "deletes need it to go on in a full store.");
  auto options = std::make_shared<InfoOptions>();
  add_options(command, *options, "Print one JSON object; sizes are bytes");
  return {&command, [options] { return run_info(*options); }};
}

Command make_devices_command(CLI::App& program) {
  CLI::App& command =
      add_command(program, "devices", "List the devices of a store",
                  "  chimera devices store.img\n"
                  "  chimera devices tcp:localhost:4096 --json\n"
                  "  chimera devices unix:chimera.socket --data\n"
                  "\nA fixed device keeps its length; LENGTH is in bytes. The objects of --json have name, uuid,\n"
                  "kind, length, fixed_length, read_only, columns_length and family, and with --data data; a file has\n"
                  "path, attached (it can be opened) and held (bytes committed to it that are not in it yet).");
  auto options = std::make_shared<InfoOptions>();
  add_flag(command, "--data", options->data,
           "Tell how much of each is data, in bytes, the rest being holes; their maps are read for that. What a device "
           "shares with clones and snapshots counts for each of them");
  add_options(command, *options, "Print a JSON array, one object a device");
  return {&command, [options] { return run_devices(*options); }};
}

}  // namespace chimera::cli
