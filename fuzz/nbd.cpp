// Any bytes as an NBD client, on a machine with devices in memory: it comes to rest whatever they are, takes nothing
// that it cannot put anywhere, and each whole request is replied to once.
//
// The first bytes of an input choose: what is said of the handshake before, whether the rest is the client's bytes or
// requests to be made of them, what cuts them, how long the pieces are.

#include <algorithm>
#include <map>
#include <string>

#include "devices/store.h"
#include "fuzz/check.h"
#include "io/seeded_random.h"
#include "io/simulated_loop.h"
#include "isa/builder.h"
#include "isa/limits.h"
#include "nbd/conversation.h"
#include "tests/nbd/client_bytes.h"

namespace {

using namespace chimera;
using namespace chimera::nbd;
using namespace chimera::nbd::testing;
using View = std::span<const std::uint8_t>;

constexpr unsigned most_turns = 100'000;

struct Choices {
  static constexpr std::size_t size = 4;

  explicit Choices(View head)
      : agrees((head[0] & 1) != 0),
        is_extended((head[0] & 2) != 0),
        is_structured(is_extended || (head[0] & 4) != 0),
        has_context((head[0] & 8) != 0),
        makes_requests(agrees && (head[0] & 16) != 0),
        device((head[0] & 32) != 0 ? "small" : "vast"),
        options{.read_only = (head[0] & 64) != 0},
        seed(head[1]),
        piece(head[2] * head[2] + 1u) {
    if ((head[0] & 128) != 0) options.create_size = head[3];
  }

