#include "bench/embedded_store.h"

#include <fmt/format.h>

#include "bench/subject.h"
#include "isa/answer.h"
#include "isa/decoder.h"

namespace chimera::bench {

void check_answers(std::span<const std::uint8_t> program, std::span<const std::uint8_t> answers) {
  while (!program.empty()) {
    Instruction instruction;
    const Decoded decoded = decode(program, instruction);
    if (decoded.kind != Decoded::Kind::complete) fail("the program itself is wrong");
    program = program.subspan(static_cast<std::size_t>(decoded.size));
    Answer answer;
    const ParsedAnswer parsed = parse_answer(instruction, answers, answer);
    if (parsed.kind != ParsedAnswer::Kind::complete) fail("an instruction has no answer");
    if (!answer.ok()) fail(fmt::format("{}: {}", status_text(answer.status), answer.message));
    answers = answers.subspan(static_cast<std::size_t>(parsed.size));
  }
}

EmbeddedStore::EmbeddedStore(const std::string& path, std::uint64_t cache_bytes) {
  auto opened = cli::open_machine(path, {.cache_bytes = cache_bytes});
  if (!opened) fail(opened.error());
  embedded_ = std::move(*opened);
  session_ = embedded_.machine->connect();
}

EmbeddedStore::~EmbeddedStore() {
  session_.reset();
  if (const Status status = embedded_.machine->sync(); status != Status::ok) {
    fail(fmt::format("the store could not be made durable: {}", status_text(status)));
  }
}

void EmbeddedStore::await_freed() {
  constexpr int look_ms = 1;
  const devices::Store& store = embedded_.machine->store();
  while (store.figures().on_disk.value().being_freed > 0) embedded_.machine->turn(look_ms);
  run(Program().sync());
}

void EmbeddedStore::run(const Program& program) {
  answers_.clear();
  session_->run(program.bytes(), answers_);
  check_answers(program.bytes(), answers_);
}

std::span<const std::uint8_t> EmbeddedStore::run_fast(std::span<const std::uint8_t> program, std::size_t answer_bytes) {
  answers_.clear();
  session_->run(program, answers_);
  if (answers_.size() != answer_bytes) check_answers(program, answers_);
  if (answers_.size() != answer_bytes) fail("the answers have another length than expected");
  return answers_;
}

}  // namespace chimera::bench
