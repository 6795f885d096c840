#pragma once
// The names of devices, and what makes, changes and ends devices as a whole. A store is one; a transaction is another,
// over a store.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "devices/device.h"

namespace chimera::devices {

struct CreateOptions {
  Kind kind = Kind::pool;  ///< a store without a pool makes a memory device instead
  bool fixed_length = false;
  std::uint64_t length = 0;  ///< bytes, for a fixed length
  std::string path;          ///< of a file, below the attached folder
  std::optional<Uuid> uuid;  ///< a new one (random) if left out
};

struct SnapshotTarget {
  Device* origin;
  std::string name;
  std::optional<Uuid> uuid = std::nullopt;  ///< of the clone; a new one (random) if left out
};

/// Names are checked by the caller (isa/text.h); uniqueness is checked here.
class Catalogue {
 public:
  virtual ~Catalogue() = default;

  [[nodiscard]] virtual Device* find(const Uuid& uuid) const = 0;
  [[nodiscard]] virtual Device* find(std::string_view name) const = 0;
  /// Devices whose name begins with `prefix` and sorts behind `after`, in the order of their names' bytes.
  [[nodiscard]] virtual std::vector<Device*> list(std::string_view prefix, std::string_view after,
                                                  std::size_t most) const = 0;

  // Each waits as often as it needs and has its effect in the run that answers ready. `exists`: the name or
  // the UUID is taken; `no_space`: also where there are limits::most_devices already.
  virtual Outcome create(Waiter&, std::string_view name, std::span<const std::uint8_t> columns, const CreateOptions&,
                         Device*& made) = 0;
  /// All or none.
  virtual Outcome snapshot(Waiter&, std::span<const SnapshotTarget>, std::vector<Device*>& made) = 0;
  virtual Outcome rename(Waiter&, Device&, std::string_view name) = 0;
  virtual Outcome protect(Waiter&, Device&, bool read_only) = 0;
  /// `unsupported` unless of one family and kind.
  virtual Outcome roll_back(Waiter&, Device&, Device& content) = 0;
  /// The device is gone when this is ready and must not be used any more; its space comes back in the background.
  virtual Outcome remove(Waiter&, Device&) = 0;

 protected:
  Catalogue() = default;
  Catalogue(const Catalogue&) = default;
  Catalogue& operator=(const Catalogue&) = default;

  // What is the same everywhere, with the message.
  [[nodiscard]] Outcome check_new_name(Waiter&, std::string_view name) const;
  [[nodiscard]] Outcome check_new_names(Waiter&, std::span<const SnapshotTarget>) const;
  [[nodiscard]] Outcome check_new_uuid(Waiter&, const std::optional<Uuid>&) const;
  [[nodiscard]] Uuid unused_uuid() const;
  /// Files cannot be cloned.
  [[nodiscard]] static Outcome check_can_share(Waiter&, std::span<const SnapshotTarget>);
  [[nodiscard]] static Outcome check_related(Waiter&, const Device&, const Device& content);
};

}  // namespace chimera::devices
