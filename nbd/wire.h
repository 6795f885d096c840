#pragma once
// The numbers of the NBD protocol, and its integers, which are big-endian.
// Source: https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace chimera::nbd {

/// Bytes may stand at any address.
template <std::unsigned_integral Integer>
[[nodiscard]] inline Integer load_big(const std::uint8_t* from) noexcept {
  Integer value;
  std::memcpy(&value, from, sizeof value);
  return sizeof value == 1 ? value : std::byteswap(value);
}

/// Returns what is behind the integer.
template <std::unsigned_integral Integer>
inline std::uint8_t* store_big(std::uint8_t* to, Integer value) noexcept {
  if constexpr (sizeof value > 1) value = std::byteswap(value);
  std::memcpy(to, &value, sizeof value);
  return to + sizeof value;
}

static_assert(std::endian::native == std::endian::little);

namespace magic {
inline constexpr std::uint64_t server = 0x4e42444d41474943;  ///< "NBDMAGIC"
inline constexpr std::uint64_t option = 0x49484156454F5054;  ///< "IHAVEOPT"
inline constexpr std::uint64_t option_reply = 0x0003e889045565a9;
inline constexpr std::uint32_t request = 0x25609513;
inline constexpr std::uint32_t extended_request = 0x21e41c71;
inline constexpr std::uint32_t simple_reply = 0x67446698;
inline constexpr std::uint32_t chunk = 0x668e33ef;
inline constexpr std::uint32_t extended_chunk = 0x6e8a278c;
}  // namespace magic

namespace handshake_flags {  // the server's and the client's are the same two
inline constexpr std::uint32_t fixed_newstyle = 1;
inline constexpr std::uint32_t no_zeroes = 2;
}  // namespace handshake_flags

enum class Option : std::uint32_t {
  export_name = 1,
  abort = 2,
  list = 3,
  starttls = 5,
  info = 6,
  go = 7,
  structured_reply = 8,
  list_meta_context = 9,
  set_meta_context = 10,
  extended_headers = 11,
};

enum class OptionReply : std::uint32_t {
  ack = 1,
  server = 2,
  info = 3,
  meta_context = 4,
  unsupported = 0x80000001,
  policy = 0x80000002,
  invalid = 0x80000003,
  unknown = 0x80000006,
  shutdown = 0x80000007,
  too_big = 0x80000009,
  extended_header_required = 0x8000000A,
};

enum class Info : std::uint16_t { export_ = 0, name = 1, description = 2, block_size = 3 };

namespace export_flags {
inline constexpr std::uint16_t has_flags = 1 << 0;
inline constexpr std::uint16_t read_only = 1 << 1;
inline constexpr std::uint16_t flush = 1 << 2;
inline constexpr std::uint16_t fua = 1 << 3;
inline constexpr std::uint16_t trim = 1 << 5;
inline constexpr std::uint16_t write_zeroes = 1 << 6;
inline constexpr std::uint16_t dont_fragment = 1 << 7;
inline constexpr std::uint16_t multi_conn = 1 << 8;
inline constexpr std::uint16_t cache = 1 << 10;
inline constexpr std::uint16_t fast_zero = 1 << 11;
inline constexpr std::uint16_t block_status_payload = 1 << 12;
}  // namespace export_flags

enum class Command : std::uint16_t {
  read = 0,
  write = 1,
  disconnect = 2,
  flush = 3,
  trim = 4,
  cache = 5,
  write_zeroes = 6,
  block_status = 7,
};

namespace command_flags {
inline constexpr std::uint16_t fua = 1 << 0;
inline constexpr std::uint16_t no_hole = 1 << 1;
inline constexpr std::uint16_t dont_fragment = 1 << 2;
inline constexpr std::uint16_t one_extent = 1 << 3;
inline constexpr std::uint16_t fast_zero = 1 << 4;
inline constexpr std::uint16_t payload_length = 1 << 5;
}  // namespace command_flags

enum class Error : std::uint32_t {
  none = 0,
  not_permitted = 1,
  io = 5,
  no_memory = 12,
  invalid = 22,
  no_space = 28,
  overflow = 75,
  unsupported = 95,
  shutdown = 108,
};

enum class Chunk : std::uint16_t {
  none = 0,
  data = 1,
  block_status = 5,
  extended_block_status = 6,
  error = 0x8001,
};

inline constexpr std::uint16_t chunk_done = 1;

/// Of `base:allocation`, the one context that is offered: bit 0 a hole, bit 1 reads as zeros.
inline constexpr std::uint32_t allocation_context = 1;

inline constexpr std::size_t request_size = 28;
inline constexpr std::size_t extended_request_size = 32;
inline constexpr std::size_t simple_reply_size = 16;
inline constexpr std::size_t chunk_header_size = 20;
inline constexpr std::size_t extended_chunk_header_size = 32;

}  // namespace chimera::nbd
