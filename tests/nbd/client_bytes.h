#pragma once
// What an NBD client sends, as bytes.

#include <concepts>
#include <cstdint>
#include <string_view>
#include <vector>

#include "nbd/wire.h"

namespace chimera::nbd::testing {

using Bytes = std::vector<std::uint8_t>;

template <std::unsigned_integral Integer>
void put(Bytes& bytes, Integer value) {
  bytes.resize(bytes.size() + sizeof value);
  store_big(bytes.data() + bytes.size() - sizeof value, value);
}

inline void put(Bytes& bytes, std::string_view text) { bytes.insert(bytes.end(), text.begin(), text.end()); }

/// The client's flags: fixed newstyle, no zeroes.
inline Bytes client_flags() { return {0, 0, 0, 3}; }

inline Bytes option(Option id, const Bytes& data = {}) {
  Bytes bytes;
  put(bytes, magic::option);
  put(bytes, static_cast<std::uint32_t>(id));
  put(bytes, static_cast<std::uint32_t>(data.size()));
  bytes.insert(bytes.end(), data.begin(), data.end());
  return bytes;
}

/// INFO or GO, or one that sets or lists the context `base:allocation`.
inline Bytes option_on(Option id, std::string_view name) {
  Bytes data;
  put(data, static_cast<std::uint32_t>(name.size()));
  put(data, name);
  if (id == Option::info || id == Option::go) {
    put(data, std::uint16_t{0});
  } else {
    constexpr std::string_view context = "base:allocation";
    put(data, std::uint32_t{1});
    put(data, static_cast<std::uint32_t>(context.size()));
    put(data, context);
  }
  return option(id, data);
}

/// The header of a request.
inline Bytes request(Command command, std::uint64_t offset, std::uint64_t length, std::uint64_t cookie = 0,
                     std::uint16_t flags = 0, bool is_extended = false) {
  Bytes bytes;
  put(bytes, is_extended ? magic::extended_request : magic::request);
  put(bytes, flags);
  put(bytes, static_cast<std::uint16_t>(command));
  put(bytes, cookie);
  put(bytes, offset);
  if (is_extended) {
    put(bytes, length);
  } else {
    put(bytes, static_cast<std::uint32_t>(length));
  }
  return bytes;
}

inline Bytes operator+(Bytes first, const Bytes& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

}  // namespace chimera::nbd::testing
