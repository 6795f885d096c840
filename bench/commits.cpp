// Programs that are durable when they are answered:
//
//   commits   target=STORE|ADDRESS bytes=DEVICE clients=N count=PROGRAMS writes=N size=BYTES durable=flush|commit
//             cache=BYTES warm=0|1
//             writes a second
//
// `cache` is for a store; with `warm` the device is read once before.
// Each program writes `size` bytes at `writes` random places of the large device, and makes that durable. Each client
// has one program under way.

#include "bench/commits.h"

#include <memory>
#include <vector>

#include "bench/large_device.h"
#include "bench/subject.h"
#include "bench/workload.h"
#include "cli/endpoint.h"
#include "isa/builder.h"

namespace chimera::bench {
namespace {

class Commits final : public Subject {
 public:
  explicit Commits(const Arguments& arguments)
      : device_bytes_(arguments.number("bytes")),
        count_(arguments.number("count")),
        writes_(arguments.number("writes")),
        durable_(durable_point(arguments)),
        payload_(arguments.number("size"), 0x5A),
        shuffle_(device_bytes_ / payload_.size()) {
    for (std::uint64_t n = 0; n < arguments.number("clients"); ++n) {
      auto client = cli::open_endpoint(arguments.text("target"), {.cache_bytes = arguments.number("cache")});
      if (!client) fail(client.error());
      clients_.push_back(std::move(*client));
    }
    const Program find = Program().open_device(large::name);
    if (!clients_.front()->ask(find.bytes())) {
      const std::string options = "size=" + arguments.text("bytes");
      const Program create = Program().create_device(large::name, {}, options, large::uuid()).sync();
      clients_.front()->send_all(create.bytes());
      take_all(*clients_.front());
    }
    if (arguments.number("warm") != 0) read_all(*clients_.front());
  }
  ~Commits() override {
    for (const auto& client : clients_) (void)client->close();
  }

  double sample() override {
    const Stopwatch watch;
    std::uint64_t sent = 0;
    for (const auto& client : clients_) {
      if (sent++ < count_) send(*client);
    }
    for (std::uint64_t done = 0; done < count_; ++done) {
      cli::Endpoint& client = *clients_[done % clients_.size()];
      take_all(client);
      if (sent++ < count_) send(client);
    }
    return static_cast<double>(count_ * writes_) / watch.seconds();
  }

 private:
  /// In pieces that stay in the cache.
  void read_all(cli::Endpoint& client) const {
    constexpr std::uint32_t piece = 64 << 10;
    for (std::uint64_t offset = 0; offset + piece <= device_bytes_; offset += piece) {
      client.send_all(Program().read_bytes(large::uuid(), offset, piece).bytes());
      take_all(client);
    }
  }

  void send(cli::Endpoint& client) {
    const Program program = make_durable(durable_, large::uuid(), [&](Program& to) {
      for (std::uint64_t n = 0; n < writes_; ++n) {
        to.write_bytes(large::uuid(), shuffle_.next() * payload_.size(), payload_);
      }
    });
    client.send_all(program.bytes());
  }

  std::uint64_t device_bytes_;
  std::uint64_t count_;
  std::uint64_t writes_;
  DurablePoint durable_;
  std::vector<std::uint8_t> payload_;
  Shuffle shuffle_;
  std::vector<std::unique_ptr<cli::Endpoint>> clients_;
};

}  // namespace

std::unique_ptr<Subject> make_commits(const Arguments& arguments) { return std::make_unique<Commits>(arguments); }

}  // namespace chimera::bench
