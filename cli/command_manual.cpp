// chimera manual: the manual pages as files. Hidden: the build calls it.

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>

#include "cli/command_table.h"
#include "cli/commands.h"
#include "cli/image_file.h"
#include "cli/manual.h"
#include "cli/program.h"
#include "vm/version.h"

namespace chimera::cli {
namespace {

/// Today, or what SOURCE_DATE_EPOCH says, so that the same sources give the same pages.
std::string date_of_pages() {
  std::time_t seconds = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  if (const char* given = std::getenv("SOURCE_DATE_EPOCH")) {
    std::from_chars(given, given + std::strlen(given), seconds);
  }
  return fmt::format("{:%Y-%m-%d}", fmt::gmtime(seconds));
}

int run_manual(const CLI::App& program, const std::string& folder) {
  const auto [major, minor, patch] = vm::version;
  const std::string version = fmt::format("{}.{}.{}", major, minor, patch);
  for (const ManualPage& page : manual_pages(table_of(program), version, date_of_pages())) {
    const std::filesystem::path section = std::filesystem::path(folder) / fmt::format("man{}", page.section);
    std::error_code error;
    std::filesystem::create_directories(section, error);
    if (error) return fail(fmt::format("Cannot make the folder {}: {}.", section.string(), error.message()));
    if (const auto written = write_whole(section / page.file_name(), page.text); !written) return fail(written.error());
  }
  return exit_done;
}

}  // namespace

Command make_manual_command(CLI::App& program) {
  CLI::App& command = add_command(program, "manual", "Write the manual pages into a folder",
                                  "  chimera manual build/man && man -l build/man/man1/chimera.1");
  hide(command);
  auto folder = std::make_shared<std::string>();
  add_operand(command, "FOLDER", *folder, "Where man1 and man7 are made").required();
  return {&command, [&program, folder] { return run_manual(program, *folder); }};
}

}  // namespace chimera::cli
