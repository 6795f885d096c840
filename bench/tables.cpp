// Tables of ours, in this process. References that do the same: sqlite_tables.cpp, duckdb_tables.cpp.
//
//   table_inserts  store=PATH cache=BYTES rows=N size=BYTES order=rising|random          rows a second
//   table_gets     store=PATH cache=BYTES rows=N size=BYTES seconds=S                    rows a second
//   table_ranges   store=PATH cache=BYTES rows=N size=BYTES span=ROWS seconds=S          ranges a second
//   table_sums     store=PATH cache=BYTES rows=N                                         rows a second
//   table_space    store=PATH cache=BYTES rows=N size=BYTES                              bytes that a full table takes

#include <nlohmann/json.hpp>

#include "bench/embedded_store.h"
#include "bench/subject.h"
#include "bench/table_rows.h"
#include "bench/workload.h"
#include "isa/answer.h"
#include "links/session_link.h"
#include "tables/catalogue.h"
#include "tables/scan.h"
#include "tables/table.h"

namespace chimera::bench {
namespace {

using types::Row;
using types::Value;

template <typename Result>
auto require(Result&& result) {
  if (!result) fail("a table: " + result.error().words);
  if constexpr (!std::is_void_v<typename std::remove_cvref_t<Result>::value_type>) return std::move(*result);
}

constexpr char values_schema[] = "relation values = struct { key: i64, value: blob } key (key)";
constexpr char numbers_schema[] = "relation numbers = struct { key: i64, chosen: i64, added: i64 } key (key)";

/// A store with one session for tables.
class TableStore : public Subject {
 public:
  explicit TableStore(const Arguments& arguments)
      : rows_(arguments.number("rows")),
        store_(arguments.text("store"), arguments.number("cache")),
        link_(store_.machine()),
        catalogue_(link_) {}

 protected:
  tables::Table make_table(const std::string& name, const char* text) {
    const auto schema = types::parse_schema(text, "schema");
    if (!schema) fail(types::diagnostics_text(schema.error()));
    require(catalogue_.create_table(name, schema->relations.front()));
    return require(tables::Table::open(link_, name));
  }
  void fill(tables::Table& table, KeyOrder order, std::size_t size) {
    constexpr std::size_t at_once = 16384;
    KeyedValues source(rows_, order, size);
    std::vector<Row> rows;
    while (source.left() > 0) {
      rows.clear();
      while (rows.size() < at_once && source.left() > 0) {
        const auto [key, value] = source.next();
        Row& row = rows.emplace_back();
        row.reserve(2);
        row.push_back(Value::of<std::int64_t>(key));
        row.push_back(Value::blob(std::string(value)));
      }
      require(table.insert(std::move(rows)));
      rows = {};
    }
  }
  void fill_numbers(tables::Table& table) {
    constexpr std::size_t at_once = 32768;
    for (std::uint64_t key = 0; key < rows_;) {
      std::vector<Row> rows;
      rows.reserve(at_once);
      for (; rows.size() < at_once && key < rows_; ++key) {
        rows.push_back(
            {Value::of(static_cast<std::int64_t>(key)), Value::of(chosen_of(key)), Value::of(added_of(key))});
      }
      require(table.insert(std::move(rows)));
    }
  }
  [[nodiscard]] std::uint64_t used_bytes() {
    tables::Answers answers;
    tables::Script script;
    Program describe;
    describe.describe_store();
    script.add(describe);
    require(link_.run(script, answers));
    return nlohmann::json::parse(text_of(answers[0])).at("used").get<std::uint64_t>();
  }

  const std::uint64_t rows_;
  EmbeddedStore store_;
  links::SessionLink link_;
  tables::Catalogue catalogue_;
};

/// Each sample fills a table of its own. The last batch is durable when the sample ends, as all before it are.
class Inserts final : public TableStore {
 public:
  explicit Inserts(const Arguments& arguments)
      : TableStore(arguments), order_(order_of(arguments.text("order"))), size_(arguments.number("size")) {}

  double sample() override {
    const std::string name = "bench/inserts/t" + std::to_string(++samples_);
    tables::Table table = make_table(name, values_schema);
    const Stopwatch watch;
    fill(table, order_, size_);
    const double seconds = watch.seconds();
    require(catalogue_.drop_table(name));
    store_.await_freed();
    return static_cast<double>(rows_) / seconds;
  }

