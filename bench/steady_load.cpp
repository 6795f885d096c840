// Commits beside a load that never pauses:
//
//   commit_latency  target=ADDRESS bytes=DEVICE rate=BLOCKS seconds=S percentile=P durable=flush|commit   seconds
//   fill_journal    target=ADDRESS bytes=DEVICE size=BYTES share=PERCENT                          nothing to measure
//
// The first has one client write `rate` random blocks a second, on a schedule that it catches up with, while another
// one makes 100 bytes at random places durable, one after the other; it gives that percentile of the time that takes.
// The second writes `size` bytes at random places until so much of the journal is in use.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bench/commits.h"
#include "bench/large_device.h"
#include "bench/subject.h"
#include "bench/workload.h"
#include "cli/endpoint.h"
#include "isa/builder.h"

namespace chimera::bench {
namespace {

using Clock = std::chrono::steady_clock;

std::unique_ptr<cli::Endpoint> connect(const Arguments& arguments) {
  auto client = cli::open_endpoint(arguments.text("target"), {});
  if (!client) fail(client.error());
  return std::move(*client);
}

/// Writes blocks from a thread of its own for as long as it lives.
class BackgroundWrites {
 public:
  BackgroundWrites(cli::Endpoint& client, Shuffle& places, std::uint64_t rate)
      : client_(client), places_(places), writes_(static_cast<std::uint32_t>(rate / ticks_a_second), block_size) {
    thread_ = std::thread([this] { work(); });
  }
  ~BackgroundWrites() {
    stops_ = true;
    thread_.join();
  }
  BackgroundWrites(const BackgroundWrites&) = delete;
  BackgroundWrites& operator=(const BackgroundWrites&) = delete;

 private:
  static constexpr std::uint64_t ticks_a_second = 500;

  void work() {
    auto due = Clock::now();
    while (!stops_) {
      for (std::uint32_t n = 0; n < writes_.count(); ++n) writes_.set_place(n, places_.next());
      client_.send_all(writes_.bytes());
      take_all(client_);
      due += std::chrono::microseconds(1'000'000 / ticks_a_second);
      std::this_thread::sleep_until(due);
    }
  }

  cli::Endpoint& client_;
  Shuffle& places_;
  WriteProgram writes_;
  std::atomic<bool> stops_ = false;
  std::thread thread_;
};

class CommitLatency final : public Subject {
 public:
  explicit CommitLatency(const Arguments& arguments)
      : blocks_(arguments.number("bytes") / block_size),
        rate_(arguments.number("rate")),
        seconds_(arguments.seconds()),
        percentile_(std::stod(arguments.text("percentile"))),
        commits_(durable_point(arguments)),
        client_(connect(arguments)),
        background_(connect(arguments)) {}

  double sample() override {
    constexpr std::size_t size = 100;
    const std::vector<std::uint8_t> payload(size, 0x5A);
    std::vector<double> took;
    const BackgroundWrites load(*background_, background_places_, rate_);
    for (const Stopwatch watch; watch.seconds() < seconds_;) {
      const std::uint64_t place = places_.next() * block_size;
      const Stopwatch commit;
      client_->send_all(make_durable(commits_, large::uuid(), [&](Program& program) {
                          program.write_bytes(large::uuid(), place, payload);
                        }).bytes());
      take_all(*client_);
      took.push_back(commit.seconds());
    }
    std::ranges::sort(took);
    const auto rank = static_cast<std::size_t>(std::ceil(percentile_ / 100 * static_cast<double>(took.size())));
    return took[std::clamp<std::size_t>(rank, 1, took.size()) - 1];
  }

 private:
  std::uint64_t blocks_;
  std::uint64_t rate_;
  double seconds_;
  double percentile_;
  DurablePoint commits_;
  Shuffle places_{blocks_};
  Shuffle background_places_{blocks_};
  std::unique_ptr<cli::Endpoint> client_;
  std::unique_ptr<cli::Endpoint> background_;
};

/// Percent of the journal that is in use.
std::uint64_t journal_share(cli::Endpoint& client) {
  const Program describe = Program().describe_store();
  const auto answer = client.ask(describe.bytes());
  if (!answer) fail(answer.error());
  const auto store = nlohmann::json::parse(text_of(*answer), nullptr, /*allow_exceptions=*/false);
  const auto journal = store.is_object() ? store.value("journal", nlohmann::json()) : nlohmann::json();
  if (!journal.is_object()) fail("the store has no journal");
  return journal.value("used", std::uint64_t{0}) * 100 / journal.value("size", std::uint64_t{1});
}

}  // namespace

std::unique_ptr<Subject> make_commit_latency(const Arguments& arguments) {
  return std::make_unique<CommitLatency>(arguments);
}

std::unique_ptr<Subject> fill_journal(const Arguments& arguments) {
  const auto client = connect(arguments);
  const std::vector<std::uint8_t> payload(arguments.number("size"), 0x5A);
  Shuffle places(arguments.number("bytes") / payload.size());
  while (journal_share(*client) < arguments.number("share")) {
    Program program;
    for (unsigned n = 0; n < 200; ++n) program.write_bytes(large::uuid(), places.next() * payload.size(), payload);
    client->send_all(program.flush_device(large::uuid()).bytes());
    take_all(*client);
  }
  return nullptr;
}

}  // namespace chimera::bench