  bool agrees, is_extended, is_structured, has_context, makes_requests;
  const char* device;
  Options options;
  std::uint64_t seed;
  std::size_t piece;
};

Bytes handshake(const Choices& choices) {
  if (!choices.agrees) return client_flags();
  Bytes bytes = client_flags();
  if (choices.is_structured) bytes = bytes + option(Option::structured_reply);
  if (choices.is_extended) bytes = bytes + option(Option::extended_headers);
  if (choices.has_context) bytes = bytes + option_on(Option::set_meta_context, choices.device);
  return bytes + option_on(Option::go, choices.device);
}

/// What was asked for under each cookie.
using Asked = std::map<std::uint64_t, std::pair<Command, std::uint64_t>>;

/// Requests that are mostly right, of eight bytes each.
Bytes requests(View data, const Choices& choices, Asked& asked) {
  Bytes bytes;
  for (std::size_t at = 0; at + 8 <= data.size(); at += 8) {
    const std::uint8_t* const record = data.data() + at;
    const auto command = static_cast<Command>(record[0] & 15);
    std::uint16_t flags = record[1] & 63;
    if (command == Command::write && (record[1] & 64) != 0) flags |= command_flags::payload_length;
    const std::uint64_t offset = std::uint64_t{load_big<std::uint16_t>(record + 2)} << (record[6] & 31);
    std::uint64_t length = load_big<std::uint16_t>(record + 4);
    const bool has_payload =
        choices.is_extended ? (flags & command_flags::payload_length) != 0 : command == Command::write;
    if (!has_payload) length <<= record[7] & 7;
    bytes = std::move(bytes) + request(command, offset, length, at, flags, choices.is_extended);
    if (command == Command::disconnect) return bytes;
    asked[at] = {command, length};
    if (has_payload) bytes.resize(bytes.size() + length, record[7]);
  }
  return bytes;
}

/// Takes the replies out of what a client was sent, behind the handshake.
void check_replies(View output, const Choices& choices, Asked asked) {
  while (!output.empty()) {
    const auto kind = load_big<std::uint32_t>(output.data());
    const bool is_simple = kind == magic::simple_reply;
    FUZZ_CHECK(is_simple == !choices.is_structured);
    FUZZ_CHECK(is_simple || kind == (choices.is_extended ? magic::extended_chunk : magic::chunk));
    const auto found = asked.find(load_big<std::uint64_t>(output.data() + 8));
    FUZZ_CHECK(found != asked.end());
    const auto [command, length] = found->second;
    asked.erase(found);
    std::uint64_t size = 16;
    if (is_simple) {
      const bool has_data = command == Command::read && load_big<std::uint32_t>(output.data() + 4) == 0;
      if (has_data) size += length;
    } else if (choices.is_extended) {
      size = 32 + load_big<std::uint64_t>(output.data() + 24);
    } else {
      size = 20 + load_big<std::uint32_t>(output.data() + 16);
    }
    FUZZ_CHECK(size <= output.size());
    output = output.subspan(size);
  }
  FUZZ_CHECK(asked.empty());
}

void make_devices(vm::Machine& machine) {
  Program program;
  program.create_device("small", {}, "size=1M").create_device("vast").write_length(implied, 1ull << 40);
  program.write_bytes(implied, 70'000, Bytes(5000, 3)).clone_device(implied, "small@then");
  std::vector<std::uint8_t> answers;
  machine.connect()->run(program.bytes(), answers);
}

class Talk final : private Outlet {
 public:
  Talk(vm::Machine& machine, const Choices& choices)
      : machine_(machine),
        random_(choices.seed),
        piece_(choices.piece),
        conversation_(
            machine, choices.options, transfers_, statistics_, [this] { is_changed_ = true; },
            choices.seed % 2 == 0 ? nullptr : this) {}

  /// All of it, in pieces, with turns of the machine between them.
  void say(View bytes) {
    while (!bytes.empty()) {
      const std::size_t size = std::min<std::size_t>(bytes.size(), 1 + random_.below(piece_));
      input_.insert(input_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
      bytes = bytes.subspan(size);
      take();
      if (random_.chance(50)) turn();
      if (random_.chance(20)) conversation_.proceed();
    }
  }
  /// Until nothing is left that could go on.
  void rest() {
    for (unsigned turns = 0; turn() || take();) FUZZ_CHECK(++turns < most_turns);
    FUZZ_CHECK(conversation_.is_waiting_for_client() || conversation_.has_ended());
  }
  [[nodiscard]] bool is_negotiating() const { return conversation_.is_negotiating(); }
  [[nodiscard]] const Bytes& output() const { return output_; }
  void forget_output() { output_.clear(); }

 private:
  bool take() {
    if (!conversation_.takes_input() || conversation_.has_ended()) return false;
    const std::size_t taken = conversation_.take(input_);
    FUZZ_CHECK(taken <= input_.size());
    input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(taken));
    return taken > 0;
  }
  bool turn() {
    const bool has_run = machine_.has_ready() || machine_.run_ready();
    machine_.run_ready();
    const bool was_changed = std::exchange(is_changed_, false);
    if (was_changed) conversation_.proceed();
    const bool has_left = conversation_.output().empty() && conversation_.is_worth_sending();
    if (has_left) conversation_.sent(0);
    for (View output = conversation_.output(); !output.empty(); output = conversation_.output()) {
      output_.insert(output_.end(), output.begin(), output.end());
      conversation_.sent(output.size());
    }
    return has_run || was_changed || has_left || is_changed_;
  }
  /// As much of it as a client may take.
  std::size_t send_at_once(std::span<const View> parts) override {
    const std::size_t before = output_.size();
    for (const View part : parts) {
      const std::size_t size = random_.chance(90) ? part.size() : random_.below(part.size() + 1);
      output_.insert(output_.end(), part.begin(), part.begin() + static_cast<std::ptrdiff_t>(size));
      if (size < part.size()) break;
    }
    return output_.size() - before;
  }

  vm::Machine& machine_;
  io::SeededRandom random_;
  std::size_t piece_;
  bool is_changed_ = false;
  Statistics statistics_;
  vm::TransferBudget transfers_{limits::smallest_transfer_memory};
  Conversation conversation_;
  Bytes input_;
  Bytes output_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < Choices::size) return 0;
  const Choices choices({data, Choices::size});
  const View rest{data + Choices::size, size - Choices::size};
  io::SimulatedLoop loop(choices.seed);
  vm::Machine machine(loop, std::make_unique<devices::Store>(devices::MemoryOptions{.most_bytes = 16 << 20}));
  make_devices(machine);
  Talk talk(machine, choices);
  talk.say(handshake(choices));
  talk.rest();
  FUZZ_CHECK(talk.is_negotiating() == !choices.agrees);
  talk.forget_output();
  if (!choices.makes_requests) {
    talk.say(rest);
    if (choices.seed % 4 != 0) talk.rest();
    return 0;
  }
  Asked asked;
  talk.say(requests(rest, choices, asked));
  talk.rest();
  check_replies(talk.output(), choices, std::move(asked));
  return 0;
}
