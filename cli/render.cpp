#include "cli/render.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/uuid/uuid_io.hpp>
#include <nlohmann/json.hpp>

#include "assembler/quoting.h"
#include "cli/terminal.h"
#include "isa/opcodes.h"
#include "isa/text.h"

namespace chimera::cli {
namespace {

using Bytes = std::span<const std::uint8_t>;
using Json = nlohmann::ordered_json;

constexpr std::size_t bytes_a_row = 16;
constexpr std::size_t most_rows = 16;

std::string_view as_text(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

bool is_printable(std::uint8_t byte) { return byte >= 0x20 && byte < 0x7F; }

bool is_plain_text(Bytes bytes) {
  const auto is_odd = [](std::uint8_t byte) {
    return byte == 0x7F || (byte < 0x20 && byte != '\n' && byte != '\t' && byte != '\r');
  };
  return is_utf8(as_text(bytes)) && std::ranges::none_of(bytes, is_odd);
}

std::string dump_row(std::uint64_t offset, Bytes row) {
  std::string hex, text;
  for (std::size_t i = 0; i < bytes_a_row; ++i) {
    if (i == bytes_a_row / 2) hex += ' ';
    hex += i < row.size() ? fmt::format("{:02x} ", row[i]) : "   ";
    if (i < row.size()) text += is_printable(row[i]) ? static_cast<char>(row[i]) : '.';
  }
  return fmt::format("{:08x}  {}|{}|", offset, hex, text);
}

/// As hexdump -C: a row that repeats the one before it is left out, with a * for all of them.
std::vector<std::string> dump(Bytes bytes, std::uint64_t first_offset) {
  std::vector<std::string> lines;
  Bytes previous;
  bool starred = false;
  for (std::size_t at = 0; at < bytes.size(); at += bytes_a_row) {
    const Bytes row = bytes.subspan(at, std::min(bytes_a_row, bytes.size() - at));
    if (row.size() == previous.size() && std::ranges::equal(row, previous)) {
      if (!starred) lines.emplace_back("*");
      starred = true;
      continue;
    }
    if (lines.size() >= most_rows) {
      lines.push_back(fmt::format("… {} more bytes (--raw writes them all)", grouped(bytes.size() - at)));
      return lines;
    }
    lines.push_back(dump_row(first_offset + at, row));
    previous = row;
    starred = false;
  }
  return lines;
}

RenderedAnswer render_bytes(Bytes bytes, std::size_t width, std::uint64_t first_offset) {
  if (bytes.empty()) return {"no bytes", {}};
  if (is_plain_text(bytes)) {
    std::string quoted = quote(as_text(bytes));
    if (display_width(quoted) <= width) return {std::move(quoted), {}};
  }
  if (bytes.size() <= bytes_a_row && 3 * bytes.size() + 4 <= width) {
    return {fmt::format("hex\"{}\"", hex_bytes(bytes, bytes.size())), {}};
  }
  if (std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; })) {
    return {fmt::format("{} zeros", grouped(bytes.size())), {}};
  }
  return {fmt::format("{} bytes", grouped(bytes.size())), dump(bytes, first_offset)};
}

std::vector<std::string> split_lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

RenderedAnswer render_text(std::string_view text, std::size_t width) {
  const auto json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_object()) {
    if (text.size() <= width) return {std::string(text), {}};
    return {fmt::format("{} values", json.size()), split_lines(json.dump(2))};
  }
  std::string quoted = quote(text);
  if (display_width(quoted) <= width) return {std::move(quoted), {}};
  if (!is_plain_text({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()})) {
    return {cut_to_width(quoted, width), {}};
  }
  return {fmt::format("{} bytes of text", grouped(text.size())), split_lines(text)};
}

/// The summary's words behind "ok".
RenderedAnswer behind_ok(RenderedAnswer rendered) {
  rendered.summary = fmt::format("ok  {}", rendered.summary);
  return rendered;
}

/// What isa's own words make of it, its first line apart from the rest.
RenderedAnswer render_in_words(const Instruction& instruction, const Answer& answer) {
  constexpr std::size_t most_entries = 64;
  constexpr std::string_view ok = "ok ";
  const std::vector<std::string> lines = split_lines(answer_text(instruction, answer, most_entries));
  RenderedAnswer rendered{lines.front(), {}};
  if (lines.front().starts_with(ok)) rendered = behind_ok({lines.front().substr(ok.size()), {}});
  for (const std::string& line : std::span(lines).subspan(1)) {
    rendered.details.push_back(line.substr(line.find_first_not_of(' ')));
  }
  return rendered;
}

