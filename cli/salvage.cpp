#include "cli/salvage.h"

#include <fmt/format.h>

#include <cstdio>
#include <expected>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "cli/check_report.h"
#include "cli/check_tables.h"
#include "cli/commands.h"
#include "cli/embedded_endpoint.h"
#include "cli/progress.h"
#include "cli/render.h"
#include "cli/terminal.h"
#include "devices/check_damage.h"
#include "devices/salvage.h"
#include "io/file_disk.h"
#include "isa/limits.h"
#include "vm/recovery.h"
#include "vm/salvage.h"

namespace chimera::cli {
namespace {

using Json = nlohmann::ordered_json;
using devices::Losses;

std::expected<Losses, std::string> find_losses(io::Loop& loop, io::Disk& disk) {
  ProgressBar bar("look", 0, limits::block_size);
  return devices::find_losses(loop, disk, [&bar](std::uint64_t done, std::uint64_t all) {
    bar.set_all(all);
    bar.show(done);
  });
}

void print_records(const Losses& losses) {
  if (losses.first_lost_record == 0) return;
  fmt::print("the journal is damaged at record {}: records {} to {} are cut off\n", losses.first_lost_record,
             losses.first_lost_record, losses.last_lost_record);
  for (const devices::LostRecord& record : losses.lost_records)
    fmt::print("  record {}: {}\n", record.sequence, human_size(record.blocks * limits::block_size));
}

void print_losses(const Losses& losses) {
  fmt::print("{:<20}{:>16}\n", "checkpoint", grouped(losses.generation));
  fmt::print("{:<20}{:>16}\n", "devices", grouped(losses.devices));
  fmt::print("{:<20}{:>16}\n", "waiting records", grouped(losses.waiting_records));
  const bool any_records = losses.first_lost_record != 0;
  fmt::print("{:<20}{:>16}\n", "lost records",
             grouped(any_records ? losses.last_lost_record - losses.first_lost_record + 1 : 0));
  fmt::print("{:<20}{:>16}\n", "lost devices, up to", grouped(losses.lost_devices));
  fmt::print("{:<20}{:>16}\n", "lost ranges", grouped(losses.lost_range_count));
  print_records(losses);
  for (const devices::LostRange& range : losses.ranges) {
    const std::string owner = fmt::format("{} of \"{}\"", range.plane, range.device);
    fmt::print("{} (block {} of the store)\n",
               devices::describe_damage(owner, range.offset, range.size, range.is_map, range.is_readable), range.block);
  }
  if (losses.lost_range_count > losses.ranges.size())
    fmt::print("… and {} more\n", grouped(losses.lost_range_count - losses.ranges.size()));
  for (const std::string& line : losses.repairs) fmt::print("{}\n", line);
}

Json to_json(const Losses& losses) {
  Json records = Json::array();
  for (const devices::LostRecord& record : losses.lost_records)
    records.push_back({{"sequence", record.sequence}, {"size", record.blocks * limits::block_size}});
  Json lost_records;
  if (losses.first_lost_record != 0) {
    lost_records = {
        {"first", losses.first_lost_record}, {"last", losses.last_lost_record}, {"known", std::move(records)}};
  }
  Json ranges = Json::array();
  for (const devices::LostRange& range : losses.ranges) {
    ranges.push_back({{"device", range.device},
                      {"plane", range.plane},
                      {"offset", range.offset},
                      {"size", range.size},
                      {"is_map", range.is_map},
                      {"is_readable", range.is_readable},
                      {"block", range.block}});
  }
  return {{"checkpoint", losses.generation},
          {"devices", losses.devices},
          {"waiting_records", losses.waiting_records},
          {"lost_records", std::move(lost_records)},
          {"lost_devices_at_most", losses.lost_devices},
          {"lost_range_count", losses.lost_range_count},
          {"lost_ranges", std::move(ranges)},
          {"repairs", losses.repairs}};
}

std::expected<devices::CheckReport, std::string> check(io::Loop& loop, io::Disk& disk, const StoreOptions& options) {
  const auto store =
      vm::open_store(loop, disk, {.cache_bytes = options.cache_bytes, .read_only = true, .without_journal = true});
  if (!store) return std::unexpected(store.error());
  return devices::check(loop, **store, [](std::uint64_t, std::uint64_t) {});
}

/// What is to be said of the store when it is no longer open here.
struct Salvaged {
  std::optional<int> status;  ///< all has been said, and this is the exit status
  devices::CheckReport report;
  bool has_lost;
  Json json;
};

Salvaged salvage(const std::string& path, const StoreOptions& store, const SalvageOptions& options) {
  auto loop = open_loop(store);
  if (!loop) return {.status = fail(loop.error())};
  auto disk = io::FileDisk::open(**loop, path, options.dry_run ? io::OpenMode::read_only : io::OpenMode::read_write);
  if (!disk) return {.status = fail(disk.error())};
  const auto losses = find_losses(**loop, **disk);
  if (!losses) return {.status = fail(fmt::format("Cannot salvage {}: {}.", path, losses.error()))};
  Json json{{"salvage", to_json(*losses)}, {"dry_run", options.dry_run}};
  if (!options.json) print_losses(*losses);
  if (options.dry_run) {
    if (options.json) fmt::print("{}\n", to_text(json, 2));
    if (!options.json) fmt::print("{}\n", losses->none() ? "Nothing is damaged." : "Nothing was changed.");
    return {.status = losses->none() ? exit_done : exit_failed};
  }
  // What is lost has been said before it is gone.
  std::fflush(stdout);
  if (const auto salvaged = vm::salvage(**loop, **disk, *losses, store.cache_bytes); !salvaged)
    return {.status = fail(fmt::format("Cannot salvage {}: {}.", path, salvaged.error()))};
  auto report = check(**loop, **disk, store);
  if (!report) return {.status = fail(fmt::format("{} was salvaged and cannot be opened: {}.", path, report.error()))};
  return {.status = std::nullopt, .report = std::move(*report), .has_lost = !losses->none(), .json = std::move(json)};
}

}  // namespace

int salvage_store(const std::string& path, const StoreOptions& store, const SalvageOptions& options) {
  Salvaged done = salvage(path, store, options);
  if (done.status) return *done.status;
  const TablesReport tables = check_tables_of(path, store, done.report.problem_count > 0);
  const std::uint64_t problem_count = done.report.problem_count + tables.problem_count;
  if (!options.json) {
    print_tables(tables);
    return print_verdict(
        problem_count, all_problems(done.report.problems, tables), advice_for(tables),
        done.has_lost ? "Salvaged: what is listed is lost, and no other problem was found." : "No problem was found.");
  }
  done.json["check"] = cli::to_json(done.report);
  add_tables(done.json["check"], tables);
  fmt::print("{}\n", to_text(done.json, 2));
  return problem_count == 0 ? exit_done : exit_failed;
}

}  // namespace chimera::cli
