#include "tables/answers.h"

#include <fmt/format.h>

#include <cctype>

namespace chimera::tables {
namespace {

Failure gone() { return {Status::io_error, "The other side ended the session before it had answered."}; }

/// The answer at the front of `stream`, which may be of any kind.
ParsedAnswer parse(const Script::Question& question, std::span<const std::uint8_t> stream, Answer& answer) {
  Instruction instruction;
  instruction.operation = question.operation;
  const bool in_units = row_of(question.operation).result == chimera::Result::uuids;
  instruction.count = in_units ? question.result_size / sizeof(Uuid) : question.result_size;
  return parse_answer(instruction, stream, answer);
}

std::string sentence(std::string text) {
  if (!text.empty()) text.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(text.front())));
  if (!text.empty() && text.back() != '.') text.push_back('.');
  return text;
}

}  // namespace

Failure failure_of(const Script& script, std::size_t instruction, const Answer& answer) {
  std::string words = answer.message.empty() ? std::string(status_text(answer.status))
                                             : fmt::format("{}: {}", status_text(answer.status), answer.message);
  const std::string_view note = script.note_of(instruction);
  if (!note.empty()) words += fmt::format(" ({})", note);
  Failure failure{answer.status, sentence(std::move(words)), instruction};
  failure.is_in_doubt =
      answer.status == Status::io_error && script.questions()[instruction].operation == Operation::commit;
  return failure;
}

Failure damage_of(std::string_view device, Failure failure) {
  const bool is_damage = failure.status == Status::corrupt || failure.status == Status::io_error;
  if (is_damage && failure.instruction != Failure::nowhere)
    failure.words = fmt::format("\"{}\": {}", device, failure.words);
  return failure;
}

Answer Answers::operator[](std::size_t instruction) const {
  const std::size_t begin = begin_of(instruction);
  const Bytes whole = Bytes(stream_).subspan(begin, ends_[instruction] - begin);
  Answer answer;
  answer.status = static_cast<Status>(whole[0]);
  if (answer.ok()) {
    answer.result = whole.subspan(1);
  } else {
    constexpr std::size_t front = 1 + sizeof(std::uint16_t);
    answer.message = {reinterpret_cast<const char*>(whole.data()) + front, whole.size() - front};
  }
  return answer;
}

Result<> Answers::finish(const Script& script) {
  // Most scripts succeed, with results whose sizes are known.
  std::size_t at = 0;
  for (const Script::Question& question : script.questions()) {
    const bool simple = question.result_size != Script::Question::counted && at < stream_.size() && stream_[at] == 0;
    if (!simple || stream_.size() - at - 1 < question.result_size) break;
    at += 1 + question.result_size;
    ends_.push_back(at);
  }
  if (ends_.size() == script.size()) return {};
  std::vector<std::uint8_t> all = std::move(stream_);
  stream_.clear();
  ends_.clear();
  static_cast<void>(take(script, all));
  return outcome(script);
}

Result<> Answers::pretend(const Script& script) {
  std::vector<std::uint8_t>& stream = start();
  for (const Script::Question& question : script.questions()) {
    const bool counted = question.result_size == Script::Question::counted;
    stream.resize(stream.size() + 1 + (counted ? sizeof(std::uint32_t) : question.result_size));
  }
  return finish(script);
}

std::optional<std::size_t> Answers::take(const Script& script, Bytes stream) {
  std::size_t taken = 0;
  while (ends_.size() < script.size()) {
    Answer answer;
    const ParsedAnswer parsed = parse(script.questions()[ends_.size()], stream.subspan(taken), answer);
    if (parsed.kind == ParsedAnswer::Kind::malformed) return std::nullopt;
    if (parsed.kind == ParsedAnswer::Kind::incomplete) break;
    taken += static_cast<std::size_t>(parsed.size);
    ends_.push_back(stream_.size() + taken);
  }
  stream_.insert(stream_.end(), stream.begin(), stream.begin() + static_cast<std::ptrdiff_t>(taken));
  return taken;
}

Result<> Answers::outcome(const Script& script) const {
  for (std::size_t i = 0; i < size(); ++i) {
    if (!ok(i)) return std::unexpected(failure_of(script, i, (*this)[i]));
  }
  return size() == script.size() ? Result<>() : std::unexpected(gone());
}

}  // namespace chimera::tables
