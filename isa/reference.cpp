#include "isa/reference.h"

#include <fmt/format.h>
#include <array>
#include <iterator>

#include "isa/limits.h"
#include "isa/opcodes.h"
#include "isa/reference_prose.h"
#include "isa/status.h"
#include "isa/words.h"

namespace chimera {
namespace {

template <typename... Arguments>
void add(std::string& to, fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  fmt::format_to(std::back_inserter(to), format, std::forward<Arguments>(arguments)...);
}

/// Device and offset, as far as the mode has them in the stream: "D O".
std::string addresses(const Form& form, const Row& row) {
  std::string text;
  const auto part = [&text](bool there, std::string_view letter) {
    if (!there) return;
    if (!text.empty()) text += ' ';
    text += letter;
  };
  const bool by_mode = row.addressing != Addressing::single && row.addressing != Addressing::journal;
  part(by_mode && form.has_device, "D");
  part(by_mode && form.has_offset, "O");
  part(row.addressing == Addressing::creation && form.operands.has(Operand::options), "options");
  return text;
}

/// "`03` (D O) · `01` (D) · `02` (O) · `00`"
std::string opcodes_text(const Row& row) {
  if (row.addressing == Addressing::journal) return "`80`-`FF`";
  std::string text;
  for (std::uint8_t opcode : opcodes_of(row)) {
    if (!text.empty()) text += " · ";
    add(text, "`{:02X}`", opcode);
    if (row.is_extension) continue;
    const std::string carried = addresses(form_of(opcode), row);
    if (!carried.empty()) add(text, " ({})", carried);
  }
  return text;
}

std::string operands_text(const Row& row) {
  std::string text;
  for (Operand operand : row.operands) {
    if (!text.empty()) text += ", ";
    text += operand_name(operand);
  }
  if (row.operation == Operation::extension) return "second opcode u8, u32 length, operands";
  if (row.addressing == Addressing::creation) return "name, columns, options if any";
  return text;
}

void add_rows(std::string& to, bool extensions) {
  add(to, "| instruction | {} | {} | result | meaning |\n|---|---|---|---|---|\n",
      extensions ? "second opcode" : "opcodes", extensions ? "operands" : "then");
  for (const Row& row : rows) {
    if (row.is_extension != extensions) continue;
    add(to, "| {} | {} | {} | {} | {} |\n", row.mnemonic, opcodes_text(row), operands_text(row),
        row.result == Result::none ? "" : result_name(row.result), row.meaning);
  }
}

void add_operands(std::string& to) {
  to +=
      "## Operands\n\nLittle-endian; device (D) and offset (O) right behind the opcode, then the others, in the order "
      "of the "
      "tables, each\nonly where the instruction has it.\n\n| operand | in the stream |\n|---|---|\n";
  for (Operand operand : all_operands()) add(to, "| {} | {} |\n", operand_name(operand), operand_encoding(operand));
}

void add_results(std::string& to) {
  to += "| result | behind status 0 |\n|---|---|\n";
  for (Result result : all_results()) add(to, "| {} | {} |\n", result_name(result), result_encoding(result));
}

/// Where several statuses apply, the first of these.
constexpr std::array<std::uint8_t, 18> precedence{1, 14, 20, 8, 15, 2, 3, 21, 22, 16, 17, 18, 4, 6, 5, 7, 10, 11};

/// What the words of a status leave open.
std::string_view remark(Status status) {
  switch (status) {
    case Status::illegal_instruction: return "the stream ends: the connection is closed after this answer";
    case Status::misaligned: return "block offsets are multiples of 4096";
    case Status::aborted: return "the transaction has already failed";
    case Status::conflict: return "run the transaction again";
    case Status::busy: return "another session has the device open";
    case Status::corrupt: return "a checksum does not match";
    case Status::too_large: return "passed over if it is below 1 GiB, else the stream ends";
    case Status::unsupported: return "by this kind of device, or by this version";
    case Status::out_of_sequence:
      return "begin inside a transaction; commit, abort, flush or sync where it does not belong";
    case Status::no_cursor: return "give the offset";
    default: return {};
  }
}

void add_statuses(std::string& to) {
  to += "\n| status | | |\n|---|---|---|\n";
  for (unsigned i = 0; i < status_count; ++i) {
    const auto status = static_cast<Status>(i);
    add(to, "| {} | {} | {} |\n", i, status_text(status), remark(status));
  }
  to += "\nWhere several apply, the first of: ";
  for (std::size_t i = 0; i < precedence.size(); ++i) add(to, "{}{}", i == 0 ? "" : ", ", precedence[i]);
  to += ".\n";
}

struct Limit {
  std::string_view name;
  std::uint64_t value;
};

constexpr std::array<Limit, 8> all_limits{{
    {"block size", limits::block_size},
    {"greatest length", limits::greatest_length},
    {"largest transfer", limits::largest_transfer},
    {"longest name", limits::longest_name},
    {"most extents in one answer", limits::most_extents},
    {"most devices in one answer", limits::most_listed},
    {"most open devices of a session", limits::most_open_devices},
    {"most devices of a store", limits::most_devices},
}};

void add_limits(std::string& to) {
  to += "\n## Limits\n\n| limit | |\n|---|---|\n";
  for (const Limit& limit : all_limits) add(to, "| {} | {} |\n", limit.name, limit.value);
}

/// `text` as a JSON string.
std::string quoted(std::string_view text) {
  std::string json = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') json += '\\';
    json += c;
  }
  json += '"';
  return json;
}

/// One item a line, separated by commas.
template <typename Items, typename Item>
void add_list(std::string& to, std::string_view name, const Items& items, Item item, bool last = false) {
  add(to, "  {}: [\n", quoted(name));
  std::size_t left = std::size(items);
  for (const auto& each : items) add(to, "    {}{}\n", item(each), --left > 0 ? "," : "");
  add(to, "  ]{}\n", last ? "" : ",");
}

std::string names_json(const auto& names) {
  std::string json;
  for (const auto& name : names) {
    if (!json.empty()) json += ", ";
    json += quoted(name);
  }
  return "[" + json + "]";
}

std::string encoding_json(std::uint8_t number, const Form& form, bool is_extension) {
  std::vector<std::string_view> names;
  for (Operand operand : form.operands) names.push_back(operand_name(operand));
  return fmt::format("{{{}\"{}\": {}, \"operands\": {}}}", is_extension ? "\"opcode\": 127, " : "",
                     is_extension ? "second_opcode" : "opcode", number, names_json(names));
}

std::string row_json(const Row& row) {
  std::string encodings;
  for (std::uint8_t opcode : opcodes_of(row)) {
    if (!encodings.empty()) encodings += ", ";
    encodings +=
        encoding_json(opcode, row.is_extension ? form_of_extension(opcode) : form_of(opcode), row.is_extension);
  }
  return fmt::format(
      "{{\"name\": {}, \"mnemonic\": {}, \"meaning\": {}, \"result\": {}, \"properties\": {}, \"encodings\": [{}]}}",
      quoted(row.name), quoted(row.mnemonic), quoted(row.meaning), quoted(result_name(row.result)),
      names_json(property_names(row)), encodings);
}

std::string pair_json(std::string_view name, std::string_view encoding) {
  return fmt::format("{{\"name\": {}, \"encoding\": {}}}", quoted(name), quoted(encoding));
}

}  // namespace

