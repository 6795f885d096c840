// The one command, `chimera`.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <array>
#include <csignal>
#include <cstdio>
#include <exception>

#include "cli/commands.h"
#include "vm/version.h"

namespace {

using namespace chimera::cli;

constexpr const char* footer =
    "A STORE is a file or a block device, or :memory: for one that is gone at the end.\n"
    "An ADDRESS is unix:PATH or tcp:HOST:PORT, of a running server.\n"
    "`chimera COMMAND --help` tells more and gives examples.";

/// Parses the command line and runs what it chose.
int run_chosen(int argument_count, char** arguments) {
  CLI::App program("Chimera: a programmable block store", "chimera");
  program.require_subcommand(1);
  program.footer(footer);
  const auto [major, minor, patch] = chimera::vm::version;
  program.set_version_flag("--version", fmt::format("chimera {}.{}.{}", major, minor, patch));
  program.get_formatter()->column_width(34);
  const std::array commands{
      make_format_command(program),  make_run_command(program),    make_serve_command(program),
      make_send_command(program),    make_asm_command(program),    make_disasm_command(program),
      make_import_command(program),  make_export_command(program), make_info_command(program),
      make_devices_command(program), make_check_command(program),  make_grow_command(program),
      make_isa_command(program),
  };
  try {
    program.parse(argument_count, arguments);
  } catch (const CLI::ParseError& error) {
    return program.exit(error) == 0 ? exit_done : exit_wrong_usage;
  }
  for (const Command& command : commands) {
    if (command.parser->parsed()) return command.run();
  }
  return exit_wrong_usage;
}

}  // namespace

int main(int argument_count, char** arguments) {
  // A reader that goes away shows as a failed write, not as a signal.
  std::signal(SIGPIPE, SIG_IGN);
  try {
    const int status = run_chosen(argument_count, arguments);
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
    return fail("Standard output could not be written.");
  } catch (const std::bad_alloc&) {
    return fail("There is not enough memory.");
  } catch (const std::exception& error) {
    return fail(error.what());
  }
}