 private:
  const KeyOrder order_;
  const std::size_t size_;
  unsigned samples_ = 0;
};

class FullTable : public TableStore {
 public:
  explicit FullTable(const Arguments& arguments)
      : TableStore(arguments), table_(make_table("bench/main/values", values_schema)) {
    fill(table_, KeyOrder::rising, arguments.number("size"));
  }

 protected:
  tables::Table table_;
};

class Gets final : public FullTable {
 public:
  explicit Gets(const Arguments& arguments)
      : FullTable(arguments), size_(arguments.number("size")), seconds_(arguments.seconds()), shuffle_(rows_) {
    for (std::uint64_t n = 0; n < rows_; ++n) get();  // all of it comes near
  }

  double sample() override {
    return rate_of(seconds_, [this] {
      constexpr std::uint64_t at_once = 1000;
      for (std::uint64_t n = 0; n < at_once; ++n) get();
      return at_once;
    });
  }

 private:
  void get() {
    const auto key = static_cast<std::int64_t>(shuffle_.next());
    const auto row = require(table_.get({Value::of(key)}));
    if (!row || (*row)[1].as_bytes().size() != size_) fail("a row is not there");
  }

  const std::size_t size_;
  const double seconds_;
  Shuffle shuffle_;
};

class Ranges final : public FullTable {
 public:
  explicit Ranges(const Arguments& arguments)
      : FullTable(arguments), span_(arguments.number("span")), seconds_(arguments.seconds()), shuffle_(rows_ - span_) {}

  double sample() override {
    return rate_of(seconds_, [this] {
      const std::uint64_t first = shuffle_.next();
      auto scan = require(
          table_.scan({.where = "key between " + std::to_string(first) + " and " + std::to_string(first + span_ - 1),
                       .along = "key"}));
      std::uint64_t found = 0;
      while (require(scan.next(rows_read_))) {
        for (const Row& row : rows_read_) found += row[1].as_bytes().empty() ? 0 : 1;
      }
      if (found != span_) fail("a range has " + std::to_string(found) + " rows");
      return std::uint64_t{1};
    });
  }

 private:
  const std::uint64_t span_;
  const double seconds_;
  Shuffle shuffle_;
  std::vector<Row> rows_read_;
};

class Sums final : public TableStore {
 public:
  explicit Sums(const Arguments& arguments)
      : TableStore(arguments), table_(make_table("bench/main/numbers", numbers_schema)) {
    fill_numbers(table_);
    sample();
  }

  double sample() override {
    const Stopwatch watch;
    const auto found = require(table_.aggregate("added", "chosen < " + std::to_string(chosen_limit)));
    const double seconds = watch.seconds();
    if (static_cast<std::int64_t>(found.sum.as_signed()) != expected_sum(rows_)) fail("the sum is wrong");
    return static_cast<double>(rows_) / seconds;
  }

 private:
  tables::Table table_;
};

class Space final : public TableStore {
 public:
  explicit Space(const Arguments& arguments) : TableStore(arguments), size_(arguments.number("size")) {}

  double sample() override {
    if (bytes_ == 0) {
      const std::uint64_t before = used_bytes();
      tables::Table table = make_table("bench/main/values", values_schema);
      fill(table, KeyOrder::rising, size_);
      bytes_ = used_bytes() - before;
    }
    return static_cast<double>(bytes_);
  }

 private:
  const std::size_t size_;
  std::uint64_t bytes_ = 0;
};

}  // namespace

std::unique_ptr<Subject> make_table_inserts(const Arguments& arguments) { return std::make_unique<Inserts>(arguments); }
std::unique_ptr<Subject> make_table_gets(const Arguments& arguments) { return std::make_unique<Gets>(arguments); }
std::unique_ptr<Subject> make_table_ranges(const Arguments& arguments) { return std::make_unique<Ranges>(arguments); }
std::unique_ptr<Subject> make_table_sums(const Arguments& arguments) { return std::make_unique<Sums>(arguments); }
std::unique_ptr<Subject> make_table_space(const Arguments& arguments) { return std::make_unique<Space>(arguments); }

}  // namespace chimera::bench
