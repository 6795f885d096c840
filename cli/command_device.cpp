// chimera create, rename, protect and delete: devices come, change and go.

#include <fmt/format.h>

#include <algorithm>
#include <boost/uuid/uuid_io.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "cli/device_target.h"
#include "cli/render.h"
#include "cli/table_part.h"
#include "cli/terminal.h"
#include "isa/text.h"

namespace chimera::cli {
namespace {

using Json = nlohmann::ordered_json;

// ── create ───────────────────────────────────────────────────────────────────────────────────────────────────────

struct CreateCommand {
  DeviceTarget at;
  std::string name, columns, file;
  std::optional<std::uint64_t> size;
  bool in_memory = false;
  bool json = false;
};

/// As the instruction takes them.
std::string options_text(const CreateCommand& options) {
  if (!options.file.empty()) return "kind=file,path=" + options.file;
  std::string text = options.in_memory ? "kind=memory" : "";
  if (options.size) text += fmt::format("{}size={}", text.empty() ? "" : ",", *options.size);
  return text;
}

std::string kind_words(const CreateCommand& options) {
  if (!options.file.empty()) return "the file " + quote(options.file) + ", served in place";
  const std::string where = options.in_memory ? " in memory" : "";
  if (!options.size) return "a device" + where + " that grows as it is written to";
  return fmt::format("a device{} of {}", where, human_size(*options.size));
}

Done create(Endpoint& endpoint, const CreateCommand& options) {
  const auto made =
      ask_at_once(endpoint, Program().create_device(options.name, options.columns, options_text(options)));
  if (!made) return std::unexpected(with_advice_on_name(made.error()));
  const std::string uuid = to_string(uuid_in(made->front()));
  if (options.json) {
    fmt::print("{}\n", to_text(Json{{"name", options.name}, {"uuid", uuid}}, 2));
  } else {
    fmt::print("{}: {}, {}.\n", quote(options.name), kind_words(options), uuid);
  }
  return {};
}

std::string wrong_with_path(const std::string& path) {
  return is_valid_path(path) ? ""
                             : "a path has names with a slash between, none of them . or .., and no comma: it is of a "
                               "file below the folder of --attach";
}

// ── rename, protect, delete ──────────────────────────────────────────────────────────────────────────────────────

struct ChangeCommand {
  DeviceTarget at;
  std::string device, name;
  std::vector<std::string> devices;
  bool off = false;
  bool of_protected = false;
  bool by_force = false;
  bool json = false;
};

void report(const ChangeCommand& options, const std::vector<FoundDevice>& devices, std::string_view what) {
  if (options.json) {
    Json list = Json::array();
    for (const FoundDevice& device : devices) list.push_back({{"name", device.name}, {"uuid", to_string(device.uuid)}});
    fmt::print("{}\n", to_text({{"devices", list}}, 2));
    return;
  }
  for (const FoundDevice& device : devices) fmt::print("{}: {}.\n", quote(device.name), what);
}

/// What is done to a part of a table by itself breaks the table.
Done check_no_table(Endpoint& endpoint, const FoundDevice& device, std::string_view instead) {
  const auto table = table_of(endpoint, device.name);
  if (!table) return std::unexpected(table.error());
  if (table->empty()) return {};
  return std::unexpected(fmt::format("{} is a part of the table {}: {}. With --force it is done all the same.",
                                     quote(device.name), *table, instead));
}

Done rename(Endpoint& endpoint, const ChangeCommand& options) {
  const auto device = find_device(endpoint, options.at.target, options.device);
  if (!device) return std::unexpected(device.error());
  if (!options.by_force) {
    const Done may = check_no_table(endpoint, *device, "`chimera table rename` renames that");
    if (!may) return may;
  }
  const auto done = ask_at_once(endpoint, Program().rename_device(device->uuid, options.name));
  if (!done) return std::unexpected(with_advice_on_name(done.error()));
  if (options.json) {
    const Json json{{"device", device->name}, {"name", options.name}, {"uuid", to_string(device->uuid)}};
    fmt::print("{}\n", to_text(json, 2));
  } else {
    fmt::print("{} is called {} now.\n", quote(device->name), quote(options.name));
  }
  return {};
}

Done protect(Endpoint& endpoint, const ChangeCommand& options) {
  const auto devices = find_devices(endpoint, options.at.target, options.devices);
  if (!devices) return std::unexpected(devices.error());
  Program program;
  for (const FoundDevice& device : *devices) program.protect_device(device.uuid, !options.off);
  const auto done = ask_at_once(endpoint, program);
  if (!done) return std::unexpected(done.error().words);
  report(options, *devices, options.off ? "may be written to" : "read only");
  return {};
}

std::string advice_for_delete(Status status, const std::vector<FoundDevice>& devices) {
  if (status == Status::busy) return " --force does that: whoever has it open gets errors from then on.";
  // Otherwise it is the store that is read only.
  const bool is_protected = std::ranges::any_of(devices, &FoundDevice::read_only);
  if (status == Status::read_only && is_protected) return " With --protected it goes all the same.";
  return "";
}

Done remove(Endpoint& endpoint, const ChangeCommand& options) {
  const auto devices = find_devices(endpoint, options.at.target, options.devices);
  if (!devices) return std::unexpected(devices.error());
  Program program;
  for (const FoundDevice& device : *devices) {
    if (!options.by_force) {
      if (Done may = check_no_table(endpoint, device, "`chimera table drop` deletes that"); !may) return may;
    }
    if (options.of_protected) program.protect_device(device.uuid, /*read_only=*/false);
    if (options.by_force) {
      program.delete_device_by_force(device.uuid);
    } else {
      program.delete_device(device.uuid);
    }
  }
  const auto done = ask_at_once(endpoint, program);
  if (!done) return std::unexpected(done.error().words + advice_for_delete(done.error().status, *devices));
  report(options, *devices, "deleted");
  return {};
}

}  // namespace

Command make_create_command(CLI::App& program) {
  CLI::App& command = add_command(
      program, "create", "Make a device",
      "  chimera create store.img disk0 --size 10G\n"
      "  chimera create unix:chimera.socket log\n"
      "  chimera create unix:chimera.socket root --file root.img\n"
      "\nA device takes space for what is written to it, whatever its size. Without --size it grows as it is\n"
      "written to; for NBD clients it should have one. Who embeds or sends programs does the same with\n"
      "`create device`.");
  auto options = std::make_shared<CreateCommand>();
  add_target_operand(command, options->at);
  add_name_operand(command, "DEVICE", options->name, "Its name").check(wrong_with_new_device_name);
  const Option size =
      add_size_option(command, "--size", options->size, "Its length, which stays; without: it grows").above_zero();
  const Option in_memory =
      add_flag(command, "--in-memory", options->in_memory, "Keep it in the server's memory: gone when that ends");
  add_option(command, "--file", "PATH", options->file,
             "Serve this file or block device in place; its path below the folder of --attach")
      .check(wrong_with_path)
      .excludes(size)
      .excludes(in_memory);
  add_option(command, "--columns", "TEXT", options->columns, "Words about what it holds, which the machine only keeps");
  add_flag(command, "--json", options->json, "Print one JSON object: name, uuid");
  add_store_options(command, options->at.store);
  return {&command, [options] {
            if (options->in_memory && !is_address(options->at.target)) {
              return fail("A device in memory would be gone when this command ends: make it on a running server.");
            }
            return with_endpoint(options->at, [&](Endpoint& endpoint) { return create(endpoint, *options); });
          }};
}

Command make_rename_command(CLI::App& program) {
  CLI::App& command =
      add_command(program, "rename", "Give a device another name",
                  "  chimera rename store.img disk0 web1\n"
                  "  chimera rename unix:chimera.socket disk0@monday disk0@2026-11-30\n"
                  "\nIts UUID stays, and whoever has it open goes on. NBD clients that come find it by the new name.");
  auto options = std::make_shared<ChangeCommand>();
  add_target_operand(command, options->at);
  add_name_operand(command, "DEVICE", options->device, "A device, by name or UUID");
  add_name_operand(command, "NAME", options->name, "Its new name").check(wrong_with_new_device_name);
  add_flag(command, "--force", options->by_force, "Also a part of a table, which breaks it");
  add_flag(command, "--json", options->json, "Print one JSON object: device (its old name), name, uuid");
  add_store_options(command, options->at.store);
  return command_at(command, options, rename);
}

Command make_protect_command(CLI::App& program) {
  CLI::App& command = add_command(program, "protect", "Make devices read only, or writable again",
                                  "  chimera protect store.img disk0\n"
                                  "  chimera protect unix:chimera.socket trial --off\n"
                                  "\nNobody writes to a protected device or deletes it, whatever way he comes,\n"
                                  "unless he takes the protection away first. Snapshots are protected from\n"
                                  "the start. All named devices change, or none.");
  auto options = std::make_shared<ChangeCommand>();
  add_target_operand(command, options->at);
  add_name_operand(command, "DEVICE", options->devices, "A device, by name or UUID");
  add_flag(command, "--off", options->off, "They may be written to again");
  add_flag(command, "--json", options->json, "Print one JSON object: devices (name, uuid)");
  add_store_options(command, options->at.store);
  return command_at(command, options, protect);
}

Command make_delete_command(CLI::App& program) {
  CLI::App& command = add_command(
      program, "delete", "Delete devices",
      "  chimera delete store.img trial\n"
      "  chimera delete unix:chimera.socket disk0@monday disk0@tuesday --protected\n"
      "\nAll named devices go, in one transaction, or none. What a device held is gone, but for what clones\n"
      "and snapshots share with it; a file that is served in place stays where it is. Tables and blobs are\n"
      "deleted by `chimera table drop` and `chimera blob rm`.");
  auto options = std::make_shared<ChangeCommand>();
  add_target_operand(command, options->at);
  add_name_operand(command, "DEVICE", options->devices, "A device, by name or UUID");
  add_flag(command, "--protected", options->of_protected, "Also what is protected, as snapshots are");
  add_flag(command, "--force", options->by_force,
           "Also what clients have open, who get errors from then on, and single parts of tables");
  add_flag(command, "--json", options->json, "Print one JSON object: devices (name, uuid)");
  add_store_options(command, options->at.store);
  return command_at(command, options, remove);
}

}  // namespace chimera::cli
