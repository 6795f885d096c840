#pragma once
// Disk images into devices and back, with their holes, many large transfers under way at once.

#include <cstdint>
#include <expected>
#include <string>

#include "cli/endpoint.h"
#include "cli/image_file.h"
#include "isa/uuid.h"

namespace chimera::cli {

struct Transferred {
  Uuid uuid{};                   ///< of the device
  std::uint64_t length = 0;      ///< of the image
  std::uint64_t data_bytes = 0;  ///< moved; the rest are holes
};

struct ImportOptions {
  bool replace = false;       ///< a device of that name is deleted when the new one is complete
  bool fixed_length = false;  ///< the device keeps the image's length
};

/// Makes a device of that name with the image's content; durable when this returns. Until it is complete it is called
/// NAME.importing; one that cannot be filled is deleted again.
[[nodiscard]] std::expected<Transferred, std::string> import_image(Endpoint& endpoint, const ImageFile& image,
                                                                   const std::string& name,
                                                                   const ImportOptions& options);

struct OpenedDevice {
  Uuid uuid;
  std::uint64_t length;  ///< in bytes
};
[[nodiscard]] std::expected<OpenedDevice, std::string> open_for_export(Endpoint& endpoint, const std::string& target,
                                                                       const std::string& name_or_uuid);
/// Writes the device, which is the current one, into the image, which has its length.
[[nodiscard]] std::expected<Transferred, std::string> export_image(Endpoint& endpoint, const ImageFile& image,
                                                                   const OpenedDevice& device);

}  // namespace chimera::cli
