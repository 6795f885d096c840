// The same tables in SQLite: WAL, synchronous=NORMAL, statements prepared once, everything in its own cache.
//
//   sqlite_inserts  file=PATH cache=BYTES rows=N size=BYTES order=rising|random batch=N  rows a second
//   sqlite_gets     file=PATH cache=BYTES rows=N size=BYTES seconds=S                    rows a second
//   sqlite_ranges   file=PATH cache=BYTES rows=N size=BYTES span=ROWS seconds=S          ranges a second
//   sqlite_sums     file=PATH cache=BYTES rows=N                                         rows a second
//   sqlite_space    file=PATH cache=BYTES rows=N size=BYTES                              bytes of its file

#include <sqlite3.h>

#include <filesystem>
#include <string>

#include "bench/sqlite.h"
#include "bench/subject.h"
#include "bench/table_rows.h"

namespace chimera::bench {
namespace {

class SqliteTable : public Subject {
 public:
  explicit SqliteTable(const Arguments& arguments)
      : rows_(arguments.number("rows")), path_(arguments.text("file")), cache_(arguments.number("cache")) {
    open();
  }

 protected:
  static constexpr std::uint64_t best_batch = 100'000;

  void open() {
    database_.open(path_, "NORMAL", cache_);
    database_.run("PRAGMA mmap_size=" + std::to_string(cache_));
  }
  void remove() {
    database_.close();
    for (const char* end : {"", "-wal", "-shm"}) std::filesystem::remove(path_ + end);
  }
  void fill(KeyOrder order, std::size_t size, std::uint64_t batch) {
    database_.run("CREATE TABLE t(key INTEGER PRIMARY KEY, value BLOB)");
    sqlite3_stmt* const put = database_.prepare("INSERT INTO t VALUES(?, ?)");
    KeyedValues source(rows_, order, size);
    while (source.left() > 0) {
      database_.run("BEGIN");
      for (std::uint64_t n = 0; n < batch && source.left() > 0; ++n) {
        const auto [key, value] = source.next();
        sqlite3_bind_int64(put, 1, key);
        sqlite3_bind_blob(put, 2, value.data(), static_cast<int>(value.size()), SQLITE_STATIC);
        database_.step(put);
      }
      database_.run("COMMIT");
    }
  }

  const std::uint64_t rows_;
  const std::string path_;
  const std::uint64_t cache_;
  Sqlite database_;
};

/// Each sample fills a file of its own. What its log holds is on the medium when the sample ends, as with ours.
class Inserts final : public SqliteTable {
 public:
  explicit Inserts(const Arguments& arguments)
      : SqliteTable(arguments),
        order_(order_of(arguments.text("order"))),
        size_(arguments.number("size")),
        batch_(arguments.number("batch")) {}

  double sample() override {
    remove();
    open();
    const Stopwatch watch;
    fill(order_, size_, batch_);
    return static_cast<double>(rows_) / watch.seconds();
  }

 private:
  const KeyOrder order_;
  const std::size_t size_;
  const std::uint64_t batch_;
};

class Gets final : public SqliteTable {
 public:
  explicit Gets(const Arguments& arguments)
      : SqliteTable(arguments), size_(arguments.number("size")), seconds_(arguments.seconds()), shuffle_(rows_) {
    fill(KeyOrder::rising, size_, best_batch);
    database_.settle_log();
    get_ = database_.prepare("SELECT value FROM t WHERE key = ?");
    for (std::uint64_t n = 0; n < rows_; ++n) get();
  }

  double sample() override {
    database_.run("BEGIN");  // its lock is taken once, not for each row
    const double rate = rate_of(seconds_, [this] {
      constexpr std::uint64_t at_once = 1000;
      for (std::uint64_t n = 0; n < at_once; ++n) get();
      return at_once;
    });
    database_.run("COMMIT");
    return rate;
  }

 private:
  void get() {
    sqlite3_bind_int64(get_, 1, static_cast<sqlite3_int64>(shuffle_.next()));
    database_.require(sqlite3_step(get_) == SQLITE_ROW);
    value_.assign(static_cast<const char*>(sqlite3_column_blob(get_, 0)),
                  static_cast<std::size_t>(sqlite3_column_bytes(get_, 0)));
    if (value_.size() != size_) fail("a row is not there");
    database_.require(sqlite3_reset(get_) == SQLITE_OK);
  }

