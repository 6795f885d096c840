// Answers for people.

#include <fmt/format.h>
#include <algorithm>
#include <boost/uuid/uuid_io.hpp>
#include <iterator>

#include "isa/answer.h"
#include "isa/bytes.h"
#include "isa/utf8.h"

namespace chimera {
namespace {

using Bytes = std::span<const std::uint8_t>;

/// Text that is safe to print: control characters and what is not UTF-8 become \xNN.
std::string printable(std::string_view text) {
  std::string shown;
  while (!text.empty()) {
    const Utf8Character character = first_character(text);
    const std::size_t size = std::max<std::size_t>(character.size, 1);
    if (character.size != 0 && !is_control(character.point)) {
      shown += text.substr(0, size);
    } else {
      for (char c : text.substr(0, size))
        fmt::format_to(std::back_inserter(shown), "\\x{:02x}", static_cast<std::uint8_t>(c));
    }
    text.remove_prefix(size);
  }
  return shown;
}

/// `3 bytes: 61 62 63  "abc"`
std::string bytes_text(Bytes bytes, std::size_t most) {
  std::string shown = fmt::format("{} byte{}", bytes.size(), bytes.size() == 1 ? "" : "s");
  if (bytes.empty()) return shown;
  const Bytes front = bytes.first(std::min(bytes.size(), most));
  std::string characters;
  shown += ":";
  for (std::uint8_t byte : front) {
    fmt::format_to(std::back_inserter(shown), " {:02x}", byte);
    characters += byte >= 0x20 && byte < 0x7F ? static_cast<char>(byte) : '.';
  }
  const std::string_view more = front.size() < bytes.size() ? " …" : "";
  return fmt::format("{}{}  |{}|", shown, more, characters);
}

/// One line an entry, indented, at most `most` of them.
template <typename Entries, typename Line>
std::string list_text(const Entries& entries, std::string_view noun, std::size_t most, Line line) {
  std::string shown = fmt::format("{} {}{}", entries.size(), noun, entries.size() == 1 ? "" : "s");
  for (std::size_t i = 0; i < std::min(entries.size(), most); ++i) shown += "\n  " + line(entries[i]);
  if (entries.size() > most) fmt::format_to(std::back_inserter(shown), "\n  … {} more", entries.size() - most);
  return shown;
}

std::string extent_text(const Extent& extent) {
  std::string shown = fmt::format("{} bytes", extent.length);
  if ((extent.flags & extent_flags::hole) != 0) shown += ", a hole";
  if ((extent.flags & extent_flags::zeros) != 0) shown += ", zeros";
  if ((extent.flags & extent_flags::differs) != 0) shown += ", differs";
  return shown;
}

std::string greeting_text(const Greeting& greeting) {
  return fmt::format(
      "version {}.{}.{}, block size {}, largest transfer {}, most open devices {}, session {}, features {:#x}",
      greeting.major, greeting.minor, greeting.patch, greeting.block_size, greeting.largest_transfer,
      greeting.most_open_devices, greeting.session, greeting.features);
}

std::string digest_text(Bytes digest) {
  std::string shown;
  for (std::uint8_t byte : digest) fmt::format_to(std::back_inserter(shown), "{:02x}", byte);
  return shown;
}

std::string result_text(Result kind, const Answer& answer, std::size_t most) {
  switch (kind) {
    case Result::none: return {};
    case Result::byte: return fmt::format("{:#04x}", answer.result[0]);
    case Result::bytes:
    case Result::block: return bytes_text(answer.result, most);
    case Result::text: return printable(text_of(answer));
    case Result::extents: return list_text(extents_of(answer), "extent", most, extent_text);
    case Result::uuid: return to_string(uuid_of(answer));
    case Result::uuids:
      return list_text(uuids_of(answer), "UUID", most, [](const Uuid& uuid) { return to_string(uuid); });
    case Result::devices:
      return list_text(devices_of(answer), "device", most, [](const ListedDevice& device) {
        return fmt::format("{}  {}", to_string(device.uuid), printable(device.name));
      });
    case Result::u64: return fmt::format("{}", u64_of(answer));
    case Result::digest: return digest_text(answer.result);
    case Result::greeting: return greeting_text(greeting_of(answer));
  }
  return {};
}

}  // namespace

std::string answer_text(const Instruction& instruction, const Answer& answer, std::size_t most_bytes) {
  if (!answer.ok()) return fmt::format("{}: {}", status_text(answer.status), printable(answer.message));
  const std::string result = result_text(row_of(instruction.operation).result, answer, most_bytes);
  return result.empty() ? "ok" : "ok " + result;
}

}  // namespace chimera
