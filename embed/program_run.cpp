#include "embed/program_run.h"

#include <fmt/format.h>

#include "isa/answer.h"

namespace chimera::embed {

std::optional<std::size_t> ProgramRun::take(std::span<const std::uint8_t> answers) {
  const std::span<const std::uint8_t> program(*program_);
  std::size_t at = at_;
  std::size_t count = count_;
  std::size_t taken = 0;
  std::size_t wanted = wanted_;
  Instruction instruction;
  Answer answer;
  while (at < program.size() && answers.size() - taken >= wanted) {
    const std::size_t size = instruction_size(program.subspan(at), instruction);
    const ParsedAnswer parsed = parse_answer(instruction, answers.subspan(taken), answer);
    if (parsed.kind == ParsedAnswer::Kind::malformed) return std::nullopt;
    wanted = static_cast<std::size_t>(parsed.size);
    if (parsed.kind == ParsedAnswer::Kind::incomplete) break;
    if (!answer.ok() && status_ == 0) note(instruction, static_cast<int>(answer.status), answer.message, count + 1);
    at += size;
    ++count;
    taken += wanted;
    wanted = 1;
  }
  answers_.insert(answers_.end(), answers.begin(), answers.begin() + static_cast<std::ptrdiff_t>(taken));
  at_ = at;
  count_ = count;
  wanted_ = wanted;
  return taken;
}

void ProgramRun::note(const Instruction& instruction, int status, std::string_view message, std::size_t number) {
  status_ = status;
  message_ = fmt::format("Instruction {}, {}: {}: {}", number, mnemonic(instruction.operation),
                         status_text(static_cast<Status>(status)), message);
  if (!message_.ends_with('.')) message_ += '.';
}

void ProgramRun::give_up(int code, std::string why) {
  failed_ = true;
  status_ = code;
  message_ = std::move(why);
}

}  // namespace chimera::embed
