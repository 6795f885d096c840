#include "types/kind.h"

#include <array>

namespace chimera::types {
namespace {

constexpr std::array<std::string_view, kind_count> kind_names{
    "null", "string",  "array",    "set",  "object", "datetime", "duration",  "usize", "u8",      "u16", "u32",
    "u64",  "u128",    "isize",    "i8",   "i16",    "i32",      "i64",       "i128",  "fsize",   "f32", "f64",
    "bool", "pointer", "function", "enum", "struct", "union",    "interface", "any",   "unknown", "blob"};

}  // namespace

std::string_view kind_name(Kind kind) noexcept { return kind_names[static_cast<std::size_t>(kind) % kind_count]; }

std::optional<Kind> kind_named(std::string_view name) noexcept {
  for (std::size_t i = 0; i < kind_names.size(); ++i) {
    if (kind_names[i] == name) return static_cast<Kind>(i);
  }
  return std::nullopt;
}

}  // namespace chimera::types
