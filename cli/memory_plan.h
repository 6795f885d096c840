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
  std::uint64_t transactions = 0;  ///< what all of them have written before their commits, and keep to be run again
  std::uint64_t transfers = 0;     ///< payloads and answers of large instructions
  std::uint64_t memory_devices = 0;
  std::uint64_t files = 0;        ///< blocks of those that are served in place
  std::uint64_t connections = 0;  ///< how many
  std::uint64_t connection = 0;   ///< each, beside its large transfers
  std::uint64_t handles = 0;      ///< of devices that sessions have open, where they are many
  std::uint64_t program = 0;      ///< itself

  [[nodiscard]] std::uint64_t total() const;
  /// A line for people.
  [[nodiscard]] std::string text() const;
};

/// `serves_nbd`: any of the connections may be an NBD client's.
[[nodiscard]] MemoryPlan plan_memory(const devices::Store& store, const StoreOptions& store_options,
                                     const server::Options& server_options, bool serves_nbd);

/// Makes large pieces of memory go back to the kernel as soon as they are free, so that the plan holds: left to itself
/// the C library keeps what was free once among what is used.
void give_memory_back() noexcept;

/// Raises this process's limit of descriptors, as far as it may, for so many connections beside what is open. For how
/// many it is enough, at least 1.
[[nodiscard]] std::size_t provide_descriptors(std::size_t connections);

}  // namespace chimera::cli
