// What operations refuse, each in its own words: what they are given cannot be, though every byte of the table is
// right.

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

#include "tables/blob_writer.h"
#include "tables/collections/map.h"
#include "tables/open_table.h"
#include "tables/table_header.h"
#include "tests/tables/table_rig.h"

namespace chimera::tables::testing {
namespace {

template <typename Value>
void refused(const Result<Value>& result, Status status, std::string_view words) {
  REQUIRE_FALSE(result.has_value());
  CHECK_EQ(result.error().status, status);
  CHECK_MESSAGE(result.error().words.find(words) != std::string::npos, result.error().words);
}

TEST_CASE("relations whose text could not be read again are none of a table") {
  MemoryGround ground;
  Catalogue catalogue(ground.link);
  const auto refuse = [&](const types::Relation& relation, std::string_view words) {
    refused(catalogue.create_table(rig_table, relation), Status::bad_text, words);
  };
  types::Relation relation = relation_of("relation t = struct { id: i64, at: u8 nullable, name: string } key (id)");
  relation.append_by = 1;
  refuse(relation, "rows are appended by a whole number");
  relation.append_by = 2;
  refuse(relation, "rows are appended by a whole number");
  relation.append_by.reset();
  relation.circular = 0;
  refuse(relation, "The schema would not be sound: ");
  relation.circular = most_rows + 1;
  refuse(relation, "The schema would not be sound: ");
  relation.circular = most_rows;
  REQUIRE_OK(catalogue.create_table(rig_table, relation));
  types::Relation none;
  none.name = "t";
  refuse(none, "The schema would not be sound: ");
  // Made by hand, of places where there is no column, or of a name that its text would take apart.
  types::Relation strange = relation_of("relation t = struct { id: i64, name: string } key (id)");
  const types::Relation sound = strange;
  strange.key = {2};
  refuse(strange, "of a column that there is not");
  strange = sound;
  strange.indexes = {{.name = "i", .columns = {0, 2}}};
  refuse(strange, "of a column that there is not");
  strange.indexes = {{.name = "i", .columns = {}}};
  refuse(strange, "of a column that there is not");
  strange = sound;
  strange.append_by = 9;
  refuse(strange, "of a column that there is not");
  strange = sound;
  strange.columns[1].name = "a: u8, b";
  refuse(strange, "read as another one");
}

TEST_CASE("names that no namespace, database or table can have, and those that are not empty") {
  TableRig rig("relation t = struct { id: i64 } key (id)");
  Catalogue catalogue(rig.ground.link);
  refused(catalogue.create_namespace("a b"), Status::bad_text, "\"a b\" in \"a b\" is no identifier");
  refused(catalogue.create_database("a/"), Status::bad_text, "is no identifier");
  refused(catalogue.create_namespace("a/b"), Status::bad_text, "has 2 parts, and 1 were expected");
  refused(catalogue.drop_table("test/main"), Status::bad_text, "has 2 parts, and 3 were expected");
  refused(catalogue.create_table(rig_table, rig.table.relation()), Status::exists, "There is a table test/main/t");
  refused(catalogue.drop_database("test/main"), Status::denied, "There are tables in test/main");
  refused(catalogue.drop_namespace("test"), Status::denied, "There are databases in test");
}

/// A store whose maps contradict each other, so that it takes no change.
class ContradictingLink final : public Link {
 public:
  explicit ContradictingLink(vm::Machine& machine) : link_(machine) {}
  Result<> run(const Script& script, Answers& answers) override {
    if (script.changes()) return std::unexpected(Failure{Status::corrupt, "The maps contradict each other.", 1});
    return link_.run(script, answers);
  }
  Ticket send(Script script) override { return link_.send(std::move(script)); }
  Result<> receive(Ticket ticket, Answers& answers) override { return link_.receive(ticket, answers); }

