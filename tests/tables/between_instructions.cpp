#include "tests/tables/between_instructions.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <functional>
#include <string>

#include "tables/open_table.h"
#include "tests/tables/split_link.h"
#include "tests/tables/table_rig.h"
#include "types/check.h"

namespace chimera::tables::testing {
namespace {

constexpr std::string_view schema = "relation t = struct { id: i64, name: string, n: i64 indexed } key (id)";

std::string name_of(const std::string& front) { return front + ", and so on, so that it does not fit a slot"; }

template <typename Value, typename Show>
std::string shown(const Result<Value>& result, const Show& show) {
  return result ? show(*result) : "failed: " + std::string(status_text(result.error().status));
}

std::string shown(const std::vector<Row>& rows) {
  std::string all;
  for (const Row& row : rows) {
    for (const Value& value : row) all += types::shown(value) + " ";
  }
  return all;
}

std::string scanned(Table& table, const ScanOptions& options) {
  auto scan = table.scan(options);
  std::vector<Row> rows, all;
  for (;;) {
    const auto some = scan ? scan->next(rows) : Result<bool>(std::unexpected(scan.error()));
    if (!some || !*some) return shown(some, [&](bool) { return shown(all); });
    for (Row& row : rows) all.push_back(std::move(row));
  }
}

/// What somebody may ask of a table.
const std::vector<std::function<std::string(Table&)>> questions{
    [](Table& table) {
      return shown(table.get({i64(1)}), [](const auto& row) { return row ? shown(std::vector<Row>{*row}) : "none"; });
    },
    [](Table& table) { return scanned(table, {.along = "rows"}); },
    [](Table& table) { return scanned(table, {.along = "key", .backwards = true}); },
    [](Table& table) { return scanned(table, {.where = "n = 7"}); },
    [](Table& table) {
      return shown(table.aggregate("n", "id < 5"), [](const Aggregate& found) {
        return fmt::format("{} {} {}", found.rows, types::shown(found.sum), types::shown(found.greatest));
      });
    },
    [](Table& table) {
      return shown(table.aggregate("", ""), [](const Aggregate& found) { return std::to_string(found.rows); });
    },
    [](Table& table) {
      return shown(table.read_value({i64(2)}, "name", 0, 100), [](const auto& bytes) { return text_of(bytes); });
    },
    [](Table& table) {  // somebody who has not opened it yet
      auto other = Table::open(table.link(), rig_table);
      return other ? scanned(*other, {.along = "key"}) : words_of(other);
    },
};

/// What others do to it meanwhile.
struct Meddler {
  std::function<void(Table&)> do_it;
  bool changes_shape = false;
};
const std::vector<Meddler> meddlers{
    {[](Table& table) {
      REQUIRE_OK(table.remove({i64(1)}));
      REQUIRE_OK(table.insert({{i64(9), text(name_of("nine")), i64(7)}}));  // with the number of the one that went
      REQUIRE_OK(table.upsert({{i64(2), text(name_of("another two")), i64(20)}}));
    }},
    {[](Table& table) { REQUIRE_OK(table.truncate()); }},
    {[](Table& table) {
       REQUIRE_OK(table.drop_column("name"));
       REQUIRE_OK(table.add_column({.name = "name", .type = types::Type::of(types::Kind::string), .nullable = true}));
     },
     true},
    {[](Table& table) {
       REQUIRE_OK(table.drop_index("n"));
       REQUIRE_OK(table.remove({i64(3)}));
     },
     true},
    {[](Table& table) {
       Catalogue catalogue(table.link());
       REQUIRE_OK(catalogue.drop_table(rig_table));
       table = make_table(table.link(), schema);
     },
     true},
};

struct Rig : TableRig {
  Rig() : TableRig(schema) {
    for (const std::int64_t id : {1, 2, 3}) {
      REQUIRE_OK(table.insert({{i64(id), text(name_of(std::to_string(id))), i64(id == 2 ? 2 : 7)}}));
    }
  }
};

/// Asks again and again, with the change one instruction later each time; `prepare` before each.
std::string ask(const std::function<std::string(Table&)>& question, bool changes_shape,
                const std::function<std::function<void()>(Rig&)>& prepare) {
  bool was_interrupted = true;
  for (std::size_t until = 0; was_interrupted; ++until) {
    Rig rig;
    SplitLink link(rig.ground.machine);
    auto table = Table::open(link, rig_table);
    REQUIRE_OK(table);
    static_cast<void>(question(*table));  // so that something is in memory
    const std::function<void()> change = prepare(rig);
    links::SessionLink own(rig.ground.machine);
    auto other = Table::open(own, rig_table);
    REQUIRE_OK(other);
    const std::string before = question(*other);
    link.until = until;
    link.then = change;
    const std::string found = question(*table);
    was_interrupted = !link.then;
    if (!was_interrupted) change();
    link.then = {};
    const std::string after = question(*other);
    const bool is_refused = changes_shape && found == "failed: mismatch";
    if (found != before && found != after && !is_refused) {
      return fmt::format("a change before instruction {}: before it {}, after it {}, but found is {}", until, before,
                         after, found);
    }
    if (question(*table) != after) return fmt::format("a change before instruction {} is not seen", until);
  }
  return {};
}

}  // namespace

std::string read_between_changes() {
  for (std::size_t i = 0; i < questions.size(); ++i) {
    for (const Meddler& meddler : meddlers) {
      const auto prepare = [&](Rig& rig) { return [&] { meddler.do_it(rig.table); }; };
      const std::string problem = ask(questions[i], meddler.changes_shape, prepare);
      if (!problem.empty()) return fmt::format("question {}: {}", i, problem);
    }
  }
  return {};
}

std::string read_between_rollbacks() {
  for (std::size_t i = 0; i < questions.size(); ++i) {
    const std::string problem = ask(questions[i], false, [](Rig& rig) {
      const Snapshots snapshots = snapshots_of(rig.ground.link, rig.table);
      meddlers[0].do_it(rig.table);
      return [&rig, snapshots] { roll_back(rig.ground.link, snapshots); };
    });
    if (!problem.empty()) return fmt::format("question {}: {}", i, problem);
  }
  return {};
}

}  // namespace chimera::tables::testing
