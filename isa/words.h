#pragma once
// The columns of opcodes.def in words, for references and tools.

#include <string>
#include <string_view>
#include <vector>

#include "isa/opcodes.h"

namespace chimera {

/// As the reference writes it: "device", "count32".
[[nodiscard]] std::string_view operand_name(Operand operand) noexcept;
/// How it stands in the stream: "16 bytes, a UUID in RFC 4122 order".
[[nodiscard]] std::string_view operand_encoding(Operand operand) noexcept;

[[nodiscard]] std::string_view result_name(Result result) noexcept;
[[nodiscard]] std::string_view result_encoding(Result result) noexcept;

/// The names of a row's properties, "moves cursor".
[[nodiscard]] std::vector<std::string_view> property_names(const Row& row);

/// Every Operand and Result, in the order of their enums.
[[nodiscard]] std::vector<Operand> all_operands();
[[nodiscard]] std::vector<Result> all_results();

}  // namespace chimera
