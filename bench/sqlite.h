#pragma once
// A connection to SQLite whose every failure ends the measurement, with SQLite's own words.

#include <sqlite3.h>

#include <string>
#include <utility>
#include <vector>

#include "bench/subject.h"

namespace chimera::bench {

/// Owns the connection and the statements that it has prepared.
class Sqlite {
 public:
  Sqlite() = default;
  ~Sqlite() { close(); }
  Sqlite(const Sqlite&) = delete;
  Sqlite& operator=(const Sqlite&) = delete;

  /// In WAL mode, with a cache of its own of so many bytes; `synchronous` is FULL or NORMAL.
  void open(const std::string& path, const std::string& synchronous, std::uint64_t cache) {
    require(sqlite3_open(path.c_str(), &database_) == SQLITE_OK);
    run("PRAGMA journal_mode=WAL");
    run("PRAGMA synchronous=" + synchronous);
    run("PRAGMA cache_size=-" + std::to_string(cache >> 10));
  }
  void close() {
    for (sqlite3_stmt* statement : statements_) sqlite3_finalize(statement);
    statements_.clear();
    sqlite3_close(std::exchange(database_, nullptr));
  }

  void run(const std::string& text) {
    require(sqlite3_exec(database_, text.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
  }
  /// Valid until `close`.
  sqlite3_stmt* prepare(const char* text) {
    sqlite3_stmt* statement = nullptr;
    require(sqlite3_prepare_v2(database_, text, -1, &statement, nullptr) == SQLITE_OK);
    return statements_.emplace_back(statement);
  }
  /// Runs a statement that gives no rows.
  void step(sqlite3_stmt* statement) {
    require(sqlite3_step(statement) == SQLITE_DONE);
    require(sqlite3_reset(statement) == SQLITE_OK);
  }
  /// The log goes into the file.
  void settle_log() { run("PRAGMA wal_checkpoint(TRUNCATE)"); }

  void require(bool good) {
    if (!good) fail(std::string("SQLite: ") + sqlite3_errmsg(database_));
  }

 private:
  sqlite3* database_ = nullptr;
  std::vector<sqlite3_stmt*> statements_;
};

}  // namespace chimera::bench
