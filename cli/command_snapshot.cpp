// chimera snapshot, clone and rollback: devices as they are at one moment, and back to it.

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <boost/uuid/uuid_io.hpp>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "cli/device_target.h"
#include "cli/render.h"

namespace chimera::cli {
namespace {

using Json = nlohmann::ordered_json;

struct SnapshotOptions {
  DeviceTarget at;
  std::vector<std::string> devices;  ///< DEVICE or DEVICE=NAME
  std::string device, other;
  bool by_force = false;
  bool json = false;
};

// ── snapshot ─────────────────────────────────────────────────────────────────────────────────────────────────────

struct Snapshot {
  FoundDevice origin;
  std::string name;
  Uuid uuid{};
};

struct Snapshots {
  std::vector<Snapshot> all;
  bool at_once = true;  ///< made and protected by one transaction
};

/// `disk0=before` is split at the first =, whatever devices there are; a device with one in its name has a UUID too.
std::pair<std::string, std::string> split(const std::string& operand) {
  const std::size_t at = operand.find('=');
  if (at == std::string::npos) return {operand, ""};
  return {operand.substr(0, at), operand.substr(at + 1)};
}

std::string wrong_with_operand(const std::string& operand) {
  const auto [device, name] = split(operand);
  if (device.empty()) return "\"" + operand + "\" names no device: write DEVICE or DEVICE=NAME";
  if (name.empty() && operand.contains('=')) return "\"" + operand + "\" has no name behind its =";
  const std::string wrong = wrong_with_device_name(device);
  return wrong.empty() && !name.empty() ? wrong_with_new_device_name(name) : wrong;
}

std::expected<Snapshots, std::string> plan_snapshots(Endpoint& endpoint, const SnapshotOptions& options) {
  const auto now = std::chrono::time_point_cast<std::chrono::seconds>(std::chrono::system_clock::now());
  const std::string moment = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(now));
  Snapshots snapshots;
  for (const std::string& operand : options.devices) {
    auto [device, name] = split(operand);
    auto found = find_device(endpoint, options.at.target, device);
    if (!found) return std::unexpected(found.error());
    if (name.empty()) name = found->name + "@" + moment;
    snapshots.all.push_back({std::move(*found), std::move(name)});
  }
  return snapshots;
}

Program snapshot_program(const Snapshots& snapshots) {
  std::vector<Program::DeviceName> names;
  for (const Snapshot& snapshot : snapshots.all) names.emplace_back(snapshot.origin.uuid, snapshot.name);
  return std::move(Program().snapshot(names));
}

/// What protects them, once they have UUIDs.
Program protect_program(Snapshots& snapshots, const std::vector<std::uint8_t>& uuids) {
  Program program;
  for (std::size_t i = 0; i < snapshots.all.size(); ++i) {
    const auto at = uuids.begin() + static_cast<std::ptrdiff_t>(i * sizeof(Uuid));
    snapshots.all[i].uuid = uuid_in({at, at + sizeof(Uuid)});
    program.protect_device(snapshots.all[i].uuid, /*read_only=*/true);
  }
  return program;
}

/// Makes and protects them in one transaction. It needs an answer before its end, the UUIDs, so the server cannot run
/// it again, and it loses if somebody writes to a device meanwhile.
std::expected<void, Failure> take_in_transaction(Endpoint& endpoint, Snapshots& snapshots) {
  if (auto begun = ask_all(endpoint, Program().begin()); !begun) return std::unexpected(begun.error());
  const auto made = ask_all(endpoint, snapshot_program(snapshots));
  if (!made) {
    if (auto aborted = ask_all(endpoint, Program().abort()); !aborted) return std::unexpected(aborted.error());
    return std::unexpected(made.error());
  }
  const auto committed = ask_all(endpoint, protect_program(snapshots, made->front()).commit());
  if (!committed) return std::unexpected(committed.error());
  return {};
}

std::expected<void, Failure> take_and_protect_behind(Endpoint& endpoint, Snapshots& snapshots) {
  snapshots.at_once = false;
  const auto made = ask_all(endpoint, snapshot_program(snapshots));
  if (!made) return std::unexpected(made.error());
  const auto done = ask_all(endpoint, protect_program(snapshots, made->front()).sync());
  if (done) return {};
  return std::unexpected(Failure{.status = Status::io_error,
                                 .words = done.error().words + " The snapshots were made, but perhaps not all of them "
                                                               "are read only or durable."});
}

std::expected<void, Failure> take_snapshots(Endpoint& endpoint, Snapshots& snapshots) {
  constexpr int most_attempts = 3;
  for (int attempt = 0; attempt < most_attempts; ++attempt) {
    const auto taken = take_in_transaction(endpoint, snapshots);
    if (taken) return {};
    if (taken.error().status == Status::too_large) break;
    if (taken.error().status != Status::conflict) return taken;
  }
  return take_and_protect_behind(endpoint, snapshots);
}

void report_snapshots(const SnapshotOptions& options, const Snapshots& snapshots) {
  if (options.json) {
    Json list = Json::array();
    for (const Snapshot& snapshot : snapshots.all) {
      list.push_back({{"device", snapshot.origin.name}, {"name", snapshot.name}, {"uuid", to_string(snapshot.uuid)}});
    }
    fmt::print("{}\n", to_text({{"snapshots", list}, {"protected_at_once", snapshots.at_once}}, 2));
    return;
  }
  for (const Snapshot& snapshot : snapshots.all) {
    fmt::print("{}: a snapshot of {}, read only.\n", quote(snapshot.name), quote(snapshot.origin.name));
  }
  if (!snapshots.at_once)
    fmt::print("As others were writing, they were made read only a moment after they were made.\n");
}

Done make_snapshots(Endpoint& endpoint, const SnapshotOptions& options) {
  auto snapshots = plan_snapshots(endpoint, options);
  if (!snapshots) return std::unexpected(snapshots.error());
  if (const auto taken = take_snapshots(endpoint, *snapshots); !taken) {
    std::string words = taken.error().words;
    if (taken.error().status == Status::exists) words += " Give each snapshot a name of its own: DEVICE=NAME.";
    return std::unexpected(words);
  }
  report_snapshots(options, *snapshots);
  return {};
}

// ── clone, rollback ──────────────────────────────────────────────────────────────────────────────────────────────

Done make_clone(Endpoint& endpoint, const SnapshotOptions& options) {
  const auto origin = find_device(endpoint, options.at.target, options.device);
  if (!origin) return std::unexpected(origin.error());
  const auto made = ask_at_once(endpoint, Program().clone_device(origin->uuid, options.other));
  if (!made) return std::unexpected(with_advice_on_name(made.error()));
  if (options.json) {
    const Json json{{"device", origin->name}, {"name", options.other}, {"uuid", to_string(uuid_in(made->front()))}};
    fmt::print("{}\n", to_text(json, 2));
  } else {
    fmt::print("{}: a clone of {}.\n", quote(options.other), quote(origin->name));
  }
  return {};
}

/// What is attached to it would find other bytes below than it remembers.
Done check_unused(Endpoint& endpoint, const FoundDevice& device) {
  const auto tried = try_to_delete(endpoint, device.uuid);
  if (tried || tried.error().status != Status::busy) return {};
  return std::unexpected(fmt::format(
      "Busy: another session has {} open: let it close it first. With --force the content changes below it.",
      quote(device.name)));
}

std::string advice_for_rollback(Status status, const FoundDevice& device) {
  if (status == Status::read_only && device.read_only) return " Make it writable first: chimera protect --off.";
  if (status == Status::unsupported) return " Name one of its snapshots.";
  return "";
}

Done roll_back(Endpoint& endpoint, const SnapshotOptions& options) {
  const auto device = find_device(endpoint, options.at.target, options.device);
  if (!device) return std::unexpected(device.error());
  const auto snapshot = find_device(endpoint, options.at.target, options.other);
  if (!snapshot) return std::unexpected(snapshot.error());
  if (device->uuid == snapshot->uuid) {
    return std::unexpected(quote(device->name) + " is the device itself: name one of its snapshots.");
  }
  if (!options.by_force) {
    if (auto unused = check_unused(endpoint, *device); !unused) return unused;
  }
  const auto done = ask_at_once(endpoint, Program().roll_back_device(device->uuid, snapshot->uuid));
  if (!done) return std::unexpected(done.error().words + advice_for_rollback(done.error().status, *device));
  if (options.json) {
    const Json json{{"device", device->name}, {"uuid", to_string(device->uuid)}, {"snapshot", snapshot->name}};
    fmt::print("{}\n", to_text(json, 2));
  } else {
    fmt::print("{} has the content of {}.\n", quote(device->name), quote(snapshot->name));
  }
  return {};
}

}  // namespace

