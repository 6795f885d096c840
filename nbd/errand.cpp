#include "nbd/errand.h"

#include <utility>

#include "isa/decoder.h"

namespace chimera::nbd {

std::vector<Answer> parse_answers(const Program& program, std::span<const std::uint8_t> answers) {
  std::vector<Answer> parsed;
  std::span<const std::uint8_t> stream = program.bytes();
  Instruction instruction;
  for (Decoded decoded = decode(stream, instruction); decoded.kind == Decoded::Kind::complete;
       decoded = decode(stream, instruction)) {
    Answer answer;
    const ParsedAnswer found = parse_answer(instruction, answers, answer);
    if (found.kind != ParsedAnswer::Kind::complete) break;
    parsed.push_back(answer);
    answers = answers.subspan(static_cast<std::size_t>(found.size));
    stream = stream.subspan(static_cast<std::size_t>(decoded.size));
  }
  return parsed;
}

Errand::Errand(vm::Machine& machine) : session_(machine.connect()) { session_->listen(this); }

void Errand::expect(std::size_t size) {
  static_cast<void>(session_->input_space(size));
  session_->commit_input(0);
}

void Errand::run(const Program& program) {
  feed(program.bytes());
  sent_all();
}

void Errand::session_changed(vm::Session& session) {
  if (is_running_ && session.idle() && std::exchange(is_running_, false)) ended();
}

}  // namespace chimera::nbd
