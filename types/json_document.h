#pragma once
// A JSON text taken apart, before it is known what type it is to be of. Numbers stay the text that they were.

#include <string>
#include <string_view>
#include <vector>

#include "types/error.h"

namespace chimera::types {

struct JsonNode {
  enum class Form : std::uint8_t { null, boolean, number, string, array, object };
  Form form = Form::null;
  bool truth = false;
  std::string text;                ///< of a number as it is written, of a string its value
  std::vector<std::string> names;  ///< of an object's fields, each once
  std::vector<JsonNode> items;     ///< an array's elements, an object's values
  // Offsets in the text, in bytes.
  std::size_t offset = 0;                 ///< of its first byte
  std::vector<std::size_t> name_offsets;  ///< of each name, with its quote

  /// "an array", for errors.
  [[nodiscard]] std::string_view form_name() const;
};

/// The offset of the value that a path leads to (Error::path), or of the last that there is on the way.
[[nodiscard]] std::size_t offset_at(const JsonNode& node, std::string_view path);

/// The error says at which byte the text goes wrong. Arrays and objects are inside each other limits::most_json_depth
/// deep at most.
[[nodiscard]] Result<JsonNode> parse_json(std::string_view text);

}  // namespace chimera::types
