#pragma once
// Answers for people and as JSON.

#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "isa/answer.h"
#include "isa/instruction.h"

namespace chimera::cli {

/// An answer as text: its status and a few words for the line of its instruction, and what does not fit there.
struct RenderedAnswer {
  std::string summary;
  std::vector<std::string> details;  ///< a line each
};

/// Of `instruction` its operation, count and offset are looked at. `width`: columns that the summary may take.
[[nodiscard]] RenderedAnswer render_answer(const Instruction& instruction, const Answer& answer, std::size_t width);

/// `{"status": 0, "meaning": "ok", "result": …}`, the result in JSON's terms (bytes as hex digits), or
/// `{"status": 3, "meaning": "not found", "message": …}`.
[[nodiscard]] nlohmann::ordered_json answer_to_json(const Instruction& instruction, const Answer& answer);

/// As text, over several lines where `indent` is not negative; what is not UTF-8 in it is replaced.
[[nodiscard]] std::string to_text(const nlohmann::ordered_json& json, int indent = -1);

/// `"text\n"`: in double quotes with the assembler's escapes.
[[nodiscard]] std::string quote(std::string_view text);
/// `68 65 6c`, at most `most` bytes and then ….
[[nodiscard]] std::string hex_bytes(std::span<const std::uint8_t> bytes, std::size_t most);
/// 1234567 as "1,234,567".
[[nodiscard]] std::string grouped(std::uint64_t number);
/// "1 record", "1,234 records".
[[nodiscard]] std::string counted(std::uint64_t count, std::string_view what);
/// "1 row is", "1,234 rows are".
[[nodiscard]] std::string rows_are(std::uint64_t count);

}  // namespace chimera::cli
