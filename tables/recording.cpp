#include "tables/recording.h"

#include "isa/decoder.h"

namespace chimera::tables {
namespace {

/// Answers that all is well, with zeros for results.
Result<> pretend(const Script& script, Answers& answers) {
  std::vector<std::uint8_t>& stream = answers.start();
  for (const Script::Question& question : script.questions()) {
    const bool counted = question.result_size == Script::Question::counted;
    stream.resize(stream.size() + 1 + (counted ? sizeof(std::uint32_t) : question.result_size));
  }
  return answers.finish(script);
}

}  // namespace

Result<> Recording::run(const Script& script, Answers& answers) {
  scripts_.push_back(script);
  Result<> done = script.changes() ? pretend(script, answers) : under_.run(script, answers);
  if (done) note_names(script, answers);
  return done;
}

void Recording::send(Script script) { under_way_.push_back(std::move(script)); }

Result<> Recording::receive(Answers& answers) {
  const Script script = std::move(under_way_.front());
  under_way_.pop_front();
  return run(script, answers);
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
