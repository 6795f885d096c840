// chimera format and chimera grow: making stores, and making them larger.

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <memory>

#include "cli/commands.h"
#include "cli/embedded_endpoint.h"
#include "cli/endpoint.h"
#include "cli/progress.h"
#include "cli/terminal.h"
#include "devices/open.h"
#include "isa/limits.h"

namespace chimera::cli {
namespace {

using Done = std::expected<void, std::string>;

struct Options {
  std::string store;
  std::uint64_t size = 0;  ///< bytes; 0 for what is there, or the default
  bool force = false;
  bool preallocate = false;
  StoreOptions open;
};

constexpr std::uint64_t default_size = 1ull << 30;

Done refuse_what_is_no_file(const std::string& store) {
  if (store == memory_store) return std::unexpected(fmt::format("{} is no file: it needs no format.", store));
  if (is_address(store)) return std::unexpected(fmt::format("{} is a server's address: name its store itself.", store));
  return {};
}

/// What a store holds that is worth asking before it is overwritten; null for an empty one.
const char* contents_of_store(io::Loop& loop, io::Disk& disk) {
  const auto store = devices::open_store(loop, disk, {.read_only = true});
  if (!store) return "holds a damaged store";
  return (*store)->device_count() > 0 ? "holds a store with devices" : nullptr;
}

/// Whether what stands there may be overwritten.
Done may_overwrite(io::Loop& loop, io::Disk& disk, const Options& options, bool was_empty) {
  if (options.force || was_empty) return {};
  auto contents = devices::Contents::other;  // a file of less than a block
  if (disk.block_count() > 0) {
    const auto found = devices::identify(loop, disk);
    if (!found) return std::unexpected(found.error());
    contents = *found;
  }
  const char* what = nullptr;
  switch (contents) {
    case devices::Contents::blank: break;
    case devices::Contents::store: what = contents_of_store(loop, disk); break;
    case devices::Contents::damaged_store: what = "holds a damaged store"; break;
    case devices::Contents::newer_store: what = "holds a store of a newer version"; break;
    case devices::Contents::other: what = "holds something else"; break;
  }
  if (what == nullptr) return {};
  return std::unexpected(fmt::format("{} {}: with --force it is overwritten.", options.store, what));
}

/// Makes the disk as large as it is to be.
Done resize(io::FileDisk& disk, const Options& options) {
  const std::uint64_t present = disk.block_count() * limits::block_size;
  std::uint64_t wanted = options.size;
  if (wanted == 0) wanted = present == 0 ? default_size : present;
  if (disk.is_block_device()) {
    if (wanted / limits::block_size == disk.block_count()) return {};
    return std::unexpected(
        fmt::format("{} is a device of {} bytes, and a store takes all of it.", options.store, present));
  }
  if (wanted < present && options.size != 0) {
    return std::unexpected(
        fmt::format("{} has {} bytes already: remove it first for a smaller store.", options.store, present));
  }
  if (const int error = disk.grow(wanted / limits::block_size); error != 0) {
    return std::unexpected(
        fmt::format("Cannot make {} {} bytes long: {}.", options.store, wanted, std::strerror(error)));
  }
  return {};
}

Done format_disk(io::Loop& loop, io::FileDisk& disk, const Options& options, bool was_empty) {
  if (auto may = may_overwrite(loop, disk, options, was_empty); !may) return may;
  if (auto resized = resize(disk, options); !resized) return resized;
  if (options.preallocate) {
    ProgressBar bar("preallocate", disk.block_count(), limits::block_size);
    const auto show = [&bar](std::uint64_t done, std::uint64_t) { bar.show(done); };
    if (auto written = devices::preallocate(loop, disk, show); !written) return written;
  }
  if (auto formatted = devices::format(loop, disk); !formatted) return formatted;
  fmt::print("{}: an empty store of {}\n", options.store, human_size(disk.block_count() * limits::block_size));
  return {};
}

int run_format(const Options& options) {
  if (auto refused = refuse_what_is_no_file(options.store); !refused) return fail(refused.error());
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

Done grow_store(const Options& options) {
  auto opened = open_machine(options.store, options.open);
  if (!opened) return std::unexpected(opened.error());
  io::FileDisk& disk = *opened->disk;
  const std::uint64_t present = disk.block_count() * limits::block_size;
  if (options.size < present && !disk.is_block_device()) {
    return std::unexpected(
        fmt::format("{} has {} bytes already, and a store cannot be made smaller.", options.store, present));
  }
  if (auto resized = resize(disk, options); !resized) return resized;
  if (auto grown = devices::grow(*opened->loop, opened->machine->store()); !grown) return grown;
  fmt::print("{}: {} now\n", options.store, human_size(disk.block_count() * limits::block_size));
  return {};
}

int run_grow(const Options& options) {
  if (auto refused = refuse_what_is_no_file(options.store); !refused) return fail(refused.error());
  const auto done = grow_store(options);
  return done ? exit_done : fail(done.error());
}

}  // namespace

Command make_format_command(CLI::App& program) {
  CLI::App& command = add_command(program, "format", "Make an empty store",
                                  "  chimera format store.img\n"
                                  "  chimera format store.img --size 64G\n"
                                  "  chimera format /dev/nvme1n1 --force");
  auto options = std::make_shared<Options>();
  command.add_option("STORE", options->store, "A file, made if there is none, or a block device")
      ->type_name("")
      ->required();
  add_size_option(command, "--size", options->size, "Of the store (default: what the file or device has, else 1G)");
  command.add_flag("--preallocate", options->preallocate,
                   "Write zeros over all of it first: slow now, but a file's writes are faster from then on");
  command.add_flag("--force", options->force, "Overwrite whatever stands there");
  return {&command, [options] { return run_format(*options); }};
}

Command make_grow_command(CLI::App& program) {
  CLI::App& command = add_command(program, "grow", "Make a store larger", "  chimera grow store.img 128G");
  auto options = std::make_shared<Options>();
  command.add_option("STORE", options->store, "A store that no server has open")->type_name("")->required();
  add_size_option(command, "SIZE", options->size, "Its new size in all")->required();
  add_store_options(command, options->open);
  return {&command, [options] { return run_grow(*options); }};
}

}  // namespace chimera::cli
