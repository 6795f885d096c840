// Chunks of rows with long values: what one program asks for is bounded however long they are.

#include <doctest/doctest.h>

#include <algorithm>

#include "tables/contents.h"
#include "tables/unreadable_row.h"
#include "tests/tables/table_rig.h"

namespace chimera::tables::testing {
namespace {

/// Tells the most that one script has asked for, in bytes.
class CountingLink final : public Link {
 public:
  explicit CountingLink(Link& under) : under_(under) {}
  Result<> run(const Script& script, Answers& answers) override {
    std::uint64_t bytes = 0;
    for (const Script::Question& question : script.questions()) {
      if (question.result_size != Script::Question::counted) bytes += question.result_size;
    }
    most_ = std::max(most_, bytes);
    return under_.run(script, answers);
  }
  Ticket send(Script script) override { return under_.send(std::move(script)); }
  Result<> receive(Ticket ticket, Answers& answers) override { return under_.receive(ticket, answers); }

  /// Since it was last asked.
  std::uint64_t take_most() { return std::exchange(most_, 0); }

 private:
  Link& under_;
  std::uint64_t most_ = 0;
};

constexpr std::size_t rows = 24;
/// Beside contents a program reads entries.
constexpr std::uint64_t bound = ContentBudget::most + (1 << 20);

TEST_CASE("a chunk asks for no more than its budget, however long the values are") {
  TableRig rig("relation t = struct { id: i64, body: string } key (id)");
  for (std::size_t i = 0; i < rows; ++i) {
    // Every third is short; the others look alike in their slots.
    const std::string body = i % 3 == 0 ? "aaaa" : std::string(4 << 20, 'a') + std::to_string(i);
    REQUIRE_OK(rig.table.insert({{i64(static_cast<std::int64_t>(i)), text(body)}}));
  }
  CountingLink link(rig.ground.link);
  auto table = Table::open(link, rig_table);
  REQUIRE_OK(table);
  for (const char* const along : {"rows", "key"}) {
    for (const bool backwards : {false, true}) {
      for (const char* const where : {"", "body > 'aaaab' or id >= 0"}) {
        CAPTURE(along);
        CAPTURE(backwards);
        CAPTURE(where);
        std::string expected;
        for (std::size_t n = 0; n < rows; ++n) {
          expected += (n == 0 ? "" : " ") + std::to_string(backwards ? rows - 1 - n : n);
        }
        static_cast<void>(link.take_most());
        auto scan = table->scan({.columns = {}, .where = where, .along = along, .backwards = backwards});
        REQUIRE_OK(scan);
        std::string ids;
        for (std::vector<Row> some;;) {
          const auto more = scan->next(some);
          REQUIRE_OK(more);
          if (!*more) break;
          for (const Row& row : some) {
            const auto id = static_cast<std::size_t>(row[0].as_signed());
            const std::size_t size = id % 3 == 0 ? 4 : (4 << 20) + std::to_string(id).size();
            REQUIRE_EQ(row[1].as_bytes().size(), size);
          }
          ids += (ids.empty() ? "" : " ") + ids_of(some);
        }
        CHECK_EQ(ids, expected);
        CHECK_LE(link.take_most(), bound);
      }
    }
  }
  // Conditions whose values have to be read, and rewriting them.
  const auto found = table->aggregate("id", "body > 'aaaa'");
  REQUIRE_OK(found);
  CHECK_EQ(found->rows, rows - rows / 3);
  CHECK_LE(link.take_most(), bound);
  const auto scan = rows_of(*table, {.columns = {"id"}, .where = "body > 'aaaa' and id > 20", .along = "rows"});
  CHECK_EQ(ids_of(scan), "22 23");
  CHECK_LE(link.take_most(), bound);
  REQUIRE_OK(table->compress_column("body", true));
  CHECK_LE(link.take_most(), bound);
  CHECK_EQ(rows_of(*table, {.columns = {"id"}, .where = "body > 'aaaa'"}).size(), rows - rows / 3);
  CHECK_EQ(problems_of(link), "");
}

/// Answers one script, which reads rows, as if what it reads were damaged.
class DamagedOnceLink final : public Link {
 public:
  explicit DamagedOnceLink(Link& under) : under_(under) {}
  Result<> run(const Script& script, Answers& answers) override {
    auto done = under_.run(script, answers);
    if (++scripts == damaged) done = std::unexpected(Failure{Status::corrupt, "The block is damaged.", 0});
    return done;
  }
  Ticket send(Script script) override { return under_.send(std::move(script)); }
  Result<> receive(Ticket ticket, Answers& answers) override { return under_.receive(ticket, answers); }
  std::size_t scripts = 0;
  std::size_t damaged = 0;  ///< the script, counted from 1; none: 0

