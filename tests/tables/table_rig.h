#pragma once
// A table on a machine in memory.

#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <vector>

#include "tables/catalogue.h"
#include "tables/check_table.h"
#include "tables/open_table.h"
#include "tables/scan.h"
#include "tables/table.h"
#include "tests/tables/memory_ground.h"
#include "types/schema.h"

namespace chimera::tables::testing {

using types::Row;
using types::Value;

#define REQUIRE_OK(expression)                                                           \
  do {                                                                                   \
    const auto& outcome = (expression);                                                  \
    REQUIRE_MESSAGE(outcome.has_value(), ::chimera::tables::testing::words_of(outcome)); \
  } while (false)

[[nodiscard]] inline types::Relation relation_of(std::string_view schema) {
  auto parsed = types::parse_schema(schema, "schema");
  REQUIRE_MESSAGE(parsed.has_value(), (parsed ? std::string() : types::diagnostics_text(parsed.error())));
  return parsed->relations.at(0);
}

[[nodiscard]] inline Value i64(std::int64_t value) { return Value::of(value); }
[[nodiscard]] inline Value text(std::string value) { return Value::string(std::move(value)); }

inline constexpr const char* rig_table = "test/main/t";

[[nodiscard]] inline Table make_table(Link& link, std::string_view schema, const std::string& name = rig_table) {
  Catalogue catalogue(link);
  REQUIRE_OK(catalogue.create_table(name, relation_of(schema)));
  auto table = Table::open(link, name);
  REQUIRE_OK(table);
  return std::move(*table);
}

/// All rows of a scan.
[[nodiscard]] inline std::vector<Row> rows_of(Table& table, const ScanOptions& options = {}) {
  auto scan = table.scan(options);
  REQUIRE_OK(scan);
  std::vector<Row> all, rows;
  for (;;) {
    const auto some = scan->next(rows);
    REQUIRE_OK(some);
    if (!*some) return all;
    for (Row& row : rows) all.push_back(std::move(row));
  }
}

/// The first columns of rows, which are integers: "3 1 2".
[[nodiscard]] inline std::string ids_of(const std::vector<Row>& rows) {
  std::string ids;
  for (const Row& row : rows) {
    if (!ids.empty()) ids += ' ';
    ids += std::to_string(static_cast<std::int64_t>(row[0].as_signed()));
  }
  return ids;
}

/// What a check of a table tells.
[[nodiscard]] inline std::string problems_of(Link& link, const std::string& name = rig_table) {
  std::string problems;
  const auto report = check_table(link, name, [&](std::string problem) { problems += problem + "\n"; });
  REQUIRE_OK(report);
  return problems;
}

/// A table's devices, each with a snapshot of it.
using Snapshots = std::vector<std::pair<Uuid, Uuid>>;

[[nodiscard]] inline Snapshots snapshots_of(Link& link, Table& table) {
  const auto devices = std::as_const(table.opened().shape()).devices();
  std::vector<std::string> names;
  for (const auto& [device, uuid] : devices) names.push_back("before/" + device);
  std::vector<Program::DeviceName> named;
  for (std::size_t i = 0; i < names.size(); ++i) named.emplace_back(devices[i].second, names[i]);
  Script script;
  Answers answers;
  script.add(Program().snapshot(named));
  REQUIRE_OK(link.run(script, answers));
  const auto made = uuids_of(answers[0]);
  Snapshots snapshots;
  for (std::size_t i = 0; i < made.size(); ++i) snapshots.emplace_back(devices[i].second, made[i]);
  return snapshots;
}

/// Every device of the table goes back to its snapshot, all at one moment.
inline void roll_back(Link& link, const Snapshots& snapshots) {
  Program program;
  program.begin();
  for (const auto& [device, snapshot] : snapshots) program.roll_back_device(device, snapshot);
  Script script;
  Answers answers;
  script.add(program.commit());
  REQUIRE_OK(link.run(script, answers));
}

/// Calls back behind every script.
class WatchedLink final : public Link {
 public:
  WatchedLink(vm::Machine& machine, std::function<void()> after) : link_(machine), after_(std::move(after)) {}

  Result<> run(const Script& script, Answers& answers) override {
    auto done = link_.run(script, answers);
    after_();
    return done;
  }
  Ticket send(Script script) override { return link_.send(std::move(script)); }
  Result<> receive(Ticket ticket, Answers& answers) override { return link_.receive(ticket, answers); }

 private:
  links::SessionLink link_;
  std::function<void()> after_;
};

/// Goes away after a number of scripts.
class EndingLink final : public Link {
 public:
  EndingLink(vm::Machine& machine, unsigned scripts) : link_(machine), left_(scripts) {}
  Result<> run(const Script& script, Answers& answers) override {
    if (left_ == 0) return std::unexpected(Failure{Status::io_error, "The other side is gone."});
    --left_;
    return link_.run(script, answers);
  }
  Ticket send(Script script) override { return link_.send(std::move(script)); }
  Result<> receive(Ticket ticket, Answers& answers) override { return link_.receive(ticket, answers); }

 private:
  links::SessionLink link_;
  unsigned left_;
};

struct TableRig {
  explicit TableRig(std::string_view schema) : table(make_table(ground.link, schema)) {}

  [[nodiscard]] std::string ids(const ScanOptions& options) { return ids_of(rows_of(table, options)); }
  [[nodiscard]] std::string ids(const std::string& along, const std::string& where = {}, bool backwards = false) {
    return ids({.columns = {}, .where = where, .along = along, .backwards = backwards});
  }

  MemoryGround ground;
  Table table;
};

}  // namespace chimera::tables::testing
