#pragma once
// What a store holds, boiled down to a number a device, so that states can be kept and compared by the thousand.

#include <cstdint>
#include <map>
#include <string>

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

}  // namespace chimera::devices::testing
