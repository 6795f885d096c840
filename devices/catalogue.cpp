#include "devices/catalogue.h"

#include <fmt/format.h>

#include <boost/uuid/random_generator.hpp>
#include <boost/uuid/uuid_io.hpp>
#include <set>

namespace chimera::devices {

Outcome Catalogue::check_new_name(Waiter& waiter, std::string_view name) const {
  const Device* const other = find(name);
  if (other == nullptr) return Outcome::ready();
  waiter.message = fmt::format("there is a device named \"{}\" already: {}", name, to_string(other->uuid()));
  return Outcome::fail(Status::exists);
}

Outcome Catalogue::check_new_names(Waiter& waiter, std::span<const SnapshotTarget> targets) const {
  std::set<std::string_view> names;
  for (const SnapshotTarget& target : targets) {
    if (const Outcome fresh = check_new_name(waiter, target.name); !fresh.is_ready()) return fresh;
    if (const Outcome fresh = check_new_uuid(waiter, target.uuid); !fresh.is_ready()) return fresh;
    if (names.insert(target.name).second) continue;
    waiter.message = fmt::format("two clones would be named \"{}\"", target.name);
    return Outcome::fail(Status::exists);
  }
  return Outcome::ready();
}

Outcome Catalogue::check_new_uuid(Waiter& waiter, const std::optional<Uuid>& uuid) const {
  const Device* const other = uuid ? find(*uuid) : nullptr;
  if (other == nullptr) return Outcome::ready();
  waiter.message = fmt::format("there is a device {} already, named \"{}\"", to_string(*uuid), other->name());
  return Outcome::fail(Status::exists);
}

Uuid Catalogue::unused_uuid() const {
  boost::uuids::random_generator generate;
  Uuid uuid = generate();
  while (find(uuid) != nullptr) uuid = generate();
  return uuid;
}

Outcome Catalogue::check_can_share(Waiter& waiter, std::span<const SnapshotTarget> targets) {
  for (const SnapshotTarget& target : targets) {
    if (target.origin->kind() != Kind::file) continue;
    waiter.message = fmt::format("\"{}\" is a file that is served in place: it cannot be cloned, only copied",
                                 target.origin->name());
    return Outcome::fail(Status::unsupported);
  }
  return Outcome::ready();
}

Outcome Catalogue::check_related(Waiter& waiter, const Device& device, const Device& content) {
  const bool can_share = device.kind() != Kind::file || &device == &content;
  if (device.kind() == content.kind() && device.family() == content.family() && can_share) return Outcome::ready();
  waiter.message =
      fmt::format("\"{}\" is neither a clone nor an origin of \"{}\", near or far", content.name(), device.name());
  return Outcome::fail(Status::unsupported);
}

}  // namespace chimera::devices
