#pragma once
// A stream into a store: the snapshot that it makes, and a device that has its content.

#include <expected>
#include <string>

#include "cli/endpoint.h"
#include "cli/image_file.h"
#include "cli/transfer.h"

namespace chimera::cli {

struct ImportedStream {
  Transferred done;      ///< the snapshot, and bytes of data in the stream
  std::string snapshot;  ///< its name here
};

/// Runs the stream's program, which makes NAME@… beside the device NAME; then, in the transaction that gives it its
/// name, the device takes its content, or is made if there is none. An error has changed nothing, except that a killed
/// import leaves NAME@….importing for the next one to delete. Refused: a stream that is cut off or damaged, or goes on
/// from a snapshot that is not here or can be written to; a device that has been changed since, unless `replace`.
[[nodiscard]] std::expected<ImportedStream, std::string> import_stream(Endpoint& endpoint, const ImageFile& stream,
                                                                       const std::string& target,
                                                                       const std::string& name, bool replace);

}  // namespace chimera::cli
