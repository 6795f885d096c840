#include "cli/journal_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/uuid/uuid_io.hpp>
#include <limits>
#include <span>
#include <string_view>

#include "cli/render.h"
#include "devices/journal_format.h"
#include "isa/bytes.h"

namespace chimera::cli {
namespace {

using devices::JournalEntry;
using devices::JournalOpcode;
using Bytes = std::span<const std::uint8_t>;

constexpr std::string_view planes[] = {"data", "metadata", "columns"};
constexpr const char* nothing_that_can_be = "nothing that can be";

Uuid uuid_at(Bytes bytes) {
  Uuid uuid;
  std::copy_n(bytes.begin(), sizeof uuid, uuid.begin());
  return uuid;
}

/// "0-2, 7": which blocks of the plane, as far as a line has room.
std::string indexes(Bytes entries) {
  constexpr std::size_t most_runs = 6;
  std::string text;
  std::size_t runs = 0;
  for (std::size_t at = 0; at < entries.size();) {
    const auto first = load<std::uint64_t>(&entries[at]);
    std::uint64_t last = first;
    for (at += sizeof(JournalEntry); at < entries.size() && load<std::uint64_t>(&entries[at]) == last + 1;
         at += sizeof(JournalEntry)) {
      ++last;
    }
    if (++runs > most_runs) return text + ", …";
    if (runs > 1) text += ", ";
    text += first == last ? fmt::format("{}", first) : fmt::format("{}-{}", first, last);
  }
  return text;
}

}  // namespace

JournalWords::JournalWords(const devices::Store& before) {
  for (const devices::Device* device : before.list({}, {}, std::numeric_limits<std::size_t>::max())) {
    names_[device->uuid()] = device->name();
  }
}

std::string JournalWords::name(const Uuid& uuid) const {
  const auto found = names_.find(uuid);
  return found == names_.end() ? to_string(uuid) : quote(found->second);
}

/// The names of the devices that stand in the instruction's text as UUIDs.
std::string JournalWords::known_names(const Instruction& instruction) const {
  const Form& form =
      instruction.opcode == extension_opcode ? form_of_extension(instruction.extension) : form_of(instruction.opcode);
  std::string text;
  for (const Operand operand : form.operands) {
    const bool is_device = operand == Operand::device || operand == Operand::second_device;
    const auto found = names_.find(operand == Operand::device ? instruction.device : instruction.second_device);
    if (!is_device || found == names_.end()) continue;
    if (!text.empty()) text += ", ";
    text += quote(found->second);
  }
  return text;
}

std::string JournalWords::explain(const Instruction& instruction) {
  if (instruction.operation == Operation::journal_record) return explain_record(instruction);
  std::string text = known_names(instruction);
  const bool names =
      instruction.operation == Operation::create_device || instruction.operation == Operation::rename_device;
  if (names) names_[instruction.device] = instruction.name;
  return text;
}

/// Pairs of devices, the second of each being the one whose content the first takes.
std::string JournalWords::roll_backs(std::span<const std::uint8_t> operands) const {
  constexpr std::size_t pair = 2 * sizeof(Uuid);
  if (operands.size() % pair != 0) return nothing_that_can_be;
  std::string text;
  for (std::size_t at = 0; at < operands.size(); at += pair) {
    text += fmt::format("{}{} to {}", text.empty() ? "" : ", ", name(uuid_at(operands.subspan(at))),
                        name(uuid_at(operands.subspan(at + sizeof(Uuid)))));
  }
  return text + ", all at once";
}

std::string JournalWords::explain_record(const Instruction& instruction) {
  const Bytes operands = instruction.payload;
  if (static_cast<JournalOpcode>(instruction.extension) == JournalOpcode::let_go) {
    if (operands.size() != sizeof(std::uint64_t)) return nothing_that_can_be;
    return fmt::format("copy {} is given up", grouped(load<std::uint64_t>(operands.data())));
  }
  if (operands.size() < sizeof(Uuid)) return nothing_that_can_be;
  const std::string device = name(uuid_at(operands));
  const Bytes rest = operands.subspan(sizeof(Uuid));
  constexpr std::size_t two_numbers = 2 * sizeof(std::uint64_t);
  switch (static_cast<JournalOpcode>(instruction.extension)) {
    case JournalOpcode::place_blocks: {
      if (rest.empty() || rest[0] >= std::size(planes) || (rest.size() - 1) % sizeof(JournalEntry) != 0) break;
      const Bytes entries = rest.subspan(1);
      return fmt::format("{} of {} of {}: {}", counted(entries.size() / sizeof(JournalEntry), "block"), planes[rest[0]],
                         device, indexes(entries));
    }
    case JournalOpcode::clone_as: {
      constexpr std::size_t before_name = sizeof(Uuid) + sizeof(std::uint16_t);
      if (rest.size() < before_name) break;
      const Bytes called = rest.subspan(before_name);
      const Uuid clone = uuid_at(rest);
      names_[clone].assign(called.begin(), called.end());
      return fmt::format("clone of {}: {}, {}", device, name(clone), to_string(clone));
    }
    case JournalOpcode::write_columns:
      if (rest.size() < sizeof(std::uint64_t)) break;
      return fmt::format("{} of columns of {}, at offset {}", counted(rest.size() - sizeof(std::uint64_t), "byte"),
                         device, grouped(load<std::uint64_t>(rest.data())));
    case JournalOpcode::set_lengths:
      if (rest.size() != two_numbers) break;
      return fmt::format("length of {}: {}, of its columns: {}", device, grouped(load<std::uint64_t>(rest.data())),
                         grouped(load<std::uint64_t>(rest.data() + sizeof(std::uint64_t))));
    case JournalOpcode::cut_file: {
      if (rest.size() != sizeof(std::uint64_t)) break;
      const auto cut = load<std::uint64_t>(rest.data());
      return cut == 0 ? fmt::format("the file of {} has its length", device)
                      : fmt::format("the file of {} is to be cut to {} bytes", device, grouped(cut - 1));
    }
    case JournalOpcode::keep_outcome:
      if (rest.size() != sizeof(std::uint64_t)) break;
      return fmt::format("commit {} with a token: {}", grouped(load<std::uint64_t>(rest.data())),
                         to_string(uuid_at(operands)));
    case JournalOpcode::roll_back_all: return roll_backs(operands);
    case JournalOpcode::hold:
      if (rest.size() != sizeof(std::uint64_t)) break;
      return fmt::format("copy {} begins: {} as it is now", grouped(load<std::uint64_t>(rest.data())), device);
    case JournalOpcode::copy_held: {
      constexpr std::size_t numbers = 4;
      if (rest.size() != numbers * sizeof(std::uint64_t)) break;
      const auto number = [rest](std::size_t n) {
        return grouped(load<std::uint64_t>(&rest[n * sizeof(std::uint64_t)]));
      };
      return fmt::format("copy {} ends: {} bytes from its offset {} to {}, offset {}", number(1), number(3), number(2),
                         device, number(0));
    }
    case JournalOpcode::let_go: break;  // names no device
  }
  return nothing_that_can_be;
}

}  // namespace chimera::cli
