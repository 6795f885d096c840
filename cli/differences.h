#pragma once
// What a device holds that another does not: from their maps, so that only what differs is read. Neither is to be
// changed by anybody meanwhile.

#include <cstdint>
#include <expected>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "cli/ask.h"
#include "cli/endpoint.h"

namespace chimera::cli {

/// Bytes from `offset` on that are different in the other device, or that are there at all if there is none.
struct Difference {
  std::uint64_t offset = 0, length = 0;
  bool is_hole = false;  ///< in the first device
};

/// Of the data, in order, up to the device's length; without `base` its holes are left out. Where this answers
/// `next`, all before it has been told; `next` is the device's length in the end. Nothing may be under way.
struct DataDifferences {
  std::vector<Difference> found;
  std::uint64_t next = 0;
};
[[nodiscard]] std::expected<DataDifferences, std::string> data_differences(Endpoint& endpoint,
                                                                           const FoundDevice& device,
                                                                           const FoundDevice* base, std::uint64_t from);

/// Tells pieces of the metadata, of at most 64 KiB, which are read to be compared; `bytes` are the first device's.
/// False ends it early.
using MetadataVisitor = std::function<bool(std::uint64_t offset, std::span<const std::uint8_t> bytes)>;
[[nodiscard]] std::expected<void, std::string> metadata_differences(Endpoint& endpoint, const FoundDevice& device,
                                                                    const FoundDevice* base,
                                                                    const MetadataVisitor& visit);

[[nodiscard]] std::expected<std::string, std::string> columns_of(Endpoint& endpoint, const FoundDevice& device);

/// Whether both have the same length, data, metadata and columns. Data that was written anew with the same bytes counts
/// as different.
[[nodiscard]] std::expected<bool, std::string> are_equal(Endpoint& endpoint, const FoundDevice& device,
                                                         const FoundDevice& other);

}  // namespace chimera::cli