 private:
  links::SessionLink link_;
};

TEST_CASE("rows that can be read are not told as damaged where the store takes no change") {
  TableRig rig("relation t = struct { id: i64, n: i64 } key (id)");
  for (std::int64_t id = 0; id < 5; ++id) REQUIRE_OK(rig.table.insert({{i64(id), i64(id)}}));
  ContradictingLink link(rig.ground.machine);
  auto table = Table::open(link, rig_table);
  REQUIRE_OK(table);
  std::size_t told = 0;
  const OnUnreadable tell = [&](const UnreadableRow&) {
    ++told;
    return Result<>();
  };
  const std::string words = "test/main/t: The maps contradict each other.";
  refused(table->update_where("n >= 0", {{"n", i64(7)}}, tell), Status::corrupt, words);
  refused(table->remove_where("n >= 0", tell), Status::corrupt, words);
  refused(table->remove_where("n >= 0"), Status::corrupt, words);
  CHECK_EQ(told, 0);
}

/// Changes something once, between two scripts of somebody else: before the first that changes anything.
class ForestalledLink final : public Link {
 public:
  ForestalledLink(vm::Machine& machine, std::function<void()> first) : link_(machine), first_(std::move(first)) {}
  Result<> run(const Script& script, Answers& answers) override {
    if (script.changes() && first_) std::exchange(first_, {})();
    return link_.run(script, answers);
  }
  Ticket send(Script script) override { return link_.send(std::move(script)); }
  Result<> receive(Ticket ticket, Answers& answers) override { return link_.receive(ticket, answers); }

