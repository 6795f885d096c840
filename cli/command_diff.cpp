// chimera diff: where two devices differ.

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/uuid/uuid_io.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "cli/ask.h"
#include "cli/commands.h"
#include "cli/endpoint.h"
#include "cli/render.h"
#include "cli/terminal.h"

namespace chimera::cli {
namespace {

using Json = nlohmann::ordered_json;

struct DiffOptions {
  std::string target, device, other;
  StoreOptions store{.read_only = true};
  bool json = false;
};

struct DifferentRange {
  std::uint64_t offset = 0, length = 0;  ///< bytes
};

struct Differences {
  FoundDevice device, other;
  std::vector<DifferentRange> ranges;  ///< in order, none adjacent to the next
  std::uint64_t bytes = 0;             ///< in all of them
};

void add_range(Differences& differences, std::uint64_t offset, std::uint64_t length) {
  differences.bytes += length;
  std::vector<DifferentRange>& ranges = differences.ranges;
  if (!ranges.empty() && ranges.back().offset + ranges.back().length == offset) {
    ranges.back().length += length;
  } else {
    ranges.push_back({offset, length});
  }
}

std::expected<Differences, std::string> compare(Endpoint& endpoint, const DiffOptions& options) {
  const auto device = find_device(endpoint, options.target, options.device);
  if (!device) return std::unexpected(device.error());
  const auto other = find_device(endpoint, options.target, options.other);
  if (!other) return std::unexpected(other.error());
  Differences differences{.device = *device, .other = *other};
  const auto [shorter, longer] = std::minmax(device->length, other->length);
  for (std::uint64_t offset = 0; offset < shorter;) {
    endpoint.send_all(Program().compare_devices(device->uuid, other->uuid, offset, shorter - offset).bytes());
    const auto answer = endpoint.receive();
    if (!answer) return std::unexpected(answer.error());
    if (answer->status == Status::out_of_range) {
      return std::unexpected(
          "One of the devices became shorter while they were compared: take a snapshot of it and compare that.");
    }
    if (!answer->ok()) return std::unexpected(describe_failure(*answer));
    const std::uint64_t before = offset;
    for (const Extent& extent : extents_of(*answer)) {
      if ((extent.flags & extent_flags::differs) != 0) add_range(differences, offset, extent.length);
      offset += extent.length;
    }
    if (offset == before) return std::unexpected("The comparison does not go on: the answer holds no extents.");
  }
  if (shorter < longer) add_range(differences, shorter, longer - shorter);
  return differences;
}

Json device_json(const FoundDevice& device) {
  return {{"name", device.name}, {"uuid", to_string(device.uuid)}, {"length", device.length}};
}

/// By hand, as the extents may be millions.
void print_json(const Differences& differences) {
  fmt::print("{{\n  \"device\": {},\n  \"other\": {},\n  \"extents\": [", to_text(device_json(differences.device)),
             to_text(device_json(differences.other)));
  const char* separator = "\n";
  for (const DifferentRange& range : differences.ranges) {
    fmt::print("{}    {{\"offset\": {}, \"length\": {}}}", std::exchange(separator, ",\n"), range.offset, range.length);
  }
  fmt::print("{}],\n  \"extent_count\": {},\n  \"bytes\": {}\n}}\n", differences.ranges.empty() ? "" : "\n  ",
             differences.ranges.size(), differences.bytes);
}

void print_text(const Differences& differences) {
  if (!differences.ranges.empty()) {
    // The last offset is the greatest.
    const std::size_t width = std::max(grouped(differences.ranges.back().offset).size(), std::size_t{6});
    std::uint64_t longest = 0;
    for (const DifferentRange& range : differences.ranges) longest = std::max(longest, range.length);
    const std::size_t length_width = std::max(grouped(longest).size(), std::size_t{6});
    const std::string header = fmt::format("{:>{}}  {:>{}}", "OFFSET", width, "LENGTH", length_width);
    fmt::print("{}\n", paint(header, Colour::bold, takes_colours(STDOUT_FILENO)));
    for (const DifferentRange& range : differences.ranges) {
      fmt::print("{:>{}}  {:>{}}\n", grouped(range.offset), width, grouped(range.length), length_width);
    }
  }
  const auto& [device, other, ranges, bytes] = differences;
  if (device.length != other.length) {
    fmt::print("{} has {} bytes, {} has {}.\n", quote(device.name), grouped(device.length), quote(other.name),
               grouped(other.length));
  }
  fmt::print("{} and {}: {} differ, {}.\n", quote(device.name), quote(other.name), counted(bytes, "byte"),
             counted(ranges.size(), "extent"));
}

int run_diff(const DiffOptions& options) {
  const auto endpoint = open_endpoint(options.target, options.store);
  if (!endpoint) return fail(endpoint.error());
  const auto differences = compare(**endpoint, options);
  const auto closed = (*endpoint)->close();
  if (!differences) return fail(differences.error());
  if (!closed) return fail(closed.error());
  if (options.json) {
    print_json(*differences);
  } else {
    print_text(*differences);
  }
  return exit_done;
}

}  // namespace

Command make_diff_command(CLI::App& program) {
  CLI::App& command = add_command(
      program, "diff", "List where two devices differ",
      "  chimera diff store.img disk0 disk0@monday\n"
      "  chimera diff unix:chimera.socket disk0@monday disk0@tuesday --json\n"
      "\nIt is found from the maps, without reading the data: a block of 4,096 bytes differs where the devices\n"
      "do not share it, also where it was written anew with the same bytes. What only the longer one has\n"
      "differs. Offsets and lengths are bytes. The exit status is 0 whether they differ or not. Where others\n"
      "write meanwhile, compare a snapshot: it stands still.");
  auto options = std::make_shared<DiffOptions>();
  add_operand(command, "STORE|ADDRESS", options->target, "A store, or a running server").required();
  add_operand(command, "DEVICE", options->device, "A device, by name or UUID").required();
  add_operand(command, "OTHER", options->other, "What it is compared with, usually its snapshot or clone").required();
  add_flag(command, "--json", options->json,
           "Print one JSON object: device, other, extents (offset, length), extent_count, bytes");
  add_store_options(command, options->store);
  return {&command, [options] { return run_diff(*options); }};
}

}  // namespace chimera::cli