std::string hex_digits(Bytes bytes) {
  std::string digits;
  digits.reserve(2 * bytes.size());
  for (std::uint8_t byte : bytes) fmt::format_to(std::back_inserter(digits), "{:02x}", byte);
  return digits;
}

Json extents_to_json(const Answer& answer) {
  auto json = Json::array();
  for (const Extent& extent : extents_of(answer)) {
    json.push_back({{"length", extent.length},
                    {"hole", (extent.flags & extent_flags::hole) != 0},
                    {"zeros", (extent.flags & extent_flags::zeros) != 0},
                    {"differs", (extent.flags & extent_flags::differs) != 0}});
  }
  return json;
}

Json greeting_to_json(const Greeting& greeting) {
  return {{"version", fmt::format("{}.{}.{}", greeting.major, greeting.minor, greeting.patch)},
          {"block_size", greeting.block_size},
          {"largest_transfer", greeting.largest_transfer},
          {"most_open_devices", greeting.most_open_devices},
          {"session", greeting.session},
          {"features", greeting.features}};
}

Json uuids_to_json(const Answer& answer) {
  auto json = Json::array();
  for (const Uuid& uuid : uuids_of(answer)) json.push_back(to_string(uuid));
  return json;
}

Json devices_to_json(const Answer& answer) {
  auto json = Json::array();
  for (const ListedDevice& device : devices_of(answer)) {
    json.push_back({{"uuid", to_string(device.uuid)}, {"name", device.name}});
  }
  return json;
}

Json result_to_json(Result kind, const Answer& answer) {
  switch (kind) {
    case Result::none: return nullptr;
    case Result::byte: return answer.result[0];
    case Result::bytes:
    case Result::block:
    case Result::digest: return hex_digits(answer.result);
    case Result::text: return std::string(text_of(answer));
    case Result::extents: return extents_to_json(answer);
    case Result::uuid: return to_string(uuid_of(answer));
    case Result::uuids: return uuids_to_json(answer);
    case Result::devices: return devices_to_json(answer);
    case Result::u64: return u64_of(answer);
    case Result::greeting: return greeting_to_json(greeting_of(answer));
  }
  return nullptr;
}

}  // namespace

RenderedAnswer render_answer(const Instruction& instruction, const Answer& answer, std::size_t width) {
  const Result kind = row_of(instruction.operation).result;
  const std::size_t room = width > 4 ? width - 4 : 0;
  if (answer.ok() && (kind == Result::bytes || kind == Result::block)) {
    return behind_ok(render_bytes(answer.result, room, instruction.has_offset ? instruction.offset : 0));
  }
  if (answer.ok() && kind == Result::text) return behind_ok(render_text(text_of(answer), room));
  return render_in_words(instruction, answer);
}

Json answer_to_json(const Instruction& instruction, const Answer& answer) {
  Json json{{"status", static_cast<unsigned>(answer.status)}, {"meaning", status_text(answer.status)}};
  const Result kind = row_of(instruction.operation).result;
  if (!answer.ok()) {
    json["message"] = answer.message;
  } else if (kind != Result::none) {
    json["result"] = result_to_json(kind, answer);
  }
  return json;
}

std::string to_text(const Json& json, int indent) {
  return json.dump(indent, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

std::string quote(std::string_view text) {
  std::string quoted;
  assembler::append_quoted(quoted, text);
  return quoted;
}

std::string hex_bytes(std::span<const std::uint8_t> bytes, std::size_t most) {
  std::string text;
  for (std::size_t i = 0; i < std::min(bytes.size(), most); ++i) {
    text += fmt::format("{}{:02x}", i == 0 ? "" : " ", bytes[i]);
  }
  return bytes.size() > most ? text + " …" : text;
}

std::string grouped(std::uint64_t number) {
  const std::string digits = std::to_string(number);
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::string counted(std::uint64_t count, std::string_view what) {
  return fmt::format("{} {}{}", grouped(count), what, count == 1 ? "" : "s");
}

std::string rows_are(std::uint64_t count) { return counted(count, "row") + (count == 1 ? " is" : " are"); }

}  // namespace chimera::cli
