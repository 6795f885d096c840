#include "tables/recording.h"

#include "isa/decoder.h"

namespace chimera::tables {
Result<> Recording::run(const Script& script, Answers& answers) {
  scripts_.push_back(script);
  Result<> done = script.changes() ? answers.pretend(script) : read(script, answers);
  has_changed_ = has_changed_ || script.changes();
  if (done) note_names(script, answers);
  return done;
}

/// A version that was shown to be written is not in the store: what checks it would have found it there.
Result<> Recording::read(const Script& script, Answers& answers) {
  Result<> done = under_.run(script, answers);
  if (done || !has_changed_ || answers.size() != script.size()) return done;
  std::vector<std::uint8_t> stream;
  for (std::size_t i = 0; i < script.size(); ++i) {
    const Answer answer = answers[i];
    const bool is_check = script.questions()[i].operation == Operation::check_bytes;
    if (!answer.ok() && !(is_check && answer.status == Status::mismatch)) return done;
    stream.push_back(0);
    if (answer.ok()) stream.insert(stream.end(), answer.result.begin(), answer.result.end());
  }
  answers.start() = std::move(stream);
  return answers.finish(script);
}

Link::Ticket Recording::send(Script script) {
  Shown& shown = shown_[++last_];
  shown.outcome = run(script, shown.answers);
  return last_;
}

Result<> Recording::receive(Ticket ticket, Answers& answers) {
  Shown shown = std::move(shown_.extract(ticket).mapped());
  answers = std::move(shown.answers);
  return std::move(shown.outcome);
}

void Recording::note_names(const Script& script, const Answers& answers) {
  Script::Bytes rest = script.bytes();
  for (std::size_t i = 0; i < script.size(); ++i) {
    Instruction instruction;
    const Decoded decoded = decode(rest, instruction);
    rest = rest.subspan(static_cast<std::size_t>(decoded.size));
    if (instruction.operation == Operation::create_device && instruction.has_device) {
      names_[instruction.device] = instruction.name;
    } else if (instruction.operation == Operation::open_device && !script.changes()) {
      names_[uuid_of(answers[i])] = instruction.name;
    } else if (instruction.operation == Operation::list_devices && !script.changes()) {
      for (const ListedDevice& device : devices_of(answers[i])) names_[device.uuid] = device.name;
    }
  }
}

}  // namespace chimera::tables
