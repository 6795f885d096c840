#include "vm/recovery.h"

#include <fmt/format.h>

#include "devices/pool.h"
#include "isa/answer.h"
#include "isa/decoder.h"
#include "vm/machine_core.h"
#include "vm/session.h"

namespace chimera::vm {
namespace {

/// What the first answer that is no success says; nothing if there is none.
std::string first_failure(std::span<const std::uint8_t> instructions, std::span<const std::uint8_t> answers) {
  while (!instructions.empty()) {
    Instruction instruction;
    const Decoded decoded = decode(instructions, instruction);
    Answer answer;
    const ParsedAnswer parsed = parse_answer(instruction, answers, answer);
    if (decoded.kind != Decoded::Kind::complete || parsed.kind != ParsedAnswer::Kind::complete) {
      return "it holds something that is no instruction";
    }
    if (!answer.ok()) return fmt::format("{}: {}", mnemonic(instruction.operation), answer.message);
    instructions = instructions.subspan(static_cast<std::size_t>(decoded.size));
    answers = answers.subspan(static_cast<std::size_t>(parsed.size));
  }
  return {};
}

}  // namespace

/// Runs one record. What went wrong, if anything did.
std::string MachineCore::replay(std::span<const std::uint8_t> instructions) {
  StreamSession session(*this);
  std::vector<std::uint8_t> answers;
  (void)session.run(instructions, answers);
  return first_failure(instructions, answers);
}

std::expected<void, std::string> MachineCore::recover() {
  devices::Pool* const pool = store_->pool();
  if (pool == nullptr || !pool->replaying()) return {};
  const std::size_t count = pool->log().records.size();
  for (std::size_t n = 0; n < count; ++n) {
    while (!pool->replayed(n)) loop_.step(io::Loop::forever);
    const devices::JournalRecord& record = pool->log().records[n];
    if (const std::string wrong = replay(record.instructions); !wrong.empty()) {
      return std::unexpected(
          fmt::format("record {} of the journal could not be replayed: {}", record.position.sequence, wrong));
    }
  }
  while (!pool->replayed(count)) loop_.step(io::Loop::forever);
  return {};
}

std::expected<std::unique_ptr<devices::Store>, std::string> open_store(io::Loop& loop, io::Disk& disk,
                                                                       const devices::OpenOptions& options) {
  auto opened = devices::open_store(loop, disk, options);
  if (!opened || !(*opened)->needs_replay()) return opened;
  MachineCore core(loop, std::move(*opened));
  if (const auto recovered = core.recover(); !recovered) return std::unexpected(recovered.error());
  return core.take_store();
}

}  // namespace chimera::vm
