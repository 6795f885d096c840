#pragma once
// A snapshot as a stream: all of it, or what has changed since another snapshot of the device.

#include <expected>
#include <optional>
#include <string>

#include "cli/ask.h"
#include "cli/endpoint.h"
#include "cli/image_file.h"
#include "cli/transfer.h"

namespace chimera::cli {

/// What is to be exported: both are snapshots, read only and of one family.
struct StreamSource {
  FoundDevice snapshot;
  std::optional<FoundDevice> base;
};

/// Looks for both in the store. A device that can be written to gets a snapshot, NAME@YYYY-MM-DDTHH:MM:SSZ, which
/// stays.
[[nodiscard]] std::expected<StreamSource, std::string> find_stream_source(Endpoint& endpoint, const std::string& target,
                                                                          const std::string& name,
                                                                          const std::string& since);
/// Writes it into the file from its beginning on. `data_bytes` of what it returns are those in the stream.
[[nodiscard]] std::expected<Transferred, std::string> export_stream(Endpoint& endpoint, const ImageFile& file,
                                                                    const StreamSource& source);

}  // namespace chimera::cli
