// The C interface: sessions, running programs, reading answers.

#include <cstring>

#include "embed/c_interface.h"
#include "isa/answer.h"
#include "isa/bytes.h"

namespace chimera::embed {
namespace {

chimera_answers answers_of(const ProgramRun& run) {
  return {.bytes = run.answers().data(),
          .size = run.answers().size(),
          .count = run.count(),
          .program = run.program().data(),
          .program_size = run.program().size(),
          .reserved = {}};
}

/// 0 if the program may be sent to the session; else the call has failed.
int admit_program(Session& session, const chimera_program* program) {
  Store& store = session.store();
  if (program == nullptr) return fail(store, CHIMERA_E_ARGUMENT, "There is no program.");
  if (!session.is_open()) return fail(store, CHIMERA_E_STATE, "The session has gone with the store that was closed.");
  if (session.is_lost()) return fail(store, CHIMERA_E_LOST, session.why_lost());
  if (program->fault != CHIMERA_OK) return fail(store, CHIMERA_E_PROGRAM, program->error.text());
  return CHIMERA_OK;
}

int operation_number(const Instruction& instruction) {
  const Row& row = row_of(instruction.operation);
  if (instruction.opcode == extension_opcode) return extension_opcode << 8 | instruction.extension;
  return row.number;
}

/// Texts and lists are given without the number in front, which their size tells anyway.
bool has_number_in_front(Result result) {
  return result == Result::text || result == Result::extents || result == Result::devices;
}

/// The row behind a CHIMERA_OP_, if it is one.
const Row* find_row(int operation) {
  const bool is_extension = operation >> 8 == extension_opcode;
  if (!is_extension && (operation < 0 || operation > 0xFF)) return nullptr;
  for (const Row& row : rows) {
    if (row.is_extension == is_extension && row.number == (operation & 0xFF)) return &row;
  }
  return nullptr;
}

bool answers_with(const chimera_answer& answer, Result result) {
  const Row* const row = find_row(answer.operation);
  return answer.status == CHIMERA_OK && row != nullptr && row->result == result && answer.bytes != nullptr;
}

void drop(chimera_answer& answer, std::size_t size) {
  answer.bytes += size;
  answer.size -= size;
}

}  // namespace
}  // namespace chimera::embed

using namespace chimera::embed;

chimera_session* chimera_session_new(chimera_store* store) {
  if (store == nullptr) return nullptr;
  chimera_session* made = nullptr;
  static_cast<void>(enter(*store, Needs::open, [&] {
    auto session = store->connect();
    if (!session) return fail(*store, session.error());
    made = handle_of(*session);
    return static_cast<int>(CHIMERA_OK);
  }));
  return made;
}

void chimera_session_free(chimera_session* session) {
  if (session == nullptr) return;
  Session& ended = *session_of(session);
  Store& store = ended.store();
  static_cast<void>(enter(store, Needs::nothing, [&] {
    store.end_session(ended);
    return static_cast<int>(CHIMERA_OK);
  }));
}

int chimera_run(chimera_session* session, const chimera_program* program, chimera_answers* answers) {
  if (answers != nullptr) *answers = {};
  if (session == nullptr) return CHIMERA_E_ARGUMENT;
  Session& target = *session_of(session);
  Store& store = target.store();
  return enter(store, Needs::open, [&] {
    if (const int refusal = admit_program(target, program); refusal != CHIMERA_OK) return refusal;
    const int status = store.run(target, program->checked.bytes());
    if (answers != nullptr) *answers = answers_of(*target.awaited());
    return status == CHIMERA_OK ? status : fail(store, status, target.awaited()->message());
  });
}

int chimera_submit(chimera_session* session, const chimera_program* program, void* tag) {
  if (session == nullptr) return CHIMERA_E_ARGUMENT;
  Session& target = *session_of(session);
  Store& store = target.store();
  return enter(store, Needs::open, [&] {
    if (const int refusal = admit_program(target, program); refusal != CHIMERA_OK) return refusal;
    store.submit(target, program->checked.bytes(), tag);
    return static_cast<int>(CHIMERA_OK);
  });
}

