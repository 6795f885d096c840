#pragma once
// CRC-32C (Castagnoli, polynomial 0x1EDC6F41 reflected: 0x82F63B78), by the processor's instructions where it has them.

#include <cstddef>
#include <cstdint>

namespace chimera::devices {

/// The CRC of `size` bytes, continuing from `crc` (0 to begin).
[[nodiscard]] std::uint32_t crc32c(std::uint32_t crc, const void* bytes, std::size_t size) noexcept;

/// The same by tables alone; what machines without the instruction use.
[[nodiscard]] std::uint32_t crc32c_portable(std::uint32_t crc, const void* bytes, std::size_t size) noexcept;

/// The checksum of a block of 4096 bytes that was born at `address` in `generation`: its bytes alone do not do, or a
/// block that was written to the wrong place, or an old version of it, would pass.
[[nodiscard]] std::uint32_t block_checksum(std::uint64_t address, std::uint64_t generation, const void* block) noexcept;
/// Copies a block to where it is kept, aligned to a block, and gives that checksum: one pass over the memory for both.
[[nodiscard]] std::uint32_t copy_block(std::uint64_t address, std::uint64_t generation, const void* source,
                                       void* target) noexcept;

}  // namespace chimera::devices
