// What others make durable: a value of `size` bytes put under a random key of a table of `rows` rows, `batch` of them
// in a transaction.
//
//   sqlite_upserts  file=PATH rows=N size=BYTES batch=N count=TRANSACTIONS cache=BYTES   values a second
//   lmdb_puts       file=PATH rows=N size=BYTES batch=N count=TRANSACTIONS               values a second

#include <lmdb.h>
#include <sqlite3.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "bench/sqlite.h"
#include "bench/subject.h"
#include "bench/workload.h"

namespace chimera::bench {
namespace {

/// Makes the table, and then puts values. What is put first is not counted.
class Upserts : public Subject {
 public:
  explicit Upserts(const Arguments& arguments)
      : rows_(arguments.number("rows")),
        batch_(arguments.number("batch")),
        count_(arguments.number("count")),
        value_(arguments.number("size"), 0x5A),
        shuffle_(rows_) {}

  double sample() override {
    const Stopwatch watch;
    for (std::uint64_t done = 0; done < count_; ++done) {
      begin();
      for (std::uint64_t n = 0; n < batch_; ++n) put(shuffle_.next(), next_value());
      commit();
    }
    return static_cast<double>(count_ * batch_) / watch.seconds();
  }

 protected:
  virtual void begin() = 0;
  virtual void put(std::uint64_t key, const std::vector<std::uint8_t>& value) = 0;
  virtual void commit() = 0;

  void fill() {
    constexpr std::uint64_t at_once = 10'000;
    for (std::uint64_t key = 0; key < rows_;) {
      begin();
      for (std::uint64_t n = 0; n < at_once && key < rows_; ++n) put(key++, next_value());
      commit();
    }
  }

 private:
  /// A different one each time: SQLite writes nothing where a value stays the same.
  const std::vector<std::uint8_t>& next_value() {
    ++number_;
    std::memcpy(value_.data(), &number_, sizeof number_);
    return value_;
  }

  std::uint64_t number_ = 0;
  std::uint64_t rows_;
  std::uint64_t batch_;
  std::uint64_t count_;
  std::vector<std::uint8_t> value_;
  Shuffle shuffle_;
};

class SqliteUpserts final : public Upserts {
 public:
  explicit SqliteUpserts(const Arguments& arguments) : Upserts(arguments) {
    database_.open(arguments.text("file"), "FULL", arguments.number("cache"));
    database_.run("CREATE TABLE rows(key INTEGER PRIMARY KEY, value BLOB)");
    begin_ = database_.prepare("BEGIN");
    commit_ = database_.prepare("COMMIT");
    put_ = database_.prepare("INSERT INTO rows VALUES(?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value");
    fill();
    database_.settle_log();
  }

 protected:
  void begin() override { database_.step(begin_); }
  void commit() override { database_.step(commit_); }
  void put(std::uint64_t key, const std::vector<std::uint8_t>& value) override {
    database_.require(sqlite3_bind_int64(put_, 1, static_cast<sqlite3_int64>(key)) == SQLITE_OK);
    database_.require(sqlite3_bind_blob(put_, 2, value.data(), static_cast<int>(value.size()), SQLITE_STATIC) ==
                      SQLITE_OK);
    database_.step(put_);
  }

 private:
  Sqlite database_;
  sqlite3_stmt* begin_ = nullptr;
  sqlite3_stmt* commit_ = nullptr;
  sqlite3_stmt* put_ = nullptr;
};

/// Its commits flush, unless it is told not to.
class LmdbPuts final : public Upserts {
 public:
  explicit LmdbPuts(const Arguments& arguments) : Upserts(arguments) {
    constexpr std::size_t most_bytes = std::size_t{16} << 30;
    require(mdb_env_create(&environment_));
    require(mdb_env_set_mapsize(environment_, most_bytes));
    require(mdb_env_open(environment_, arguments.text("file").c_str(), MDB_NOSUBDIR, 0600));
    begin();
    require(mdb_dbi_open(transaction_, nullptr, MDB_INTEGERKEY, &table_));
    commit();
    fill();
  }
  ~LmdbPuts() override { mdb_env_close(environment_); }

 protected:
  void begin() override { require(mdb_txn_begin(environment_, nullptr, 0, &transaction_)); }
  void commit() override { require(mdb_txn_commit(transaction_)); }
  void put(std::uint64_t key, const std::vector<std::uint8_t>& value) override {
    MDB_val at{sizeof key, &key};
    MDB_val bytes{value.size(), const_cast<std::uint8_t*>(value.data())};
    require(mdb_put(transaction_, table_, &at, &bytes, 0));
  }

 private:
  static void require(int error) {
    if (error != 0) fail(std::string("LMDB: ") + mdb_strerror(error));
  }

  MDB_env* environment_ = nullptr;
  MDB_txn* transaction_ = nullptr;
  MDB_dbi table_ = 0;
};

}  // namespace

std::unique_ptr<Subject> make_sqlite_upserts(const Arguments& arguments) {
  return std::make_unique<SqliteUpserts>(arguments);
}
std::unique_ptr<Subject> make_lmdb_puts(const Arguments& arguments) { return std::make_unique<LmdbPuts>(arguments); }

}  // namespace chimera::bench
