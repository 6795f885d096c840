#pragma once
// Contents that are kept compressed, as zstd frames.

#include <cstdint>
#include <span>
#include <vector>

#include "types/error.h"
#include "types/type.h"
#include "types/value.h"

namespace chimera::tables {

/// Longer contents are not compressed, nor taken out of a frame (bytes).
inline constexpr std::uint64_t largest_content = 256 << 20;

/// A frame that is shorter than the content by an eighth at least; false if there is none, and `to` is anything then.
[[nodiscard]] bool compress(std::span<const std::uint8_t> content, std::vector<std::uint8_t>& to);

/// The content of a frame at the beginning of `bytes`, of exactly `size` bytes. corrupt: it is none.
[[nodiscard]] types::Result<std::vector<std::uint8_t>> decompress(std::span<const std::uint8_t> bytes,
                                                                  std::uint64_t size);

/// The same of a frame whose content fills `to`. False: it is none, and `to` is anything then.
[[nodiscard]] bool decompress_into(std::span<const std::uint8_t> bytes, std::span<std::uint8_t> to);

[[nodiscard]] types::Result<types::Value> value_of_compressed(std::span<const std::uint8_t> bytes, std::uint64_t size,
                                                              const types::Type& type);

}  // namespace chimera::tables
