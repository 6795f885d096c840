// The C interface: programs.

#include <cstring>

#include "embed/c_interface.h"

namespace chimera::embed {
namespace {

/// The first fault stays, with its words.
int note(chimera_program& program, int code, std::string_view text) noexcept {
  if (program.fault == CHIMERA_OK) {
    program.fault = code;
    program.error.set(text);
  }
  return code;
}

/// Does something to the program; `body` gives what is wrong, in words.
template <class Body>
int change(chimera_program& program, Body&& body) noexcept {
  try {
    const std::string fault = body();
    return fault.empty() ? CHIMERA_OK : note(program, CHIMERA_E_PROGRAM, fault);
  } catch (...) {
    return note(program, CHIMERA_E_MEMORY, "There is no memory for the program.");
  }
}

const Row* find_operation(int operation) {
  for (const Row& row : rows) {
    const int number = row.is_extension ? extension_opcode << 8 | row.number : row.number;
    const bool is_for_programs = row.operation != Operation::extension && row.addressing != Addressing::journal;
    if (number == operation && is_for_programs) return &row;
  }
  return nullptr;
}

std::string_view view_of(const char* text) { return text == nullptr ? std::string_view() : std::string_view(text); }

Uuid uuid_of(const std::uint8_t* bytes) {
  Uuid uuid{};
  if (bytes != nullptr) std::memcpy(uuid.data, bytes, sizeof uuid.data);
  return uuid;
}

/// What a caller may leave out only where the table says so: it cannot be told from an operand that is 0.
std::string missing_in(const Row& row, const chimera_instruction& given) {
  const auto lacks = [&](Operand operand, bool is_given) { return row.operands.has(operand) && !is_given; };
  const bool takes_name = lacks(Operand::name, given.name != nullptr);
  std::string_view what;
  if (lacks(Operand::device, given.device != nullptr)) what = "the device";
  if (lacks(Operand::second_device, given.second_device != nullptr)) what = "the second device";
  if (takes_name) what = "the name";
  if (given.payload == nullptr && given.payload_size > 0) what = "the payload behind its size";
  return what.empty() ? std::string() : std::string(row.mnemonic) + ": " + std::string(what) + " is missing.";
}

std::string add(chimera_program& program, const chimera_instruction& given) {
  const Row* const row = find_operation(given.operation);
  if (row == nullptr) return "There is no operation " + std::to_string(given.operation) + ".";
  if (std::string missing = missing_in(*row, given); !missing.empty()) return missing;
  Instruction instruction;
  instruction.operation = row->operation;
  instruction.has_device = given.device != nullptr;
  instruction.device = uuid_of(given.device);
  instruction.second_device = uuid_of(given.second_device);
  instruction.has_offset = given.has_offset != 0;
  instruction.offset = given.offset;
  instruction.second_offset = given.second_offset;
  instruction.count = given.count;
  instruction.payload = {static_cast<const std::uint8_t*>(given.payload), given.payload_size};
  if (row->operands.has(Operand::value8)) instruction.payload = {&given.value, 1};
  instruction.name = view_of(given.name);
  instruction.second_name = view_of(given.second_name);
  instruction.text = view_of(given.columns);
  instruction.options = view_of(given.options);
  instruction.has_options = given.options != nullptr && *given.options != '\0';
  return program.checked.append(instruction);
}

}  // namespace
}  // namespace chimera::embed

using namespace chimera::embed;

chimera_program* chimera_program_new(void) { return make_handle<chimera_program>(); }

void chimera_program_free(chimera_program* program) { delete program; }

void chimera_program_clear(chimera_program* program) {
  if (program == nullptr) return;
  program->fault = CHIMERA_OK;
  program->error.set({});
  static_cast<void>(change(*program, [&] {
    program->checked.clear();
    return std::string();
  }));
}

int chimera_add(chimera_program* program, const chimera_instruction* instruction) {
  if (program == nullptr) return CHIMERA_E_ARGUMENT;
  if (instruction == nullptr) return note(*program, CHIMERA_E_ARGUMENT, "There is no instruction.");
  return change(*program, [&] { return add(*program, *instruction); });
}

int chimera_append(chimera_program* program, const void* bytes, size_t size) {
  if (program == nullptr) return CHIMERA_E_ARGUMENT;
  if (bytes == nullptr && size > 0) return note(*program, CHIMERA_E_ARGUMENT, "There are no bytes.");
  return change(*program, [&] { return program->checked.append({static_cast<const std::uint8_t*>(bytes), size}); });
}

int chimera_assemble(chimera_program* program, const char* text) {
  if (program == nullptr) return CHIMERA_E_ARGUMENT;
  if (text == nullptr) return note(*program, CHIMERA_E_ARGUMENT, "There is no text.");
  return change(*program, [&] { return program->checked.assemble(text); });
}

const char* chimera_program_error(const chimera_program* program) {
  return program == nullptr ? "There is no program: no memory, perhaps." : program->error.text();
}

const uint8_t* chimera_program_bytes(const chimera_program* program, size_t* size) {
  if (program == nullptr) {
    if (size != nullptr) *size = 0;
    return nullptr;
  }
  const auto& bytes = *program->checked.bytes();
  if (size != nullptr) *size = bytes.size();
  return bytes.data();
}
