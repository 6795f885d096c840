#pragma once
// What types and values may have at most. Sizes are in bytes unless the name says otherwise.

#include <cstddef>
#include <cstdint>

#include "isa/limits.h"

namespace chimera::types::limits {

/// Of types inside each other, and of values inside each other.
inline constexpr unsigned most_depth = 32;
/// Of JSON: a value inside others may take two levels of it, with its tag.
inline constexpr unsigned most_json_depth = 4 * most_depth;
/// Fields, variants and alternatives of one type with all that is inside it: what a type takes in memory has an end,
/// whatever it is made of.
inline constexpr std::size_t most_members = 4096;
/// Of names of columns, fields, variants, types, relations: NAMESPACE/DATABASE/TABLE/COLUMN is a device's name.
inline constexpr std::size_t longest_identifier = 60;
/// A type whose values all have the same width is variable all the same where they are larger than this.
inline constexpr std::uint32_t most_fixed_width = 4096;
/// Of a composite key, all its columns together.
inline constexpr std::size_t longest_key = 1024;
/// The size that string, array and set may be given.
inline constexpr std::uint32_t most_size = 0x7FFFFFFF;
/// Of a relation.
inline constexpr std::size_t most_columns = 1024;
/// Of a relation.
inline constexpr std::uint64_t most_rows = std::uint64_t{1} << 40;
/// Of a schema.
inline constexpr std::size_t most_types = 4096;
inline constexpr std::size_t most_relations = 4096;
/// The text of a schema.
inline constexpr std::size_t longest_schema = 1 << 20;

static_assert(4 * longest_identifier + 12 <= chimera::limits::longest_name);

}  // namespace chimera::types::limits
