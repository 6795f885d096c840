#include "tests/vm/model_test.h"

#include <algorithm>
#include <cassert>
#include <cstdlib>

#include <fmt/format.h>
#include <boost/uuid/uuid_io.hpp>

#include "isa/answer.h"
#include "isa/decoder.h"
#include "isa/encoder.h"
#include "isa/opcodes.h"
#include "tests/vm/transaction_model.h"
#include "vm/machine.h"

namespace chimera::vm::testing {
namespace {

std::string in_words(const Instruction& i) {
  std::string words(mnemonic(i.operation));
  if (i.has_device) words += fmt::format(" {}", to_string(i.device));
  if (i.has_offset) words += fmt::format(" @{:#x}", i.offset);
  if (!i.second_device.is_nil()) words += fmt::format(" to {} @{:#x}", to_string(i.second_device), i.second_offset);
  return words + fmt::format(" #{:#x}", i.count);
}

class ModelTest {
 public:
  ModelTest(const MakeStore& make_store, std::uint64_t seed, const ModelTestOptions& options)
      : options_(options),
        ground_(make_store(seed)),
        machine_(*ground_.loop, std::move(ground_.store)),
        model_(Model(options.memory_only)),
        random_(seed),
        lanes_(options.sessions) {
    if (options.at_once) model_.model().expect_others();
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
      GeneratorOptions generator = options.generator;
      if (options.at_once) generator.prefix = fmt::format("{}{}-", generator.prefix, static_cast<char>('a' + i));
      lanes_[i].generator = std::make_unique<RandomProgram>(random_.next(), generator);
      lanes_[i].session = machine_.connect();
    }
  }

  std::string run(std::size_t steps) {
    for (done_ = 0; done_ < steps;) {
      if (options_.at_once) {
        for (Lane& lane : lanes_) feed(lane);
        for (Lane& lane : lanes_) wait_for(lane);
        for (std::size_t i = 0; i < lanes_.size(); ++i) {
          if (std::string problem = judge(i); !problem.empty()) return problem;
        }
      } else {
        const std::size_t number = random_.below(lanes_.size());
        feed(lanes_[number]);
        wait_for(lanes_[number]);
        if (std::string problem = judge(number); !problem.empty()) return problem;
        if (random_.chance(2)) reconnect(number);
      }
    }
    return {};
  }

 private:
  /// A session and what it is just being asked.
  struct Lane {
    std::unique_ptr<Session> session;
    std::unique_ptr<RandomProgram> generator;
    std::vector<std::uint8_t> stream;
    std::vector<Instruction> program;  ///< what the stream says
  };

  void feed(Lane& lane) {
    lane.generator->forget();
    lane.program.clear();
    lane.stream.clear();
    const auto number = static_cast<std::size_t>(&lane - lanes_.data());
    for (std::uint64_t n = 1 + random_.below(12); n > 0; --n) {
      encode(lane.generator->next(model_.model_of(number), number), lane.stream);
    }
    const std::span<const std::uint8_t> stream = lane.stream;
    for (std::size_t at = 0; at < stream.size();) {
      Instruction& instruction = lane.program.emplace_back();
      const Decoded decoded = decode(stream.subspan(at), instruction);
      assert(decoded.kind == Decoded::Kind::complete || decoded.kind == Decoded::Kind::too_large);
      at += static_cast<std::size_t>(decoded.size);
    }
    // The bytes arrive in pieces, some while the machine runs.
    for (std::size_t at = 0; at < stream.size();) {
      const std::size_t most = random_.chance(50) ? stream.size() : 100;
      const std::size_t size = std::min<std::size_t>(stream.size() - at, 1 + random_.below(most));
      lane.session->feed(stream.subspan(at, size));
      at += size;
      if (random_.chance(10)) machine_.run_ready();
    }
  }

  void wait_for(Lane& lane) {
    while (!lane.session->idle()) machine_.turn(io::Loop::forever);
  }

  std::string judge(std::size_t number) {
    Lane& lane = lanes_[number];
    model_.turn(number);
    for (const Instruction& instruction : lane.program) {
      ++done_;
      Answer answer;
      const ParsedAnswer parsed = parse_answer(instruction, lane.session->answers(), answer);
      if (parsed.kind != ParsedAnswer::Kind::complete) {
        return fmt::format("step {}: {}: no whole answer among {} bytes", done_, mnemonic(instruction.operation),
                           lane.session->answers().size());
      }
      if (options_.coverage != nullptr) ++(*options_.coverage)[{instruction.operation, answer.status}];
      if (const std::string problem = model_.judge(number, instruction, answer); !problem.empty()) {
        return fmt::format("step {}, session {}: {}\n  {}", done_, number, problem, in_words(instruction));
      }
      lane.session->take_answers(static_cast<std::size_t>(parsed.size));
    }
    if (!lane.session->answers().empty()) return fmt::format("step {}: more answers than instructions", done_);
    if (lane.session->unread_input() != 0) return fmt::format("step {}: input was left unread", done_);
    return {};
  }

  void reconnect(std::size_t number) {
    while (machine_.loop().step(0) > 0) continue;
    lanes_[number].session.reset();
    model_.disconnect(number);
    lanes_[number].session = machine_.connect();
  }

  ModelTestOptions options_;
  StoreUnderTest ground_;
  Machine machine_;
  TransactionModel model_;
  io::SeededRandom random_;
  std::vector<Lane> lanes_;
  std::size_t done_ = 0;
};

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* const text = std::getenv(variable);
  return text != nullptr ? std::strtoull(text, nullptr, 0) : otherwise;
}

}  // namespace

std::string run_model_test(const MakeStore& make_store, std::uint64_t seed, std::size_t steps,
                           const ModelTestOptions& options) {
  seed = number_from("MODEL_SEED", seed);
  steps = number_from("MODEL_STEPS", steps);
  ModelTest test(make_store, seed, options);
  const std::string problem = test.run(steps);
  if (problem.empty()) return {};
  return fmt::format("{}\nreplay it with MODEL_SEED={} MODEL_STEPS={} and this test case alone", problem, seed, steps);
}

}  // namespace chimera::vm::testing