int chimera_reap(chimera_store* store, chimera_result* results, size_t most, int timeout_ms) {
  if (store == nullptr) return CHIMERA_E_ARGUMENT;
  return enter(*store, Needs::open, [&] {
    constexpr std::size_t most_at_once = 1 << 20;
    if (most > most_at_once || (results == nullptr && most > 0) || timeout_ms < -1) {
      return fail(*store, CHIMERA_E_ARGUMENT, "There is no room for results, or no such time.");
    }
    int count = 0;
    for (const Finished& finished : store->reap(most, timeout_ms)) {
      results[count++] = {.session = handle_of(finished.session),
                          .tag = finished.run.tag(),
                          .status = finished.run.status(),
                          .message = finished.run.message().c_str(),
                          .answers = answers_of(finished.run)};
    }
    return count;
  });
}

int chimera_next(chimera_answers* answers, chimera_answer* answer) {
  if (answer != nullptr) *answer = {};
  if (answers == nullptr || answer == nullptr || answers->count == 0) return 0;
  const std::span program(answers->program, answers->program_size);
  const std::span bytes(answers->bytes, answers->size);
  chimera::Instruction instruction;
  chimera::Answer parsed;
  const std::size_t size = instruction_size(program, instruction);
  const chimera::ParsedAnswer measured = parse_answer(instruction, bytes, parsed);
  if (size == 0 || measured.kind != chimera::ParsedAnswer::Kind::complete) return 0;
  answer->status = static_cast<int>(parsed.status);
  answer->operation = operation_number(instruction);
  if (parsed.ok()) {
    const bool is_counted = has_number_in_front(row_of(instruction.operation).result);
    const auto result = parsed.result.subspan(is_counted ? sizeof(std::uint32_t) : 0);
    answer->bytes = result.data();
    answer->size = result.size();
  } else {
    answer->bytes = reinterpret_cast<const std::uint8_t*>(parsed.message.data());
    answer->size = parsed.message.size();
  }
  --answers->count;
  answers->program += size;
  answers->program_size -= size;
  answers->bytes += measured.size;
  answers->size -= measured.size;
  return 1;
}

uint64_t chimera_number(const chimera_answer* answer) {
  std::uint64_t number = 0;
  if (answer == nullptr || answer->status != CHIMERA_OK || answer->bytes == nullptr) return number;
  if (answer->size <= sizeof number) std::memcpy(&number, answer->bytes, answer->size);
  return number;
}

int chimera_take_extent(chimera_answer* answer, chimera_extent* extent) {
  constexpr std::size_t size = sizeof(std::uint64_t) + sizeof(std::uint32_t);
  if (answer == nullptr || extent == nullptr || answer->size < size) return 0;
  if (!answers_with(*answer, chimera::Result::extents)) return 0;
  extent->length = chimera::load<std::uint64_t>(answer->bytes);
  extent->flags = chimera::load<std::uint32_t>(answer->bytes + sizeof(std::uint64_t));
  drop(*answer, size);
  return 1;
}

int chimera_take_device(chimera_answer* answer, chimera_device* device) {
  constexpr std::size_t front = sizeof(chimera::Uuid) + sizeof(std::uint16_t);
  if (answer == nullptr || device == nullptr || answer->size < front) return 0;
  if (!answers_with(*answer, chimera::Result::devices)) return 0;
  const std::size_t name_size = chimera::load<std::uint16_t>(answer->bytes + sizeof(chimera::Uuid));
  if (answer->size - front < name_size) return 0;
  *device = {
      .uuid = answer->bytes, .name = reinterpret_cast<const char*>(answer->bytes) + front, .name_size = name_size};
  drop(*answer, front + name_size);
  return 1;
}
