// The same sum in DuckDB, whose library is loaded if there is one: Debian has no package of it. Only what is declared
// here is used of its C interface (https://duckdb.org/docs/stable/clients/c/api, as of 1.5).
//
//   duckdb_sums  library=PATH rows=N   rows a second, in memory, with as many threads as it likes

#include <dlfcn.h>

#include <array>
#include <string>

#include "bench/subject.h"
#include "bench/table_rows.h"

namespace chimera::bench {
namespace {

struct DuckResult {
  std::array<std::uint64_t, 6> opaque;
};

class Library {
 public:
  explicit Library(const std::string& path) : handle_(::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {
    if (handle_ == nullptr) fail(std::string("DuckDB's library cannot be loaded: ") + ::dlerror());
  }
  template <typename Function>
  void find(const char* name, Function*& function) const {
    function = reinterpret_cast<Function*>(::dlsym(handle_, name));
    if (function == nullptr) fail(std::string("DuckDB's library has no ") + name);
  }

 private:
  void* handle_;
};

class Sums final : public Subject {
 public:
  explicit Sums(const Arguments& arguments) : library_(arguments.text("library")), rows_(arguments.number("rows")) {
    int (*open)(const char*, void**) = nullptr;
    int (*connect)(void*, void**) = nullptr;
    library_.find("duckdb_open", open);
    library_.find("duckdb_connect", connect);
    library_.find("duckdb_query", query_);
    library_.find("duckdb_value_int64", value_);
    library_.find("duckdb_destroy_result", destroy_);
    void* database = nullptr;
    require(open(nullptr, &database) == 0 && connect(database, &connection_) == 0);
    fill();
    sample();
  }

  double sample() override {
    const std::string text = "SELECT sum(added) FROM t WHERE chosen < " + std::to_string(chosen_limit);
    const Stopwatch watch;
    DuckResult result{};
    require(query_(connection_, text.c_str(), &result) == 0);
    const std::int64_t sum = value_(&result, 0, 0);
    const double seconds = watch.seconds();
    destroy_(&result);
    if (sum != expected_sum(rows_)) fail("the sum is wrong");
    return static_cast<double>(rows_) / seconds;
  }

 private:
  static void require(bool good) {
    if (!good) fail("DuckDB: a call failed");
  }
  void fill() {
    int (*create)(void*, const char*, const char*, void**) = nullptr;
    int (*append)(void*, std::int64_t) = nullptr;
    int (*end_row)(void*) = nullptr;
    int (*destroy)(void**) = nullptr;
    library_.find("duckdb_appender_create", create);
    library_.find("duckdb_append_int64", append);
    library_.find("duckdb_appender_end_row", end_row);
    library_.find("duckdb_appender_destroy", destroy);
    require(query_(connection_, "CREATE TABLE t(key BIGINT PRIMARY KEY, chosen BIGINT, added BIGINT)", nullptr) == 0);
    void* appender = nullptr;
    require(create(connection_, nullptr, "t", &appender) == 0);
    for (std::uint64_t key = 0; key < rows_; ++key) {
      append(appender, static_cast<std::int64_t>(key));
      append(appender, chosen_of(key));
      append(appender, added_of(key));
      require(end_row(appender) == 0);
    }
    require(destroy(&appender) == 0);
  }

  Library library_;
  const std::uint64_t rows_;
  void* connection_ = nullptr;
  int (*query_)(void*, const char*, DuckResult*) = nullptr;
  std::int64_t (*value_)(DuckResult*, std::uint64_t, std::uint64_t) = nullptr;
  void (*destroy_)(DuckResult*) = nullptr;
};

}  // namespace

std::unique_ptr<Subject> make_duckdb_sums(const Arguments& arguments) { return std::make_unique<Sums>(arguments); }

}  // namespace chimera::bench