Command make_snapshot_command(CLI::App& program) {
  CLI::App& command = add_command(
      program, "snapshot", "Take read-only snapshots of devices, all at one moment",
      "  chimera snapshot store.img disk0\n"
      "  chimera snapshot unix:chimera.socket disk0=disk0@monday log=log@monday\n"
      "\nWithout =NAME a snapshot is called DEVICE@YYYY-MM-DDTHH:MM:SSZ, in UTC. NBD clients that attach to a\n"
      "name with an @ may only read. The snapshots are clones, made by one instruction: they cost no copy. They\n"
      "are made and protected in one transaction; where others write so much that it cannot win, they are\n"
      "protected right behind, and the command says so. A device with = in its name is named by its UUID.");
  auto options = std::make_shared<SnapshotOptions>();
  add_target_operand(command, options->at);
  add_operand(command, "DEVICE", options->devices, "A device, by name or UUID; DEVICE=NAME names its snapshot too")
      .check(wrong_with_operand)
      .required();
  add_flag(command, "--json", options->json,
           "Print one JSON object: snapshots (device, name, uuid), protected_at_once");
  add_store_options(command, options->at.store);
  return command_at(command, options, make_snapshots);
}

Command make_clone_command(CLI::App& program) {
  CLI::App& command = add_command(program, "clone", "Make a device with the content of another, without a copy",
                                  "  chimera clone store.img debian web1\n"
                                  "  chimera clone unix:chimera.socket disk0@monday trial --json\n"
                                  "\nThe clone may be written to, also that of a snapshot. What neither changes\n"
                                  "they share.");
  auto options = std::make_shared<SnapshotOptions>();
  add_target_operand(command, options->at);
  add_name_operand(command, "DEVICE", options->device, "A device, by name or UUID");
  add_name_operand(command, "NAME", options->other, "The clone's name").check(wrong_with_new_device_name);
  add_flag(command, "--json", options->json, "Print one JSON object: device, name, uuid (of the clone)");
  add_store_options(command, options->at.store);
  return command_at(command, options, make_clone);
}

Command make_rollback_command(CLI::App& program) {
  CLI::App& command = add_command(
      program, "rollback", "Give a device the content of its snapshot",
      "  chimera rollback store.img disk0 disk0@monday\n"
      "  chimera snapshot store.img disk0=disk0@before && chimera rollback store.img disk0 disk0@monday\n"
      "\nThe device keeps its name and UUID, the snapshot stays as it is. What the device held is gone unless\n"
      "there is a snapshot of it. Who has it open would find other bytes below than it remembers: shut that down\n"
      "first.");
  auto options = std::make_shared<SnapshotOptions>();
  add_target_operand(command, options->at);
  add_name_operand(command, "DEVICE", options->device, "The device, by name or UUID");
  add_name_operand(command, "SNAPSHOT", options->other, "A snapshot, clone or origin of it, near or far");
  add_flag(command, "--force", options->by_force, "Also while clients have the device open");
  add_flag(command, "--json", options->json, "Print one JSON object: device, uuid, snapshot");
  add_store_options(command, options->at.store);
  return command_at(command, options, roll_back);
}

}  // namespace chimera::cli