 private:
  Link& under_;
};

TEST_CASE("chunks that were made small grow again where what was damaged is no longer") {
  TableRig rig("relation t = struct { id: i64 } key (id)");
  std::vector<Row> some;
  for (std::int64_t id = 0; id < 100'000; ++id) some.push_back({i64(id)});
  REQUIRE_OK(rig.table.insert(std::move(some)));
  const auto scripts = [&](std::size_t damaged) {
    DamagedOnceLink link(rig.ground.link);
    auto table = Table::open(link, rig_table);
    REQUIRE_OK(table);
    const std::size_t opened = link.scripts;
    if (damaged > 0) link.damaged = opened + damaged;
    CHECK_EQ(rows_of(*table, {.along = "rows"}).size(), 100'000);
    return link.scripts - opened;
  };
  const std::size_t sound = scripts(0);
  REQUIRE_GT(sound, 5);
  for (std::size_t damaged = 1; damaged < sound; ++damaged) {
    CAPTURE(damaged);
    CHECK_LE(scripts(damaged), sound + 3);
  }
}

/// The first columns, of all that the rest of a scan gives.
std::vector<std::int64_t> rest_of(Scan& scan) {
  std::vector<std::int64_t> ids;
  for (std::vector<Row> some;;) {
    const auto more = scan.next(some);
    REQUIRE_OK(more);
    if (!*more) return ids;
    for (const Row& row : some) ids.push_back(static_cast<std::int64_t>(row[0].as_signed()));
  }
}

std::vector<std::int64_t> from_to(std::int64_t first, std::int64_t end) {
  std::vector<std::int64_t> ids;
  for (; first != end; first += first < end ? 1 : -1) ids.push_back(first);
  return ids;
}

TEST_CASE("a scan goes on with the rows that are left, when others have given way or all have gone") {
  constexpr std::int64_t size = 40'000, chunk = 16'384;
  const auto grow = [](Table& table, std::int64_t first, std::int64_t end) {
    std::vector<Row> some;
    for (; first < end; ++first) some.push_back({i64(first)});
    REQUIRE_OK(table.insert(std::move(some)));
  };
  std::vector<Row> some;
  {
    TableRig ring("relation t = struct { id: i64 } circular 40000");
    grow(ring.table, 0, size);
    auto forwards = ring.table.scan({}), backwards = ring.table.scan({.backwards = true});
    REQUIRE(*forwards->next(some));
    REQUIRE_EQ(some.size(), chunk);
    REQUIRE(*backwards->next(some));
    grow(ring.table, size, size + 20'000);
    // What was the newest when it began is where it ends.
    CHECK((rest_of(*forwards) == from_to(20'000, size)));
    CHECK((rest_of(*backwards) == from_to(size - 1 - chunk, 19'999)));
    auto late = ring.table.scan({.backwards = true});
    REQUIRE(*late->next(some));
    grow(ring.table, size + 20'000, 2 * size + 20'000);
    CHECK(rest_of(*late).empty());
  }
  TableRig rig("relation t = struct { id: i64 }");
  grow(rig.table, 0, size);
  auto forwards = rig.table.scan({}), backwards = rig.table.scan({.backwards = true});
  REQUIRE(*forwards->next(some));
  REQUIRE(*backwards->next(some));
  REQUIRE_OK(rig.table.truncate());
  grow(rig.table, 0, 10);
  CHECK(rest_of(*forwards).empty());
  CHECK((rest_of(*backwards) == from_to(9, -1)));
}

/// Some scripts fail.
class FailingLink final : public Link {
 public:
  explicit FailingLink(Link& under) : under_(under) {}
  Result<> run(const Script& script, Answers& answers) override {
    unsigned& passing = script.changes() ? changes_pass : reads_pass;
    unsigned& failing = script.changes() ? changes_fail : reads_fail;
    if (passing > 0)
      --passing;
    else if (failing > 0)
      return --failing, std::unexpected(Failure{status, "It fails.", script.size() - 1});
    return under_.run(script, answers);
  }
  Ticket send(Script script) override { return under_.send(std::move(script)); }
  Result<> receive(Ticket ticket, Answers& answers) override { return under_.receive(ticket, answers); }

  Status status = Status::ok;
  unsigned reads_pass = 0, reads_fail = 0;
  unsigned changes_pass = 0, changes_fail = 0;

 private:
  Link& under_;
};

struct ManyRows : TableRig {
  ManyRows() : TableRig("relation t = struct { id: i64, v: i64 } key (id)"), link(ground.link) {
    std::vector<Row> many;
    for (std::int64_t id = 0; id < 5000; ++id) many.push_back({i64(id), i64(id)});
    REQUIRE_OK(table.insert(std::move(many)));
  }
  FailingLink link;
};

TEST_CASE("a change of many rows ends where the store no longer writes, and leaves out none for that") {
  ManyRows rig;
  auto table = Table::open(rig.link, rig_table);
  REQUIRE_OK(table);
  rig.link.status = Status::io_error;
  rig.link.changes_pass = 1;
  rig.link.changes_fail = 10'000;
  unsigned told = 0;
  const auto unreadable = [&](const UnreadableRow&) -> Result<> { return ++told, Result<>(); };
  const auto done = table->remove_where("v >= 0", unreadable);
  REQUIRE(!done.has_value());
  CHECK_EQ(done.error().status, Status::io_error);
  CHECK(done.error().words.starts_with("It fails.\nUp to then 2048 rows have been deleted"));
  CHECK_EQ(told, 0);
  // Where a block that is written in part is damaged it is of some rows alone.
  rig.link.status = Status::corrupt;
  rig.link.changes_fail = 11;
  const auto gone = table->update_where("v >= 0", {{"v", i64(7)}}, unreadable);
  REQUIRE_OK(gone);
  CHECK_EQ(*gone, 2952);
  CHECK_EQ(told, 0);
}

TEST_CASE("a change of many rows does not begin again behind one that it has told") {
  ManyRows rig;
  auto table = Table::open(rig.link, rig_table);
  REQUIRE_OK(table);
  rig.link.status = Status::corrupt;
  rig.link.reads_fail = 12;  // down to a row alone
  unsigned told = 0;
  const auto done = table->remove_where("v >= 0", [&](const UnreadableRow& row) -> Result<> {
    ++told;
    CHECK_EQ(row.number, 0);
    CHECK_EQ(row.problem, "It fails.");
    return rig.table.rename_column("v", "w");
  });
  REQUIRE(!done.has_value());
  CHECK_EQ(done.error().status, Status::conflict);
  CHECK_EQ(told, 1);
  CHECK_EQ(*rig.table.count(), 5000);
}

TEST_CASE("long values of two columns that lie in the same places of their heaps") {
  TableRig rig("relation t = struct { id: i64, a: string external, b: string external } key (id)");
  const std::string a(100, 'a'), b(100, 'b');
  REQUIRE_OK(rig.table.insert({{i64(1), text(a), text(b)}}));
  const auto row = rig.table.get({i64(1)});
  REQUIRE_OK(row);
  CHECK_EQ((**row)[1].as_bytes(), a);
  CHECK_EQ((**row)[2].as_bytes(), b);
}

TEST_CASE("a chunk has no more of compressed values than fit when they are no longer") {
  TableRig rig("relation t = struct { id: i64, body: string compressed } key (id)");
  for (std::int64_t id = 0; id < 4; ++id) {
    REQUIRE_OK(rig.table.insert({{i64(id), text(std::string(15 << 20, 'a'))}}));
  }
  auto scan = rig.table.scan({});
  REQUIRE_OK(scan);
  std::size_t all = 0;
  for (std::vector<Row> some; *scan->next(some);) {
    CHECK_LE(some.size(), ContentBudget::most / (15 << 20));
    all += some.size();
  }
  CHECK_EQ(all, 4);
}

TEST_CASE("a value that is larger than a chunk comes alone") {
  TableRig rig("relation t = struct { id: i64, body: string } key (id)");
  REQUIRE_OK(rig.table.insert({{i64(1), text("x")}, {i64(2), text("y")}, {i64(3), text("z")}}));
  for (int n = 0; n < 3; ++n) {
    REQUIRE_OK(rig.table.append_value({i64(2)}, "body", bytes_of(std::string(13 << 20, 'y'))));
  }
  auto scan = rig.table.scan({});
  REQUIRE_OK(scan);
  std::vector<std::string> chunks;
  for (std::vector<Row> some; *scan->next(some);) chunks.push_back(ids_of(some));
  CHECK_EQ(chunks, std::vector<std::string>{"1", "2", "3"});
}

}  // namespace
}  // namespace chimera::tables::testing
