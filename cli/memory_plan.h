#pragma once
// What a server takes of the computer at most, so that it can be said before anybody is served.

#include <cstddef>
#include <cstdint>
#include <string>

#include "cli/options.h"
#include "devices/store.h"
#include "server/options.h"

namespace chimera::cli {

/// Bytes of memory, each the most that may be taken. docs/architecture.md has what they are made of.
struct MemoryPlan {
  std::uint64_t cache = 0;
  std::uint64_t books = 0;         ///< of the cache
  std::uint64_t maps = 0;          ///< the store's free space and devices, its checkpoint
  std::uint64_t journal = 0;       ///< what is collected, and what is on its way to the disk
  std::uint64_t transactions = 0;  ///< what all of them have written before their commits
  std::uint64_t memory_devices = 0;
  std::uint64_t files = 0;        ///< blocks of those that are served in place
  std::uint64_t connections = 0;  ///< how many
  std::uint64_t connection = 0;   ///< each
  std::uint64_t program = 0;      ///< itself

  [[nodiscard]] std::uint64_t total() const;
  /// A line for people.
  [[nodiscard]] std::string text() const;
};

/// `serves_nbd`: any of the connections may be an NBD client's.
[[nodiscard]] MemoryPlan plan_memory(const devices::Store& store, const StoreOptions& store_options,
                                     const server::Options& server_options, bool serves_nbd);

/// Raises this process's limit of descriptors, as far as it may, for so many connections beside what is open. For how
/// many it is enough, at least 1.
[[nodiscard]] std::size_t provide_descriptors(std::size_t connections);

}  // namespace chimera::cli
