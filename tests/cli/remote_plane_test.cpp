// Damage searched for through the instruction set alone, against an endpoint that knows where it is and counts what it
// is asked.

#include "cli/remote_plane.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <vector>

#include "isa/bytes.h"
#include "isa/limits.h"
#include "tests/cli/instructions.h"

using namespace chimera;
using namespace chimera::cli;
using chimera::cli::testing::for_each_instruction;

namespace {

constexpr std::uint64_t block = limits::block_size;
constexpr std::uint64_t mebi = 1 << 20;

struct Stretch {
  std::uint64_t begin, end;
  [[nodiscard]] bool meets(std::uint64_t from, std::uint64_t to) const { return begin < to && from < end; }
};

/// A device that is all data, with damaged blocks, and with stretches whose maps are damaged.
class DamagedEndpoint final : public Endpoint {
 public:
  std::vector<std::uint64_t> bad_blocks;  ///< their offsets
  std::vector<Stretch> bad_maps;
  Status how = Status::corrupt;
  std::size_t questions = 0;

  std::expected<Answer, std::string> receive() override {
    const Instruction asked = asked_.front();
    asked_.pop_front();
    const std::uint64_t end = asked.offset + asked.count;
    const bool wants_extents = asked.operation == Operation::read_extents;
    const auto meets = [&](const Stretch& stretch) { return stretch.meets(asked.offset, end); };
    const auto holds = [&](std::uint64_t bad) { return Stretch{bad, bad + block}.meets(asked.offset, end); };
    const bool is_bad =
        std::ranges::any_of(bad_maps, meets) || (!wants_extents && std::ranges::any_of(bad_blocks, holds));
    stream_.assign(1, static_cast<std::uint8_t>(is_bad ? how : Status::ok));
    if (is_bad) {
      append_integer(stream_, std::uint16_t{0});
    } else if (wants_extents) {
      append_integer(stream_, std::uint32_t{1});
      append_integer(stream_, asked.count);
      append_integer(stream_, std::uint32_t{0});
    } else {
      stream_.resize(1 + 32);  // a digest
    }
    Answer answer;
    REQUIRE(parse_next(stream_, answer).kind == ParsedAnswer::Kind::complete);
    return answer;
  }

  std::expected<void, std::string> close() override { return {}; }

 private:
  void send_bytes(std::span<const std::uint8_t> bytes) override {
    for_each_instruction(bytes, [&](const Instruction& instruction) {
      asked_.push_back(instruction);
      ++questions;
    });
  }

  std::deque<Instruction> asked_;
  std::vector<std::uint8_t> stream_;
};

class Findings final : public PlaneReport {
 public:
  std::uint64_t verified_bytes = 0;
  std::vector<DamagedRange> ranges;
  std::size_t refusals = 0;

  void verified(std::uint64_t bytes) override { verified_bytes += bytes; }
  void damaged(const DamagedRange& range) override {
    if (!ranges.empty()) CHECK(ranges.back().end <= range.begin);
    ranges.push_back(range);
  }
  void refused(std::uint64_t, const Answer&) override { ++refusals; }
};

void check(DamagedEndpoint& endpoint, std::uint64_t length, Findings& findings) {
  PlaneCheck plane(
      endpoint,
      {.extents = [](Program& p, std::uint64_t offset, std::uint64_t count) { p.read_extents(implied, offset, count); },
       .verify = [](Program& p, std::uint64_t offset, std::uint64_t count) { p.read_digest(Uuid{}, offset, count); },
       .piece = 16 * mebi},
      findings);
  REQUIRE(plane.run(length).has_value());
}

}  // namespace

TEST_CASE("each damaged block is found, and all else verified") {
  DamagedEndpoint endpoint;
  Findings findings;
  const std::uint64_t length = 50 * mebi + 5;
  endpoint.bad_blocks = {0, 7 * block, 8 * block, 16 * mebi - block, 16 * mebi, 50 * mebi};
  SUBCASE("corrupt") {}
  SUBCASE("unreadable") { endpoint.how = Status::io_error; }
  check(endpoint, length, findings);
  REQUIRE(findings.ranges.size() == endpoint.bad_blocks.size());
  for (std::size_t n = 0; n < findings.ranges.size(); ++n) {
    CHECK(findings.ranges[n].begin == endpoint.bad_blocks[n]);
    CHECK(findings.ranges[n].end == endpoint.bad_blocks[n] + block);
    CHECK_FALSE(findings.ranges[n].is_map);
    CHECK(findings.ranges[n].is_readable == (endpoint.how == Status::corrupt));
  }
  CHECK(findings.verified_bytes == length - 5 * block - 5);
  CHECK(endpoint.questions < 200);
}

TEST_CASE("a block of a map that is damaged hides no more than it leads to") {
  DamagedEndpoint endpoint;
  Findings findings;
  endpoint.bad_maps = {{3 * mebi, 4 * mebi}};
  endpoint.bad_blocks = {40 * mebi};
  check(endpoint, 64 * mebi, findings);
  REQUIRE(findings.ranges.size() == 2);
  CHECK(findings.ranges[0].begin == 3 * mebi);
  CHECK(findings.ranges[0].end == 4 * mebi);
  CHECK(findings.ranges[0].is_map);
  CHECK(findings.ranges[1].begin == 40 * mebi);
  CHECK(findings.verified_bytes == 63 * mebi - block);
}

TEST_CASE("a damaged root of an endless device is not searched for ever") {
  DamagedEndpoint endpoint;
  Findings findings;
  const std::uint64_t length = limits::greatest_length;
  endpoint.bad_maps = {{0, length}};
  check(endpoint, length, findings);
  REQUIRE(findings.ranges.size() == 1);
  CHECK(findings.ranges[0].begin == 0);
  CHECK(findings.ranges[0].end == length);
  CHECK(endpoint.questions < 100);
}

TEST_CASE("where all is damaged the search comes to an end") {
  DamagedEndpoint endpoint;
  Findings findings;
  endpoint.bad_maps = {};
  for (std::uint64_t offset = 0; offset < 16 * mebi; offset += block) endpoint.bad_blocks.push_back(offset);
  check(endpoint, 16 * mebi, findings);
  CHECK(findings.ranges.size() == 4096);
  CHECK(findings.verified_bytes == 0);
  CHECK(endpoint.questions < 2 * 4096 + 10);
}

TEST_CASE("other answers are no damage, and a device that has gone is left") {
  DamagedEndpoint endpoint;
  Findings findings;
  endpoint.bad_blocks = {0};
  SUBCASE("refused") {
    endpoint.how = Status::out_of_range;
    check(endpoint, 32 * mebi, findings);
    CHECK(findings.refusals == 1);
    CHECK(findings.verified_bytes == 16 * mebi);
  }
  SUBCASE("gone") {
    endpoint.how = Status::not_found;
    check(endpoint, 32 * mebi, findings);
    CHECK(findings.refusals == 0);
    CHECK(findings.verified_bytes == 0);
  }
  CHECK(findings.ranges.empty());
}
