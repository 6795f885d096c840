#pragma once
// A copy of a snapshot as a program: docs/streams.md.
//
// It begins and ends with instructions that do nothing and carry 16 bytes each, `outcome of token`: first the mark that
// tells it from a disk image, in the end the SHA-256 of all before it. Between them it makes the snapshot under a
// working name. Only what stands behind the digest gives it its own, so a program that is cut off changes nothing else.

#include <openssl/evp.h>

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "isa/builder.h"

namespace chimera::cli {

inline constexpr Program::Token stream_mark = {'C', 'h', 'i', 'm', 'e', 'r', 'a', ' ',
                                               's', 't', 'r', 'e', 'a', 'm', ' ', '1'};
/// Bytes at the front that tell a stream: the instruction that carries the mark.
[[nodiscard]] std::vector<std::uint8_t> stream_beginning();

/// What a snapshot is called while it is being made.
inline constexpr std::string_view working_suffix = ".importing";

/// Of `disk0@monday` the part from the @ on; another name counts as a whole behind an @.
[[nodiscard]] std::string snapshot_suffix(std::string_view name);

/// The SHA-256 of what a stream has had so far.
class StreamDigest {
 public:
  using Value = std::array<std::uint8_t, 32>;
  StreamDigest();
  void add(std::span<const std::uint8_t> bytes);
  [[nodiscard]] Value value() const;

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context_;
};

}  // namespace chimera::cli
