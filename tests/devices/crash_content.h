#pragma once
// What a store holds, boiled down to a number a device, so that states can be kept and compared by the thousand.

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

/// For each device of the pool, by its name, a digest of all that it is and holds. Holes and zeros are the same.
using Content = std::map<std::string, std::uint64_t>;
/// In place of a digest: something of the device is damaged, and says so.
inline constexpr std::uint64_t unreadable = 0;

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
  /// Whether it is one of the states of these numbers, both included.
  [[nodiscard]] bool has(std::uint64_t digest, std::size_t first, std::size_t last) const;
  /// The same, in words: what is wrong with a content that should be one of them, or an empty string.
  [[nodiscard]] std::string judge(const Content& found, std::size_t first, std::size_t last) const;

 private:
  std::vector<Content> contents_;
  std::vector<std::uint64_t> digests_;
};

}  // namespace chimera::devices::testing