 private:
  links::SessionLink link_;
  std::function<void()> first_;
};

TEST_CASE("a namespace or database is not dropped under a table that comes meanwhile, nor does one come without") {
  TableRig rig("relation t = struct { id: i64 } key (id)");
  Catalogue catalogue(rig.ground.link);
  REQUIRE_OK(catalogue.create_database("empty/main"));
  REQUIRE_OK(catalogue.create_namespace("bare"));
  const auto make = [&](const std::string& name) {
    return [&, name] { REQUIRE_OK(catalogue.create_table(name, rig.table.relation())); };
  };
  ForestalledLink one(rig.ground.machine, make("empty/main/t"));
  refused(Catalogue(one).drop_database("empty/main"), Status::denied, "There are tables in empty/main");
  ForestalledLink other(rig.ground.machine, make("bare/main/t"));
  refused(Catalogue(other).drop_namespace("bare"), Status::denied, "There are databases in bare");
  // And the other way round: the database goes while a table is made in it.
  REQUIRE_OK(catalogue.create_database("bare/second"));
  ForestalledLink third(rig.ground.machine, [&] { REQUIRE_OK(catalogue.drop_database("bare/second")); });
  REQUIRE_OK(Catalogue(third).create_table("bare/second/t", rig.table.relation()));
  const auto databases = catalogue.databases("bare");
  REQUIRE_OK(databases);
  CHECK_EQ(databases->size(), 2);
  // What comes while all goes, goes too.
  ForestalledLink fourth(rig.ground.machine, make("bare/late/t"));
  const auto dropped = Catalogue(fourth).drop_all("bare");
  REQUIRE_OK(dropped);
  CHECK_EQ(dropped->tables, 3);
  CHECK_EQ(dropped->databases, 3);
  REQUIRE_OK(catalogue.create_database("bare/empty"));
  ForestalledLink fifth(rig.ground.machine, make("bare/empty/t"));
  CHECK_EQ(Catalogue(fifth).drop_all("bare/empty")->tables, 1);
  ForestalledLink sixth(rig.ground.machine, [&] { REQUIRE_OK(catalogue.create_database("bare/late")); });
  CHECK_EQ(Catalogue(sixth).drop_all("bare")->databases, 1);
  CHECK_EQ(catalogue.namespaces()->size(), 3);
}

TEST_CASE("two sessions make the first tables of a store at the same time") {
  MemoryGround ground;
  const types::Relation relation = relation_of("relation t = struct { id: i64 } key (id)");
  ForestalledLink link(ground.machine,
                       [&] { REQUIRE_OK(Catalogue(ground.link).create_table("others/main/t", relation)); });
  REQUIRE_OK(Catalogue(link).create_table("mine/main/t", relation));
  CHECK_EQ(Catalogue(ground.link).tables()->size(), 5);
}

TEST_CASE("parts of values that cannot be written") {
  TableRig rig("relation t = struct { id: i64, name: string(20), code: function, tag: string indexed } key (id)");
  Table& table = rig.table;
  const std::string long_text(18, 'x');
  REQUIRE_OK(table.insert({{i64(1), text(long_text), Value::function("\xFB"), text("x")},
                           {i64(2), text("short"), Value::function(""), text("y")}}));
  const auto append = [&](std::int64_t id, const char* column, const std::string& bytes) {
    return table.append_value({i64(id)}, column, bytes_of(bytes));
  };
  const auto write = [&](std::int64_t id, const char* column, std::uint64_t offset, const std::string& bytes) {
    return table.write_value({i64(id)}, column, offset, bytes_of(bytes));
  };
  const std::string too_much(Table::most_value_bytes + 1, 'x');
  refused(append(1, "name", too_much), Status::too_large, "at a time are too many");
  refused(write(1, "name", 0, too_much), Status::too_large, "at a time are too many");
  refused(append(1, "name", "xyz"), Status::too_large, "Column name holds 20 bytes at most");
  refused(append(2, "name", std::string(16, 'x')), Status::too_large, "Column name holds 20 bytes at most");
  refused(append(1, "name", "\xFF"), Status::bad_text, "not well-formed UTF-8");
  refused(append(1, "code", "\x02"), Status::bad_text, "no whole instruction");
  refused(write(1, "code", 0, "\xFB"), Status::unsupported, "A function is written as a whole");
  refused(append(1, "tag", "x"), Status::denied, "is part of the index tag");
  refused(append(1, "id", "x"), Status::unsupported, "Column id is i64");
  for (const std::uint64_t offset : {std::uint64_t{18}, std::uint64_t{19}, std::numeric_limits<std::uint64_t>::max()}) {
    refused(write(1, "name", offset, "x"), Status::out_of_range, "The value has 18 bytes");
    refused(write(2, "name", offset, "x"), Status::out_of_range, "The value has 5 bytes");
  }
  REQUIRE_OK(table.compress_column("name", true));
  REQUIRE_OK(table.compress_column("name", false));
  REQUIRE_OK(write(1, "name", 1, "abcdef"));  // its front stands in the slot too
  CHECK_EQ(rig.ids("rows", "name like 'xabcdefx%'"), "1");
  REQUIRE_OK(table.mark({i64(1)}, row_state::locked, 0));
  refused(append(1, "name", "x"), Status::denied, "Row 0 of test/main/t is locked");
  refused(write(1, "name", 0, "x"), Status::denied, "Row 0 of test/main/t is locked");
  CHECK_EQ(problems_of(rig.ground.link), "");
}

TEST_CASE("a compressed value is not written in part") {
  TableRig rig("relation t = struct { id: i64, name: string compressed } key (id)");
  REQUIRE_OK(rig.table.insert({{i64(1), text(std::string(1000, 'x'))}}));
  refused(rig.table.write_value({i64(1)}, "name", 0, bytes_of("y")), Status::unsupported, "The value is compressed");
}

TEST_CASE("what a writer of a value refuses, at its beginning, while it goes on, and at its end") {
  TableRig rig("relation t = struct { id: i64, name: blob, small: string(20), code: function } key (id)");
  Table& table = rig.table;
  const std::string bytes(30, 'x');
  REQUIRE_OK(table.insert({{i64(1), Value::blob(""), text(""), Value::function("")}}));
  refused(BlobWriter::begin(table, {i64(1)}, "code"), Status::unsupported, "is of functions, which are put as a whole");
  auto small = BlobWriter::begin(table, {i64(1)}, "small");
  REQUIRE_OK(small);
  REQUIRE_OK(small->add(bytes_of("0123456789")));
  REQUIRE_OK(small->add(bytes_of("0123456789")));
  refused(small->add(bytes_of("0")), Status::too_large, "Column small holds 20 bytes at most");
  auto writer = BlobWriter::begin(table, {i64(1)}, "name");
  REQUIRE_OK(writer);
  REQUIRE_OK(writer->add(bytes_of(bytes)));
  REQUIRE_OK(table.mark({i64(1)}, row_state::locked, 0));
  refused(BlobWriter::begin(table, {i64(1)}, "name"), Status::denied, "Row 0 of test/main/t is locked");
  refused(writer->finish(), Status::denied, "Row 0 of test/main/t is locked");
  CHECK_EQ(table.value_size({i64(1)}, "name").value(), 0);
  CHECK_EQ(problems_of(rig.ground.link), "");
}

TEST_CASE("assignments that cannot be") {
  TableRig rig("relation t = struct { id: i64, n: u8 } key (id)");
  REQUIRE_OK(rig.table.insert({{i64(1), Value::of(std::uint8_t{1})}}));
  refused(rig.table.update({i64(1)}, {{"n", i64(2)}, {"n", i64(3)}}), Status::bad_text, "Column n is assigned twice");
  refused(rig.table.update({i64(1)}, {{"n", i64(300)}}), Status::bad_text, "Column n: 300 does not fit u8");
  CHECK_EQ(problems_of(rig.ground.link), "");
}

}  // namespace
}  // namespace chimera::tables::testing
