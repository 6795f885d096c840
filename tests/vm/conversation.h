#pragma once
// Asking a machine and looking at what it answers, for tests.

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "isa/answer.h"
#include "isa/builder.h"
#include "isa/decoder.h"
#include "vm/machine.h"

namespace chimera::vm::testing {

class QuietLoop final : public io::Loop {
 public:
  std::size_t step(int) override { return 0; }
};

struct Reply {
  Status status = Status::ok;
  std::vector<std::uint8_t> result;
  std::string message;

  [[nodiscard]] std::string text() const { return {result.begin(), result.end()}; }
  [[nodiscard]] Uuid uuid() const {
    REQUIRE_EQ(result.size(), 16);
    Uuid uuid{};
    std::copy(result.begin(), result.end(), uuid.begin());
    return uuid;
  }
  [[nodiscard]] std::uint64_t number() const {
    REQUIRE_EQ(result.size(), 8);
    std::uint64_t number = 0;
    for (int i = 7; i >= 0; --i) number = number << 8 | result[static_cast<std::size_t>(i)];
    return number;
  }
};

/// Picks apart the answers to a program; the stream must hold just these.
inline std::vector<Reply> replies_to(std::span<const std::uint8_t> program, std::span<const std::uint8_t> answers) {
  std::vector<Reply> replies;
  while (!program.empty()) {
    Instruction instruction;
    const Decoded decoded = decode(program, instruction);
    const bool answered = decoded.kind == Decoded::Kind::complete || decoded.kind == Decoded::Kind::too_large;
    if (!answered || decoded.size > program.size()) break;
    program = program.subspan(static_cast<std::size_t>(decoded.size));
    Answer answer;
    const ParsedAnswer parsed = parse_answer(instruction, answers, answer);
    REQUIRE(parsed.kind == ParsedAnswer::Kind::complete);
    answers = answers.subspan(static_cast<std::size_t>(parsed.size));
    replies.push_back({answer.status, {answer.result.begin(), answer.result.end()}, std::string(answer.message)});
  }
  CHECK(answers.empty());
  return replies;
}

/// One session of a machine.
class Conversation {
 public:
  explicit Conversation(Machine& machine) : session_(machine.connect()) {}

  std::vector<Reply> ask_all(const Program& program) {
    std::vector<std::uint8_t> answers;
    (void)session_->run(program.bytes(), answers);
    return replies_to(program.bytes(), answers);
  }
  /// The answer to the last instruction; those before must have gone well.
  Reply ask(const Program& program) {
    const std::vector<Reply> replies = ask_all(program);
    REQUIRE(!replies.empty());
    for (std::size_t i = 0; i + 1 < replies.size(); ++i) {
      CAPTURE(replies[i].message);
      REQUIRE_EQ(replies[i].status, Status::ok);
    }
    return replies.back();
  }
  Status status(const Program& program) { return ask(program).status; }
  Session& session() { return *session_; }

 private:
  std::unique_ptr<Session> session_;
};

/// A machine with devices in memory and two sessions.
struct Desk {
  explicit Desk(devices::MemoryOptions options = {})
      : machine(loop, std::make_unique<devices::Store>(std::move(options))), one(machine), two(machine) {}

  /// Makes a device, current in session one.
  Uuid create(std::string_view name, std::string_view options = {}) {
    return one.ask(Program().create_device(name, {}, options)).uuid();
  }

  QuietLoop loop;
  Machine machine;
  Conversation one, two;
};

inline std::span<const std::uint8_t> bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace chimera::vm::testing

namespace doctest {
template <>
struct StringMaker<chimera::Status> {
  static String convert(chimera::Status status) {
    const std::string_view text = chimera::status_text(status);
    return {text.data(), static_cast<unsigned>(text.size())};
  }
};
}  // namespace doctest
