#pragma once
// CRC-32C by carry-less multiplication, 256 bytes at a step, where the processor multiplies 512 bits at a time.
//
// The method: Gopal and others, "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction" (Intel,
// 2009), for bit-reflected data. A message is a polynomial; what stands so many bits in front of the end may be
// replaced by its product with x^bits modulo the CRC's polynomial. So four vectors are carried over the data, folded
// into one in the end, and the 16 bytes that are left have the same CRC as all of it.

#include <cstddef>
#include <cstdint>

namespace chimera::devices {

/// Whether the processor has what the functions below need.
[[nodiscard]] bool has_folding() noexcept;

/// How many bytes they take: any number of whole steps, one at least.
inline constexpr std::size_t folding_step = 256;

/// The inverted CRC behind these bytes, continuing from the inverted CRC `start`.
[[nodiscard]] std::uint32_t fold(std::uint32_t start, const std::uint8_t* bytes, std::size_t size) noexcept;
/// The same, and copies them to `target`, 64-byte aligned, in the same pass over the memory.
[[nodiscard]] std::uint32_t fold_and_copy(std::uint32_t start, const std::uint8_t* bytes, std::size_t size,
                                          std::uint8_t* target) noexcept;

}  // namespace chimera::devices
