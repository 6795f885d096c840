#include "isa/text.h"

#include <fmt/format.h>
#include <charconv>
#include <limits>

#include "isa/bytes.h"
#include "isa/clone_option.h"
#include "isa/limits.h"
#include "isa/utf8.h"

namespace chimera {
namespace {

/// Calls `accept(point)` for each character; false as soon as one is ill-formed or not accepted.
template <typename Accept>
bool all_characters(std::string_view text, Accept accept) {
  while (!text.empty()) {
    const Utf8Character character = first_character(text);
    if (character.size == 0 || !accept(character.point)) return false;
    text.remove_prefix(character.size);
  }
  return true;
}

/// What a size suffix multiplies by, as a shift; nothing for no suffix.
std::optional<unsigned> suffix_shift(char suffix) {
  switch (suffix) {
    case 'K': return 10;
    case 'M': return 20;
    case 'G': return 30;
    case 'T': return 40;
    default: return std::nullopt;
  }
}

using Problem = std::optional<std::string>;

Problem set_size(std::string_view value, CreateOptions& options) {
  if (options.size) return "the option size stands there twice";
  options.size = parse_size(value);
  if (!options.size) return fmt::format("size={} is not a number of bytes", value);
  if (*options.size > limits::greatest_length)
    return fmt::format("size={} is over the greatest length, {}", value, limits::greatest_length);
  return std::nullopt;
}

Problem set_kind(std::string_view value, bool& seen, CreateOptions& options) {
  if (seen) return "the option kind stands there twice";
  seen = true;
  if (value == "pool") {
    options.kind = DeviceKind::pool;
  } else if (value == "memory") {
    options.kind = DeviceKind::memory;
  } else if (value == "file") {
    options.kind = DeviceKind::file;
  } else {
    return fmt::format("kind={} is neither pool nor memory nor file", value);
  }
  return std::nullopt;
}

Problem set_path(std::string_view value, CreateOptions& options) {
  if (!options.path.empty()) return "the option path stands there twice";
  if (!is_valid_path(value)) {
    return fmt::format("path={} is not 1 to {} bytes of names with a slash between, none of them . or ..", value,
                       limits::longest_path);
  }
  options.path = value;
  return std::nullopt;
}

Problem check_together(const CreateOptions& options) {
  const bool is_file = options.kind == DeviceKind::file;
  if (is_file && options.path.empty()) return "kind=file goes with a path";
  if (!is_file && !options.path.empty()) return "a path goes with kind=file alone";
  if (is_file && options.size) return "a file has a length of its own, so size does not go with kind=file";
  return std::nullopt;
}

}  // namespace

bool is_utf8(std::string_view text) noexcept {
  constexpr std::uint64_t high_bits = 0x8080808080808080;
  while (!text.empty()) {
    // Eight characters at once where they are ASCII, as those of most texts are.
    if (text.size() >= 8 &&
        (load<std::uint64_t>(reinterpret_cast<const std::uint8_t*>(text.data())) & high_bits) == 0) {
      text.remove_prefix(8);
      continue;
    }
    const std::size_t size = first_character(text).size;
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

bool is_valid_name(std::string_view name) noexcept {
  return !name.empty() && name.size() <= limits::longest_name &&
         all_characters(name, [](std::uint32_t point) { return !is_control(point); });
}

bool is_valid_path(std::string_view path) noexcept {
  const bool is_text =
      path.size() <= limits::longest_path && is_valid_name(path) && path.find(',') == std::string_view::npos;
  for (bool more = is_text; more;) {
    const std::size_t slash = path.find('/');
    const std::string_view name = path.substr(0, slash);
    if (name.empty() || name == "." || name == "..") return false;
    more = slash != std::string_view::npos;
    path.remove_prefix(more ? slash + 1 : path.size());
  }
  return is_text;
}

std::optional<std::uint64_t> parse_size(std::string_view text) noexcept {
  unsigned shift = 0;
  if (!text.empty()) {
    if (const auto suffix = suffix_shift(text.back())) {
      shift = *suffix;
      text.remove_suffix(1);
    }
  }
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if (number > std::numeric_limits<std::uint64_t>::max() >> shift) return std::nullopt;
  return number << shift;
}

std::expected<CreateOptions, std::string> parse_create_options(std::string_view options) {
  if (!is_utf8(options)) return std::unexpected("the options are not UTF-8");
  CreateOptions parsed;
  bool kind_seen = false;
  for (bool more = true; more;) {
    const std::size_t comma = options.find(',');
    more = comma != std::string_view::npos;
    const std::string_view pair = options.substr(0, comma);
    options.remove_prefix(more ? comma + 1 : options.size());

    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos) {
      return std::unexpected(fmt::format("\"{}\" is not an option of the form key=value", pair));
    }
    const std::string_view key = pair.substr(0, equals);
    const std::string_view value = pair.substr(equals + 1);
    Problem problem;
    if (key == "size") {
      problem = set_size(value, parsed);
    } else if (key == "kind") {
      problem = set_kind(value, kind_seen, parsed);
    } else if (key == "path") {
      problem = set_path(value, parsed);
    } else {
      problem = fmt::format("there is no option {}", key);
    }
    if (problem) return std::unexpected(*std::move(problem));
  }
  if (auto problem = check_together(parsed)) return std::unexpected(*std::move(problem));
  return parsed;
}

std::optional<Uuid> parse_clone_option(std::string_view options) noexcept {
  constexpr std::string_view key = "clone=";
  if (!options.starts_with(key)) return std::nullopt;
  return parse_uuid(options.substr(key.size()));
}

std::optional<Uuid> parse_uuid(std::string_view text) noexcept {
  if (text.size() != uuid_text_size) return std::nullopt;
  Uuid uuid{};
  std::size_t digits = 0;
  for (std::size_t i = 0; i < uuid_text_size; ++i) {
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (text[i] != '-') return std::nullopt;
      continue;
    }
    const int value = digit_value(text[i]);
    if (value < 0) return std::nullopt;
    std::uint8_t& byte = uuid.data[digits++ / 2];
    byte = static_cast<std::uint8_t>(byte << 4 | value);
  }
  return uuid;
}

}  // namespace chimera
