// What a machine counts, and what it tells of it.

#include <doctest/doctest.h>

#include <array>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/devices/pool_rig.h"
#include "tests/vm/conversation.h"
#include "vm/measurements.h"

namespace chimera::vm::testing {
namespace {

using Json = nlohmann::ordered_json;

Json stats_of(Machine& machine) { return Json::parse(to_json(machine.measure())); }

/// What `describe store` answers in a session of its own.
Json described(Machine& machine) {
  Conversation asking(machine);
  const Reply reply = asking.ask(Program().describe_store());
  return Json::parse(reply.result.begin() + sizeof(std::uint32_t), reply.result.end());
}

std::uint64_t number(const Json& value) { return value.get<std::uint64_t>(); }

TEST_CASE("every instruction is counted once, by whichever way it went") {
  Desk desk;
  const Uuid device = desk.create("d", "size=1M");
  desk.one.ask(Program().write_bytes(device, 0, std::vector<std::uint8_t>(8192, 7)));
  Program program;
  program.select_offset(0);
  for (int n = 0; n < 1000; ++n) program.read_byte();             // runs within a block
  for (int n = 0; n < 70; ++n) program.read_byte(device, n);      // side by side
  for (int n = 0; n < 3; ++n) program.read_bytes(device, n, 10);  // one by one
  for (int n = 0; n < 20; ++n) program.read_block(device, 0);     // side by side
  for (int n = 0; n < 5; ++n) program.check_bytes(device, n, std::vector<std::uint8_t>(8, 7));
  program.read_bytes(device, 0, 8192)
      .read_byte(device, 1 << 20)
      .read_byte();  // too long; past the end; the cursor there
  const Json before = stats_of(desk.machine);
  const std::size_t answers = [&] {
    std::vector<std::uint8_t> bytes;
    desk.one.session().run(program.bytes(), bytes);
    return bytes.size();
  }();
  const Json after = stats_of(desk.machine);
  const auto passed = [&](const char* name, const char* label = nullptr) {
    const auto value = [&](const Json& stats) {
      return (label == nullptr ? stats[name] : stats[name][label]).get<std::uint64_t>();
    };
    return value(after) - value(before);
  };
  CHECK_EQ(passed("instructions_total", "read byte"), 1000 + 70 + 2);
  CHECK_EQ(passed("instructions_total", "read bytes"), 4);
  CHECK_EQ(passed("instructions_total", "read block"), 20);
  CHECK_EQ(passed("instructions_total", "write bytes"), 0);
  CHECK_EQ(passed("failures_total", "out of range"), 1);
  CHECK_EQ(passed("instructions_total", "check bytes"), 5);
  // The last is the one at the cursor. None goes the long way because a turn ends before it.
  CHECK_EQ(passed("short_reads_total"), 1000 + 70 + 3 + 20 + 5 + 1);
  CHECK_EQ(passed("instruction_bytes_total"), program.bytes().size());
  CHECK_EQ(passed("answer_bytes_total"), answers);
}

/// Reads, bytes read, writes, bytes written.
std::array<std::uint64_t, 4> traffic_of(const Json& stats, const char* device) {
  std::array<std::uint64_t, 4> figures{};
  std::size_t at = 0;
  for (const char* name :
       {"device_reads_total", "device_read_bytes_total", "device_writes_total", "device_written_bytes_total"}) {
    figures[at++] = stats[name].contains(device) ? number(stats[name][device]) : 0;
  }
  return figures;
}

TEST_CASE("what is done to a device is counted with it, by whichever way it went") {
  using Traffic = std::array<std::uint64_t, 4>;
  Desk desk;
  const Uuid device = desk.create("d", "size=1M");
  const Uuid other = desk.create("other \"d\"");
  desk.create("unused");
  std::array<std::uint8_t, 4096> block;
  block.fill(7);
  const auto after = [&](const Program& program) {
    desk.one.ask(program);
    return traffic_of(stats_of(desk.machine), "d");
  };
  CHECK_EQ(after(Program().write_bytes(device, 0, std::vector<std::uint8_t>(8192, 7))), Traffic{0, 0, 1, 8192});
  CHECK_EQ(after(Program().write_block(device, 8192, block)), Traffic{0, 0, 2, 12'288});
  CHECK_EQ(after(Program().swap_byte(device, 0, 8)), Traffic{1, 1, 3, 12'289});
  CHECK_EQ(after(Program().check_byte(device, 0, 8)), Traffic{2, 2, 3, 12'289});
  CHECK_EQ(after(Program().check_byte(device, 0, 9)), Traffic{2, 2, 3, 12'289});  // failed
  CHECK_EQ(after(Program().read_bytes(device, 0, 8192)), Traffic{3, 8194, 3, 12'289});
  CHECK_EQ(after(Program().read_digest(device, 0, 100)), Traffic{4, 8294, 3, 12'289});
  CHECK_EQ(after(Program().clear_extents(device, 0, 4096)), Traffic{4, 8294, 3, 12'289});
  // Blocks that are shared are not moved.
  CHECK_EQ(after(Program().copy_bytes(device, 0, other, 0, 4096)), Traffic{4, 8294, 3, 12'289});
  CHECK_EQ(after(Program().copy_bytes(device, 1, other, 0, 4096)), Traffic{5, 12'390, 3, 12'289});
  CHECK_EQ(traffic_of(stats_of(desk.machine), "other \"d\""), Traffic{0, 0, 1, 4096});
  CHECK_EQ(after(Program().append_bytes(other, bytes("abc"))), Traffic{5, 12'390, 3, 12'289});
  CHECK_EQ(traffic_of(stats_of(desk.machine), "other \"d\""), Traffic{0, 0, 2, 4099});

  Program hot;  // nothing of it takes the long way
  hot.select_offset(0);
  for (int n = 0; n < 1000; ++n) hot.read_byte();
  for (int n = 0; n < 70; ++n) hot.read_byte(device, n);
  for (int n = 0; n < 3; ++n) hot.read_bytes(device, n, 10);
  for (int n = 0; n < 20; ++n) hot.read_block(device, 8192);
  for (int n = 0; n < 5; ++n) hot.check_bytes(device, 8192, std::vector<std::uint8_t>(8, 7));
  hot.read_byte();
  std::vector<std::uint8_t> answers;
  desk.one.ask(Program().select_device(device));
  desk.one.session().run(hot.bytes(), answers);
  CHECK_EQ(traffic_of(stats_of(desk.machine), "d"),
           Traffic{5 + 1000 + 70 + 3 + 20 + 5 + 1, 12'390 + 1000 + 70 + 30 + 20 * 4096 + 40 + 1, 3, 12'289});
  CHECK(desk.one.session().read_at_once(device, 0, std::span(answers).first(100)));
  CHECK(desk.one.session().write_at_once(device, 0, bytes("abc")));
  CHECK_EQ(traffic_of(stats_of(desk.machine), "d"),
           Traffic{1105, 12'390 + 1000 + 70 + 30 + 20 * 4096 + 41 + 100, 4, 12'292});
  CHECK_FALSE(stats_of(desk.machine)["device_reads_total"].contains("unused"));
}

TEST_CASE("what a transaction has written counts, and what a journal does again does not") {
  using Traffic = std::array<std::uint64_t, 4>;
  devices::testing::PoolRig rig;
  const Uuid device = rig.create("d");
  rig.run_well(
      Program().begin().write_bytes(device, 0, bytes("abc")).create_device("new").write_byte(implied, 0, 1).commit());
  rig.run_well(Program().begin().write_bytes(device, 0, bytes("abcd")).abort());
  CHECK_EQ(traffic_of(stats_of(*rig.machine), "d"), Traffic{0, 0, 2, 7});
  CHECK_EQ(traffic_of(stats_of(*rig.machine), "new"), Traffic{0, 0, 1, 1});
  CHECK_GT(number(stats_of(*rig.machine)["journal_used_bytes"]), 0);
  rig.reopen();
  CHECK_EQ(traffic_of(stats_of(*rig.machine), "d"), Traffic{});
  rig.run_well(Program().read_bytes(device, 0, 3));
  CHECK_EQ(traffic_of(stats_of(*rig.machine), "d"), Traffic{1, 3, 0, 0});
}

TEST_CASE("of very many devices those are told that most has been done to") {
  Desk desk;
  for (std::size_t n = 1; n <= 60; ++n) {
    const Uuid device = desk.create(std::to_string(n));
    desk.one.ask(Program().write_bytes(device, 0, std::vector<std::uint8_t>(n, 7)));
  }
  const Json told = stats_of(desk.machine)["device_written_bytes_total"];
  CHECK_EQ(told.size(), 50);
  CHECK_EQ(number(told["60"]), 60);
  CHECK(told.contains("11"));
  CHECK_FALSE(told.contains("10"));
}

TEST_CASE("failures are counted by status, those of streams that end too") {
  Desk desk;
  desk.one.ask(Program().open_device("none"));
  std::vector<std::uint8_t> answers;
  desk.two.session().run(std::vector<std::uint8_t>{0x05}, answers);
  const Json failures = stats_of(desk.machine)["failures_total"];
  CHECK_EQ(number(failures["not found"]), 1);
  CHECK_EQ(number(failures["illegal instruction"]), 1);
  CHECK_EQ(number(failures["conflict"]), 0);
}

TEST_CASE("who waits is timed, who does not is not") {
  Desk quick;
  quick.create("d");
  quick.one.ask(Program().write_bytes(implied, 0, bytes("abc")));
  CHECK_EQ(number(stats_of(quick.machine)["wait_seconds"]["write"]["count"]), 0);

  devices::testing::PoolRig rig;
  const Uuid device = rig.create("d");
  rig.sync();
  rig.reopen();
  const Json before = stats_of(*rig.machine);
  std::vector<std::uint8_t> answers;
  rig.session->run(Program().write_byte(device, 0, 1).flush_device(device).read_byte(device, 0).bytes(), answers);
  const Json after = stats_of(*rig.machine);
  CHECK_EQ(number(after["flush_seconds"]["count"]), number(before["flush_seconds"]["count"]) + 1);
  CHECK_EQ(after["flush_seconds"]["buckets"].size(), 1);
  CHECK_GT(after["flush_seconds"]["sum"].get<double>(), 0.0);
  CHECK_EQ(number(after["wait_seconds"]["other"]["count"]), 0);

  rig.reopen();
  rig.session->run(Program().read_byte(device, 0).read_byte(device, 0).bytes(), answers);
  const Json cold = stats_of(*rig.machine);
  CHECK_EQ(number(cold["wait_seconds"]["other"]["count"]), 1);
  CHECK_EQ(number(cold["wait_seconds"]["write"]["count"]), 0);
  CHECK_GE(number(cold["cache_misses_total"]), 1);
  CHECK_GE(number(cold["cache_found_total"]), number(cold["cache_misses_total"]));
}

TEST_CASE("describe store tells the figures, and the store's own are those that it has told all along") {
  devices::testing::PoolRig rig;
  rig.create("d");
  const Json description = described(*rig.machine);
  const Json& stats = description["stats"];
  CHECK_EQ(number(stats["store_size_bytes"]), number(description["size"]));
  CHECK_EQ(number(stats["store_free_bytes"]), number(description["free"]));
  CHECK_EQ(number(stats["journal_used_bytes"]), number(description["journal"]["used"]));
  CHECK_EQ(number(stats["cache_misses_total"]), number(description["cache"]["misses"]));
  CHECK_EQ(number(stats["devices"]), 1);
  CHECK_EQ(number(stats["sessions"]), number(description["sessions"]));
  CHECK_EQ(number(stats["store_failed"]), 0);
  CHECK_GE(stats["checkpoint_age_seconds"].get<double>(), 0.0);
}

TEST_CASE("sources of others are told as long as they are there") {
  struct Source final : MeasurementSource {
    void measure(std::vector<Measurement>& all) const override {
      all.push_back({"guests", Measurement::Kind::gauge, "Guests", "kind", false, {{"old", 2}, {"new", 3}}});
    }
  } source;
  Desk desk;
  desk.machine.add_source(source);
  CHECK_EQ(described(desk.machine)["stats"]["guests"].dump(), R"({"old":2,"new":3})");
  desk.machine.remove_source(source);
  CHECK_FALSE(described(desk.machine)["stats"].contains("guests"));
}

}  // namespace
}  // namespace chimera::vm::testing
