#include "tests/tables/table_model.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <vector>

#include "tables/table_header.h"
#include "tests/tables/table_rig.h"

namespace chimera::tables::testing {
namespace {

using types::Row;
using types::Value;

constexpr std::int64_t most_ids = 60;

/// Of an even number the array can be packed well, of an odd one hardly.
Value wide_value(const std::optional<std::uint64_t>& wide) {
  if (!wide) return {};
  constexpr std::size_t elements = 250;
  std::vector<Value> items;
  types::U128 element = *wide + 1;
  while (items.size() < elements) {
    items.push_back(Value::unsigned_integer(types::Kind::u128, element));
    if (*wide % 2 != 0) element = (element * 6364136223846793005u + 1442695040888963407u) * (element | 1);
  }
  return Value::array(std::move(items));
}

Row row_of(std::int64_t id, const ModelRow& row) {
  return {Value::of(id),
          Value::of(row.group),
          Value::string(row.name),
          row.amount ? Value::of(*row.amount) : Value(),
          row.code ? Value::string(*row.code) : Value(),
          Value::string(row.note),
          wide_value(row.wide)};
}

std::string random_text(io::SeededRandom& random, std::uint64_t longest) {
  // Short ones stand in their slots, some are just too long for that, few need more than a block.
  const std::uint64_t kinds[] = {random.below(4), random.below(13), 12 + random.below(3), random.below(300),
                                 random.below(longest)};
  std::string text(kinds[random.below(5)], 'a');
  for (char& c : text) c = static_cast<char>('a' + random.below(3));
  return text;
}

ModelRow random_row(io::SeededRandom& random) {
  ModelRow row;
  row.group = static_cast<std::uint16_t>(random.below(5));
  row.name = random_text(random, 900);
  row.note = random_text(random, 9000);
  if (random.chance(80)) row.amount = static_cast<std::int64_t>(random.below(40)) - 20;
  if (random.chance(80)) row.wide = random.below(10) * (random.chance(70) ? 2 : 1);
  if (random.chance(40)) row.code = fmt::format("code{}", random.below(100));
  return row;
}

std::int64_t random_id(io::SeededRandom& random) { return static_cast<std::int64_t>(random.below(most_ids)) - 10; }

bool has_code(const ModelTable& model, const std::optional<std::string>& code, std::int64_t but) {
  return code && std::ranges::any_of(model, [&](const auto& of) { return of.first != but && of.second.code == code; });
}

/// A condition, and what it means.
struct RandomCondition {
  std::string text;
  std::function<bool(std::int64_t, const ModelRow&)> holds;
};

RandomCondition random_leaf(io::SeededRandom& random) {
  const std::int64_t number = random_id(random);
  const std::string name = random_text(random, 300).substr(0, random.below(20));
  switch (random.below(9)) {
    case 0: return {fmt::format("id >= {}", number), [=](std::int64_t id, const ModelRow&) { return id >= number; }};
    case 1: return {fmt::format("{} > id", number), [=](std::int64_t id, const ModelRow&) { return id < number; }};
    case 2:
      return {fmt::format("id between {} and {}", number, number + 9),
              [=](std::int64_t id, const ModelRow&) { return id >= number && id <= number + 9; }};
    case 3:
      return {fmt::format("group in ({}, 3, 70000)", number + 10),
              [=](std::int64_t, const ModelRow& row) { return row.group == number + 10 || row.group == 3; }};
    case 4:
      return {fmt::format("name like '{}%'", name),
              [=](std::int64_t, const ModelRow& row) { return row.name.starts_with(name); }};
    case 5:
      return {fmt::format("name <= '{}'", name), [=](std::int64_t, const ModelRow& row) { return row.name <= name; }};
    case 6: return {"amount is not null", [](std::int64_t, const ModelRow& row) { return row.amount.has_value(); }};
    case 7:
      return {fmt::format("amount < {}.5", number), [=](std::int64_t, const ModelRow& row) {
                return row.amount && *row.amount <= number - (number < 0 ? 1 : 0);
              }};
    default:
      return {fmt::format("code = 'code{}'", number),
              [=](std::int64_t, const ModelRow& row) { return row.code == fmt::format("code{}", number); }};
  }
}

RandomCondition random_condition(io::SeededRandom& random) {
  RandomCondition one = random_leaf(random);
  if (random.chance(50)) return one;
  const RandomCondition other = random_leaf(random);
  if (random.chance(60)) {
    return {one.text + " and " + other.text,
            [=](std::int64_t id, const ModelRow& row) { return one.holds(id, row) && other.holds(id, row); }};
  }
  return {fmt::format("({} or {})", one.text, other.text),
          [=](std::int64_t id, const ModelRow& row) { return one.holds(id, row) || other.holds(id, row); }};
}

std::string shown(const ModelRow& row) {
  return fmt::format("(group {}, name of {} bytes, amount {}, code {}, wide {})", row.group, row.name.size(),
                     row.amount ? fmt::to_string(*row.amount) : "null", row.code.value_or("null"),
                     row.wide ? fmt::to_string(*row.wide) : "null");
}

/// Nothing that could be one where the array is none that was given.
std::optional<std::uint64_t> wide_of(const Value& value) {
  if (value.is_null()) return {};
  const std::uint64_t wide = value.items().at(0).low_bits() - 1;
  return value == wide_value(wide) ? wide : ~std::uint64_t{0};
}

std::optional<ModelRow> model_row(const Row& row) {
  ModelRow of;
  of.group = static_cast<std::uint16_t>(row[1].as_unsigned());
  of.name = row[2].as_bytes();
  if (!row[3].is_null()) of.amount = static_cast<std::int64_t>(row[3].as_signed());
  if (!row[4].is_null()) of.code = row[4].as_bytes();
  of.note = row[5].as_bytes();
  of.wide = wide_of(row[6]);
  return of;
}

std::string compare_row(std::int64_t id, const ModelRow& expected, const Row& row) {
  ModelRow found = *model_row(row);
  found.locked = expected.locked;
  if (found == expected) return {};
  return fmt::format("row {} is {}, not {}", id, shown(found), shown(expected));
}

template <typename Outcome>
std::string words(const char* what, const Outcome& outcome) {
  return outcome ? std::string() : fmt::format("{}: {}", what, outcome.error().words);
}

std::string expect_failure(const char* what, bool failed, Status found, Status expected) {
  if (failed && found == expected) return {};
  return fmt::format("{}: answered {} where {} was expected", what, failed ? status_text(found) : "ok",
                     status_text(expected));
}

/// Adds an index, or drops the one that there is.
std::string toggle_index(io::SeededRandom& random, Table& table) {
  const NewIndex index =
      random.chance(50) ? NewIndex{"amount", false, {"amount"}} : NewIndex{"both", true, {"group", "id"}};
  const auto added = table.add_index(index);
  if (added || added.error().status != Status::exists) return words("add an index", added);
  return words("drop an index", table.drop_index(index.name));
}

/// Compresses a column, or decompresses it, whatever it was.
std::string compress_some(io::SeededRandom& random, Table& table) {
  const char* const column = random.chance(70) ? "wide" : "note";
  return words("compress", table.compress_column(column, random.chance(60)));
}

std::string insert_some(io::SeededRandom& random, Table& table, ModelTable& model) {
  std::vector<Row> rows;
  ModelTable after = model;
  bool fits = true;
  for (std::uint64_t n = 1 + random.below(random.chance(20) ? 20 : 3); n > 0; --n) {
    const std::int64_t id = random_id(random);
    const ModelRow row = random_row(random);
    fits = fits && !after.contains(id) && !has_code(after, row.code, id);
    after[id] = row;
    rows.push_back(row_of(id, row));
  }
  const auto done = table.insert(std::move(rows));
  if (!fits) return expect_failure("insert", !done, done ? Status::ok : done.error().status, Status::exists);
  if (done) model = std::move(after);
  return words("insert", done);
}

std::string upsert_some(io::SeededRandom& random, Table& table, ModelTable& model) {
  std::vector<Row> rows;
  ModelTable given;
  for (std::uint64_t n = 1 + random.below(4); n > 0; --n) {
    const std::int64_t id = random_id(random);
    given[id] = random_row(random);
    rows.push_back(row_of(id, given[id]));
  }
  ModelTable after = model;
  bool locked = false, fits = true;
  for (const auto& [id, row] : given) {
    locked = locked || (model.contains(id) && model.at(id).locked);
    after[id] = row;
  }
  for (const auto& [id, row] : given) fits = fits && !has_code(after, row.code, id);
  const auto done = table.upsert(std::move(rows));
  if (locked) return expect_failure("upsert", !done, done ? Status::ok : done.error().status, Status::denied);
  if (!fits) return expect_failure("upsert", !done, done ? Status::ok : done.error().status, Status::exists);
  if (done) model = std::move(after);
  return words("upsert", done);
}

std::string get_one(io::SeededRandom& random, Table& table, const ModelTable& model) {
  const std::int64_t id = random_id(random);
  const auto row = table.get({Value::of(id)});
  if (!row) return words("get", row);
  const auto expected = model.find(id);
  if (row->has_value() != (expected != model.end())) return fmt::format("get: row {} is there in one of them only", id);
  return row->has_value() ? compare_row(id, expected->second, **row) : std::string();
}

std::string update_one(io::SeededRandom& random, Table& table, ModelTable& model) {
  const std::int64_t id = random_id(random), to = random.chance(30) ? random_id(random) : id;
  const ModelRow row = random_row(random);
  std::vector<Assignment> assignments = {{"name", Value::string(row.name)},
                                         {"amount", row.amount ? Value::of(*row.amount) : Value()},
                                         {"wide", wide_value(row.wide)}};
  if (to != id) assignments.push_back({"id", Value::of(to)});
  const auto done = table.update({Value::of(id)}, assignments);
  const auto found = model.find(id);
  if (found == model.end()) {
    return done && !*done
               ? std::string()
               : fmt::format("update: row {} is not there, and yet {}", id, done ? "true" : done.error().words);
  }
  if (found->second.locked) {
    return expect_failure("update", !done, done ? Status::ok : done.error().status, Status::denied);
  }
  if (to != id && model.contains(to)) {
    return expect_failure("update", !done, done ? Status::ok : done.error().status, Status::exists);
  }
  if (!done || !*done) return done ? "update: no row" : words("update", done);
  ModelRow changed = found->second;
  changed.name = row.name;
  changed.amount = row.amount;
  changed.wide = row.wide;
  model.erase(found);
  model[to] = changed;
  return {};
}

std::string remove_one(io::SeededRandom& random, Table& table, ModelTable& model) {
  const std::int64_t id = random_id(random);
  const auto done = table.remove({Value::of(id)});
  const auto found = model.find(id);
  if (found != model.end() && found->second.locked) {
    return expect_failure("remove", !done, done ? Status::ok : done.error().status, Status::denied);
  }
  if (!done) return words("remove", done);
  if (*done != (found != model.end())) return fmt::format("remove: row {} was there in one of them only", id);
  model.erase(id);
  return {};
}

std::string change_where(io::SeededRandom& random, Table& table, ModelTable& model) {
  const RandomCondition where = random_condition(random);
  const bool removes = random.chance(50);
  const std::int64_t amount = random_id(random);
  bool locked = false;
  std::uint64_t count = 0;
  for (const auto& [id, row] : model) {
    if (!where.holds(id, row)) continue;
    ++count;
    locked = locked || row.locked;
  }
  // Most of what there is would go otherwise.
  if (removes && count > 8) return {};
  const auto done =
      removes ? table.remove_where(where.text) : table.update_where(where.text, {{"amount", Value::of(amount)}});
  if (locked) return expect_failure("where", !done, done ? Status::ok : done.error().status, Status::denied);
  if (!done) return words("where", done);
  if (*done != count) return fmt::format("where {}: {} rows, not {}", where.text, *done, count);
  for (auto row = model.begin(); row != model.end();) {
    const bool meant = where.holds(row->first, row->second);
    if (meant && !removes) row->second.amount = amount;
    row = meant && removes ? model.erase(row) : std::next(row);
  }
  return {};
}

std::string mark_one(io::SeededRandom& random, Table& table, ModelTable& model) {
  const std::int64_t id = random_id(random);
  const bool locks = random.chance(30);
  const auto done = table.mark({Value::of(id)}, locks ? row_state::locked : 0, locks ? 0 : row_state::locked);
  if (!done) return words("mark", done);
  const auto found = model.find(id);
  if (*done != (found != model.end())) return "mark: the row is there in one of them only";
  if (found != model.end()) found->second.locked = locks;
  return {};
}

/// The ids that a scan finds, in its order.
std::string scan_ids(Table& table, const ScanOptions& options, std::vector<std::int64_t>& ids) {
  auto scan = table.scan(options);
  if (!scan) return words("scan", scan);
  std::vector<Row> rows;
  for (;;) {
    const auto some = scan->next(rows);
    if (!some) return words("scan", some);
    if (!*some) return {};
    for (const Row& row : rows) ids.push_back(static_cast<std::int64_t>(row[0].as_signed()));
  }
}

std::string scan_some(io::SeededRandom& random, Table& table, const ModelTable& model) {
  const RandomCondition where = random_condition(random);
  ScanOptions options;
  options.columns = {"id"};
  options.where = where.text;
  options.backwards = random.chance(50);
  const std::string ways[] = {"", "key", "rows", "group", "by_name"};
  options.along = ways[random.below(5)];
  std::vector<std::int64_t> found, expected;
  if (const std::string problem = scan_ids(table, options, found); !problem.empty()) return problem;
  for (const auto& [id, row] : model) {
    if (where.holds(id, row)) expected.push_back(id);
  }
  if (options.along == "key" && options.backwards) std::ranges::reverse(expected);
  if (options.along != "key") std::ranges::sort(found);
  if (found != expected) {
    return fmt::format("scan where {} along \"{}\": {} rows, not {}", where.text, options.along, found.size(),
                       expected.size());
  }
  const auto sum = table.aggregate("amount", where.text);
  if (!sum) return words("aggregate", sum);
  std::int64_t total = 0;
  std::uint64_t values = 0;
  for (const auto& [id, row] : model) {
    if (!where.holds(id, row) || !row.amount) continue;
    total += *row.amount;
    ++values;
  }
  const bool right = sum->rows == expected.size() && sum->values == values &&
                     (values == 0 ? sum->sum.is_null() : sum->sum.as_signed() == total);
  return right ? std::string() : fmt::format("the sum where {} is wrong", where.text);
}

}  // namespace

std::string random_operation(io::SeededRandom& random, Table& table, ModelTable& model) {
  switch (random.below(14)) {
    case 0:
    case 1:
    case 2: return insert_some(random, table, model);
    case 3:
    case 4: return upsert_some(random, table, model);
    case 5: return get_one(random, table, model);
    case 6: return update_one(random, table, model);
    case 7: return remove_one(random, table, model);
    case 8: return change_where(random, table, model);
    case 9: return mark_one(random, table, model);
    case 10:
      if (!random.chance(10)) return get_one(random, table, model);
      if (const auto done = table.truncate(); !done) return words("truncate", done);
      model.clear();
      return {};
    case 11: return random.chance(50) ? toggle_index(random, table) : get_one(random, table, model);
    case 12: return random.chance(70) ? compress_some(random, table) : scan_some(random, table, model);
    default: return scan_some(random, table, model);
  }
}

std::string compare_whole(Table& table, const ModelTable& model) {
  const auto count = table.count();
  if (!count) return words("count", count);
  if (*count != model.size()) return fmt::format("{} rows are counted, not {}", *count, model.size());
  for (const char* const along : {"rows", "key", "group", "by_name", "code"}) {
    ScanOptions options;
    options.along = along;
    auto scan = table.scan(options);
    if (!scan) return words("scan", scan);
    std::vector<Row> rows;
    std::size_t found = 0;
    for (;;) {
      const auto some = scan->next(rows);
      if (!some) return words("scan", some);
      if (!*some) break;
      for (const Row& row : rows) {
        const auto id = static_cast<std::int64_t>(row[0].as_signed());
        const auto expected = model.find(id);
        if (expected == model.end()) return fmt::format("along {}: row {} should not be there", along, id);
        if (const std::string problem = compare_row(id, expected->second, row); !problem.empty()) return problem;
        ++found;
      }
    }
    if (found != model.size()) return fmt::format("along {}: {} rows, not {}", along, found, model.size());
  }
  return {};
}

std::string run_model(std::uint64_t seed, std::size_t writers, std::size_t steps) {
  MemoryGround ground;
  std::vector<std::unique_ptr<links::SessionLink>> links;
  std::vector<Table> tables;
  tables.push_back(make_table(ground.link, model_schema));
  for (std::size_t n = 1; n < writers; ++n) {
    links.push_back(std::make_unique<links::SessionLink>(ground.machine));
    auto table = Table::open(*links.back(), rig_table);
    REQUIRE_OK(table);
    tables.push_back(std::move(*table));
  }
  io::SeededRandom random(seed);
  ModelTable model;
  std::string problem;
  for (std::size_t step = 0; step < steps; ++step) {
    problem = random_operation(random, tables[random.below(writers)], model);
    if (problem.empty() && step % 50 == 49) problem = compare_whole(tables[random.below(writers)], model);
    if (!problem.empty()) return fmt::format("seed {}, step {}: {}", seed, step, problem);
  }
  return problems_of(ground.link);
}

}  // namespace chimera::tables::testing
