#pragma once
// What a store holds, boiled down to a number a device, so that states can be kept and compared by the thousand.

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "devices/store.h"
#include "io/loop.h"
#include "tests/vm/model.h"

namespace chimera::devices::testing {

/// For each device of the pool, by its name, a digest of all that it is and holds. Holes and zeros are the same. And an
/// entry for each of the `tokens` whose commit has happened.
using Content = std::map<std::string, std::uint64_t>;
/// In place of a digest: something of the device is damaged, and says so.
inline constexpr std::uint64_t unreadable = 0;

/// Those that the programs of the crash tests commit with.
using Token = std::array<std::uint8_t, 16>;
[[nodiscard]] const std::vector<Token>& tokens();
/// The name of a token's entry; no device has such a one.
[[nodiscard]] std::string entry_of(const Token& token);

[[nodiscard]] Content content_of(const vm::testing::Model& model);
/// Reads everything. Nothing else goes on in the store meanwhile, no background work either.
[[nodiscard]] Content content_of(io::Loop& loop, Store& store);
/// What differs, for people; empty if nothing does.
[[nodiscard]] std::string difference(const Content& expected, const Content& found);

/// One number for all of it.
[[nodiscard]] std::uint64_t digest_of(const Content& content);

/// The states that a store went through, one after the other, each different from the one before.
class States {
 public:
  void note(Content content) {
    const std::uint64_t digest = digest_of(content);
    if (!digests_.empty() && digests_.back() == digest) return;
    digests_.push_back(digest);
    contents_.push_back(std::move(content));
  }
  [[nodiscard]] std::size_t size() const { return digests_.size(); }
  [[nodiscard]] std::size_t last() const { return digests_.size() - 1; }
  [[nodiscard]] const Content& operator[](std::size_t number) const { return contents_[number]; }
  [[nodiscard]] const Content& back() const { return contents_.back(); }
  /// The first one that has an entry of this name; none: `size`.
  [[nodiscard]] std::size_t first_with(const std::string& entry) const;
  /// Whether it is one of the states of these numbers, both included.
  [[nodiscard]] bool has(std::uint64_t digest, std::size_t first, std::size_t last) const;
  /// The same, in words: what is wrong with a content that should be one of them, or an empty string.
  [[nodiscard]] std::string judge(const Content& found, std::size_t first, std::size_t last) const;

 private:
  std::vector<Content> contents_;
  std::vector<std::uint64_t> digests_;
};

}  // namespace chimera::devices::testing
