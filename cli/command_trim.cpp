// chimera trim: the space of free blocks back to the host of a store.

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/embedded_endpoint.h"
#include "cli/endpoint.h"
#include "cli/render.h"
#include "cli/terminal.h"
#include "devices/open.h"

namespace chimera::cli {
namespace {

struct TrimOptions {
  std::string store;
  StoreOptions open;
  bool json = false;
};

int run_trim(const TrimOptions& options) {
  if (options.store == memory_store) return fail(":memory: is no file: there is nothing to give back.");
  if (is_address(options.store)) {
    return fail(options.store +
                " is a server's address: it gives space back by itself; to trim all of its store, stop "
                "it and name the store.");
  }
  auto opened = open_machine(options.store, options.open);
  if (!opened) return fail(opened.error());
  const auto trimmed = devices::trim(*opened->loop, opened->machine->store());
  if (!trimmed) return fail(fmt::format("{}: {}.", options.store, trimmed.error()));
  if (options.json) {
    fmt::print("{}\n", to_text({{"store", options.store}, {"given_back", *trimmed}}, 2));
  } else {
    fmt::print("{}: {} of free space are given back to its host.\n", options.store, human_size(*trimmed));
  }
  return exit_done;
}

}  // namespace

Command make_trim_command(CLI::App& program) {
  CLI::App& command = add_command(
      program, "trim", "Give all free space of a store back to its file system or disk",
      "  chimera trim store.img\n"
      "  chimera trim /dev/nvme1n1\n"
      "\nA file gets holes where the store is free; a block device is told so, if it can be. What is deleted in a\n"
      "store in a file is given back without this, in runs of 64K or more, unless the store was preallocated or\n"
      "opened with --keep-space.");
  auto options = std::make_shared<TrimOptions>();
  add_operand(command, "STORE", options->store, "A store that no server has open").required();
  add_flag(command, "--json", options->json, "Print one JSON object: store, given_back (bytes)");
  add_store_options(command, options->open);
  return {&command, [options] { return run_trim(*options); }};
}

}  // namespace chimera::cli