std::string reference_markdown() {
  std::string text{prose::introduction};
  add_operands(text);
  text += prose::registers;
  text +=
      "## Instructions\n\nD: a device stands in the stream. O: an offset does. From the fullest form to the "
      "barest.\n\n";
  add_rows(text, false);
  text += prose::extensions;
  add_rows(text, true);
  text += prose::answers;
  add_results(text);
  add_statuses(text);
  text += prose::statuses.substr(0, prose::statuses.size() - 1);
  text += prose::meaning;
  add_limits(text);
  text += prose::assembly;
  return text;
}

std::string reference_json() {
  std::string json = "{\n";
  add_list(json, "instructions", rows, row_json);
  add_list(json, "operands", all_operands(),
           [](Operand operand) { return pair_json(operand_name(operand), operand_encoding(operand)); });
  add_list(json, "results", all_results(),
           [](Result result) { return pair_json(result_name(result), result_encoding(result)); });
  std::vector<unsigned> statuses(status_count);
  for (unsigned i = 0; i < status_count; ++i) statuses[i] = i;
  add_list(json, "statuses", statuses, [](unsigned status) {
    return fmt::format("{{\"number\": {}, \"text\": {}}}", status, quoted(status_text(static_cast<Status>(status))));
  });
  add_list(json, "status_precedence", precedence, [](std::uint8_t status) { return fmt::format("{}", status); });
  add_list(
      json, "limits", all_limits,
      [](const Limit& limit) {
        return fmt::format("{{\"name\": {}, \"value\": {}}}", quoted(limit.name), limit.value);
      },
      true);
  json += "}\n";
  return json;
}

}  // namespace chimera