  const std::size_t size_;
  const double seconds_;
  Shuffle shuffle_;
  sqlite3_stmt* get_ = nullptr;
  std::string value_;
};

class Ranges final : public SqliteTable {
 public:
  explicit Ranges(const Arguments& arguments)
      : SqliteTable(arguments),
        span_(arguments.number("span")),
        seconds_(arguments.seconds()),
        shuffle_(rows_ - span_) {
    fill(KeyOrder::rising, arguments.number("size"), best_batch);
    database_.settle_log();
    range_ = database_.prepare("SELECT key, value FROM t WHERE key BETWEEN ? AND ? ORDER BY key");
  }

  double sample() override {
    return rate_of(seconds_, [this] {
      const auto first = static_cast<sqlite3_int64>(shuffle_.next());
      sqlite3_bind_int64(range_, 1, first);
      sqlite3_bind_int64(range_, 2, first + static_cast<sqlite3_int64>(span_) - 1);
      rows_read_.clear();
      while (sqlite3_step(range_) == SQLITE_ROW) {
        rows_read_.emplace_back(sqlite3_column_int64(range_, 0),
                                std::string(static_cast<const char*>(sqlite3_column_blob(range_, 1)),
                                            static_cast<std::size_t>(sqlite3_column_bytes(range_, 1))));
      }
      database_.require(sqlite3_reset(range_) == SQLITE_OK);
      if (rows_read_.size() != span_) fail("a range has " + std::to_string(rows_read_.size()) + " rows");
      return std::uint64_t{1};
    });
  }

 private:
  const std::uint64_t span_;
  const double seconds_;
  Shuffle shuffle_;
  sqlite3_stmt* range_ = nullptr;
  std::vector<std::pair<std::int64_t, std::string>> rows_read_;
};

class Sums final : public SqliteTable {
 public:
  explicit Sums(const Arguments& arguments) : SqliteTable(arguments) {
    database_.run("CREATE TABLE t(key INTEGER PRIMARY KEY, chosen INTEGER, added INTEGER)");
    sqlite3_stmt* const put = database_.prepare("INSERT INTO t VALUES(?, ?, ?)");
    database_.run("BEGIN");
    for (std::uint64_t key = 0; key < rows_; ++key) {
      sqlite3_bind_int64(put, 1, static_cast<sqlite3_int64>(key));
      sqlite3_bind_int64(put, 2, chosen_of(key));
      sqlite3_bind_int64(put, 3, added_of(key));
      database_.step(put);
    }
    database_.run("COMMIT");
    database_.settle_log();
    sum_ = database_.prepare("SELECT sum(added) FROM t WHERE chosen < ?");
    sqlite3_bind_int64(sum_, 1, chosen_limit);
    sample();
  }

  double sample() override {
    const Stopwatch watch;
    database_.require(sqlite3_step(sum_) == SQLITE_ROW);
    const sqlite3_int64 sum = sqlite3_column_int64(sum_, 0);
    const double seconds = watch.seconds();
    database_.require(sqlite3_reset(sum_) == SQLITE_OK);
    if (sum != expected_sum(rows_)) fail("the sum is wrong");
    return static_cast<double>(rows_) / seconds;
  }

 private:
  sqlite3_stmt* sum_ = nullptr;
};

class Space final : public SqliteTable {
 public:
  explicit Space(const Arguments& arguments) : SqliteTable(arguments) {
    fill(KeyOrder::rising, arguments.number("size"), best_batch);
    database_.settle_log();
  }

  double sample() override { return static_cast<double>(std::filesystem::file_size(path_)); }
};

}  // namespace

std::unique_ptr<Subject> make_sqlite_inserts(const Arguments& arguments) {
  return std::make_unique<Inserts>(arguments);
}
std::unique_ptr<Subject> make_sqlite_gets(const Arguments& arguments) { return std::make_unique<Gets>(arguments); }
std::unique_ptr<Subject> make_sqlite_ranges(const Arguments& arguments) { return std::make_unique<Ranges>(arguments); }
std::unique_ptr<Subject> make_sqlite_sums(const Arguments& arguments) { return std::make_unique<Sums>(arguments); }
std::unique_ptr<Subject> make_sqlite_space(const Arguments& arguments) { return std::make_unique<Space>(arguments); }

}  // namespace chimera::bench
