#pragma once
// Every limit that a program can meet, in one place. Sizes are in bytes unless the name says otherwise.

#include <cstdint>

namespace chimera::limits {

inline constexpr std::uint32_t block_size = 4096;
/// The greatest length of a device; offset + count of a data access may reach it and not pass it.
inline constexpr std::uint64_t greatest_length = (std::uint64_t{1} << 63) - block_size;
/// One instruction's payload or result.
inline constexpr std::uint32_t largest_transfer = 32u << 20;
/// An instruction that is too large is passed over below this size of all of it; from it on the stream ends.
inline constexpr std::uint64_t skippable_payload = std::uint64_t{1} << 30;
/// The longest instruction's bytes before its payload and texts are counted, generously.
inline constexpr std::uint32_t instruction_overhead = 256 * 1024;
inline constexpr std::uint32_t longest_name = 255;
inline constexpr std::uint32_t longest_path = 128;         ///< of a file that is served in place
inline constexpr std::uint32_t most_extents = 65536;       ///< in one answer
inline constexpr std::uint32_t most_listed = 65536;        ///< devices in one answer
inline constexpr std::uint32_t most_open_devices = 16384;  ///< one session
inline constexpr std::uint32_t most_devices = 65536;       ///< one store
inline constexpr std::uint32_t most_sessions = 4096;       ///< one server, unless it is told otherwise

/// A cache must hold the largest transfer beside another one that is on its way to the disk.
inline constexpr std::uint64_t smallest_cache = 128ull << 20;

/// What a server needs for the transfers of its clients: the largest instruction takes a payload, an answer, and as
/// much of a device that is a file.
inline constexpr std::uint64_t smallest_transfer_memory = 100ull << 20;

/// What one transaction may write, as long as it is not committed.
inline constexpr std::uint64_t most_transaction_bytes = 64ull << 20;

/// The journal of a store. It lies within the first 128 MiB.
inline constexpr std::uint64_t smallest_journal = 2ull << 20;
inline constexpr std::uint64_t largest_journal = 112ull << 20;

static_assert(smallest_cache >= 3ull * largest_transfer);
static_assert(smallest_transfer_memory >= 3ull * largest_transfer + 3ull * instruction_overhead);
static_assert(most_transaction_bytes >= largest_transfer);
static_assert(greatest_length % block_size == 0);
static_assert(largest_transfer % block_size == 0);
static_assert(most_extents * 12ull <= largest_transfer);
static_assert(most_listed * (16ull + 2 + longest_name) <= largest_transfer);

}  // namespace chimera::limits
