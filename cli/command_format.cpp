// chimera format and chimera grow: making stores, and making them larger.

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/blank.h"
#include "cli/commands.h"
#include "cli/embedded_endpoint.h"
#include "cli/endpoint.h"
#include "cli/progress.h"
#include "cli/render.h"
#include "cli/terminal.h"
#include "devices/layout.h"
#include "devices/open.h"
#include "isa/limits.h"
#include "isa/text.h"
#include "vm/recovery.h"

namespace chimera::cli {
namespace {

using Done = std::expected<void, std::string>;
using Json = nlohmann::ordered_json;

struct FormatOptions {
  std::string store;
  std::uint64_t size = 0;  ///< bytes; 0 for what is there, or the default
  bool force = false;
  bool preallocate = false;
  bool json = false;
  std::optional<std::uint64_t> journal;
  StoreOptions open;
};

constexpr const char* store_as_json = "Print the store as JSON: store, uuid, size, used, free, kept_back";
constexpr std::uint64_t default_size = 1ull << 30;
constexpr std::uint64_t smallest_size = devices::smallest_store_blocks * limits::block_size;

/// `why_not_memory` says why the command has nothing to do with a store in memory.
Done refuse_what_is_no_file(const std::string& store, std::string_view why_not_memory) {
  if (store == memory_store) return std::unexpected(fmt::format("{} {}.", store, why_not_memory));
  if (is_address(store)) {
    return std::unexpected(fmt::format("{} is a server's address: stop the server, and name its store.", store));
  }
  return {};
}

/// "20M", with the bytes behind it where the short form is not exact.
std::string size_text(std::uint64_t bytes) {
  const std::string text = human_size(bytes);
  return parse_size(text) == bytes ? text : fmt::format("{} ({} bytes)", text, grouped(bytes));
}

/// What the new or grown store is.
Done report(const FormatOptions& options, const devices::Store& store, std::string_view text) {
  if (!options.json) {
    fmt::print("{}: {}\n", options.store, text);
    return {};
  }
  const auto description = Json::parse(store.figures().to_json().end(), nullptr, /*allow_exceptions=*/false);
  if (!description.is_object()) return std::unexpected("The description of the store is not a JSON object.");
  Json json{{"store", options.store}};
  for (const char* key : {"uuid", "size", "used", "free", "kept_back"}) json[key] = description.value(key, Json());
  fmt::print("{}\n", to_text(json, 2));
  return {};
}

/// What a store holds that is worth asking before it is overwritten; nothing for an empty one.
std::string contents_of_store(io::Loop& loop, io::Disk& disk) {
  const auto store = vm::open_store(loop, disk, {.read_only = true});
  if (!store) return "holds a damaged store";
  return (*store)->device_count() > 0 ? "holds a store with devices" : "";
}

/// Whether what stands there may be overwritten.
Done may_overwrite(io::Loop& loop, io::Disk& disk, const FormatOptions& options, bool was_empty) {
  if (options.force || was_empty) return {};
  auto contents = devices::Contents::blank;
  if (disk.block_count() > 0) {
    const auto found = devices::identify(loop, disk);
    if (!found) return std::unexpected(found.error());
    contents = *found;
  }
  std::string what;
  switch (contents) {
    case devices::Contents::store: what = contents_of_store(loop, disk); break;
    case devices::Contents::damaged_store: what = "holds a damaged store"; break;
    case devices::Contents::newer_store: what = "holds a store of a newer version"; break;
    case devices::Contents::blank:
    case devices::Contents::other: {
      const auto image = ImageFile::open_source(options.store);
      if (!image) return std::unexpected(image.error());
      const auto found = find_content(*image);
      if (!found) return std::unexpected(found.error());
      if (found->has_value()) what = fmt::format("is not blank, it holds something at offset {}", grouped(**found));
    }
  }
  if (what.empty()) return {};
  return std::unexpected(fmt::format("{} {}: with --force it is overwritten.", options.store, what));
}

/// Makes the disk as large as it is to be.
Done resize(io::FileDisk& disk, const FormatOptions& options) {
  const std::uint64_t present = disk.block_count() * limits::block_size;
  std::uint64_t wanted = options.size;
  if (wanted == 0) wanted = present == 0 ? default_size : present;
  if (wanted < smallest_size) {
    return std::unexpected(options.size == 0 ? fmt::format("A store has at least {}, and {} has {}.",
                                                           size_text(smallest_size), options.store, size_text(wanted))
                                             : fmt::format("A store has at least {}: {} is too small.",
                                                           size_text(smallest_size), size_text(wanted)));
  }
  if (disk.is_block_device()) {
    if (wanted / limits::block_size == disk.block_count()) return {};
    return std::unexpected(
        fmt::format("{} is a device of {}, and a store takes all of it.", options.store, size_text(present)));
  }
  if (wanted < present && options.size != 0) {
    return std::unexpected(
        fmt::format("{} has {} already: remove it first for a smaller store.", options.store, size_text(present)));
  }
  if (const int error = disk.grow(wanted / limits::block_size); error != 0) {
    return std::unexpected(
        fmt::format("Cannot give {} a size of {}: {}.", options.store, size_text(wanted), std::strerror(error)));
  }
  return {};
}

Done format_disk(io::Loop& loop, io::FileDisk& disk, const FormatOptions& options, bool was_empty) {
  if (auto may = may_overwrite(loop, disk, options, was_empty); !may) return may;
  if (auto resized = resize(disk, options); !resized) return resized;
  if (options.preallocate) {
    ProgressBar bar("preallocate", disk.block_count(), limits::block_size);
    const auto show = [&bar](std::uint64_t done, std::uint64_t) { bar.show(done); };
    if (auto written = devices::preallocate(loop, disk, show); !written) {
      return std::unexpected(fmt::format("Cannot write {}: {}.", options.store, written.error()));
    }
  }
  if (auto formatted =
          devices::format(loop, disk, {.journal_bytes = options.journal, .keeps_space = options.preallocate});
      !formatted)
    return formatted;
  const auto store = vm::open_store(loop, disk, {.read_only = true});
  if (!store) return std::unexpected(store.error());
  return report(options, **store,
                fmt::format("an empty store of {}", human_size(disk.block_count() * limits::block_size)));
}

int run_format(const FormatOptions& options) {
  if (auto refused = refuse_what_is_no_file(options.store, "is no file: it needs no format"); !refused)
    return fail(refused.error());
  struct stat status {};
  const bool existed = stat(options.store.c_str(), &status) == 0;
  auto loop = open_loop(options.open);
  if (!loop) return fail(loop.error());
  auto disk = io::FileDisk::open(**loop, options.store, io::OpenMode::create);
  if (!disk) return fail(disk.error());
  const bool was_empty = !existed || (S_ISREG(status.st_mode) && status.st_size == 0);
  const auto done = format_disk(**loop, **disk, options, was_empty);
  if (done) return exit_done;
  if (!existed) unlink(options.store.c_str());
  return fail(done.error());
}

Done grow_store(const FormatOptions& options) {
  auto opened = open_machine(options.store, options.open);
  if (!opened) return std::unexpected(opened.error());
  io::FileDisk& disk = *opened->disk;
  const std::uint64_t present = disk.block_count() * limits::block_size;
  if (options.size < present && !disk.is_block_device()) {
    return std::unexpected(
        fmt::format("{} has {} already, and a store cannot be made smaller.", options.store, size_text(present)));
  }
  if (auto resized = resize(disk, options); !resized) return resized;
  if (auto grown = devices::grow(*opened->loop, opened->machine->store()); !grown) return grown;
  return report(options, opened->machine->store(),
                fmt::format("{} now", human_size(disk.block_count() * limits::block_size)));
}

int run_grow(const FormatOptions& options) {
  if (auto refused = refuse_what_is_no_file(options.store, "is in memory: there is nothing to grow"); !refused)
    return fail(refused.error());
  const auto done = grow_store(options);
  return done ? exit_done : fail(done.error());
}

}  // namespace

Command make_format_command(CLI::App& program) {
  CLI::App& command =
      add_command(program, "format", "Make an empty store",
                  "  chimera format store.img\n"
                  "  chimera format store.img --size 64G\n"
                  "  chimera format /dev/nvme1n1 --force\n"
                  "\nWithout --force nothing is overwritten but an empty store and what is blank. What is\n"
                  "looked at: the first and last MiB, where file systems keep more of their\n"
                  "superblocks, 64 places spread over the rest, and the first 256 MiB of a file's data.");
  auto options = std::make_shared<FormatOptions>();
  add_operand(command, "STORE", options->store, "A file, made if there is none, or a block device").required();
  add_size_option(command, "--size", options->size,
                  "Of the store, at least 16M (default: what the file or device has, else 1G)");
  add_size_option(
      command, "--journal", options->journal,
      "Of the journal, from 2M to 112M and a quarter of the store: it lies within the first 128M. 0: there is "
      "none, and every flush is a checkpoint (default: a sixteenth of the store, from 2M to 64M)");
  add_flag(command, "--preallocate", options->preallocate,
           "Write zeros over all of it first: slow now, but a file's writes are faster from then on");
  add_flag(command, "--force", options->force, "Overwrite whatever stands there");
  add_flag(command, "--json", options->json, store_as_json);
  return {&command, [options] { return run_format(*options); }};
}

Command make_grow_command(CLI::App& program) {
  CLI::App& command = add_command(program, "grow", "Make a store larger", "  chimera grow store.img 128G");
  auto options = std::make_shared<FormatOptions>();
  add_operand(command, "STORE", options->store, "A store that no server has open").required();
  add_size_option(command, "SIZE", options->size, "Its new size in all").required();
  add_flag(command, "--json", options->json, store_as_json);
  add_store_options(command, options->open);
  return {&command, [options] { return run_grow(*options); }};
}

}  // namespace chimera::cli
