#include "tables/moment.h"

#include <boost/uuid/uuid_io.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <utility>

#include "isa/answer.h"
#include "isa/builder.h"
#include "isa/limits.h"
#include "tables/attempt.h"
#include "tables/create.h"

namespace chimera::tables {
namespace {

constexpr std::string_view prefix = ":moment/";
constexpr std::size_t random_digits = 8;
constexpr std::size_t front_size = prefix.size() + random_digits;

/// What all names of one moment begin with.
std::string random_front() {
  const Uuid uuid = make_uuid();
  std::uint32_t number = 0;
  std::memcpy(&number, uuid.data, sizeof number);
  return fmt::format("{}{:08x}", prefix, number);
}

/// A device of that name may be one of a moment; others, whoever has given them such a name, are left alone.
bool is_of_moment(std::string_view name) {
  if (name.size() < front_size || !name.starts_with(prefix)) return false;
  const std::string_view digits = name.substr(prefix.size(), random_digits);
  const bool is_random =
      std::ranges::all_of(digits, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  return is_random && (name.size() == front_size || name[front_size] == '/' || name[front_size] == ':');
}

void plan_deletion(Script& script, std::span<const Uuid> devices, bool by_force) {
  script.begin();
  for (std::size_t i = 0; i < devices.size(); ++i) {
    // Who has made them has the first open. The others may just be looked at, by a check perhaps.
    const bool asks = i == 0 && !by_force;
    script.add(asks ? Program().delete_device(devices[i]) : Program().delete_device_by_force(devices[i]));
  }
  script.commit();
}

}  // namespace

Result<std::unique_ptr<Moment>> Moment::take(Table& table) {
  delete_left_moments(table.link(), table.options().explained);
  std::unique_ptr<Moment> moment(new Moment(table));
  const auto made = table.retry<bool>([&](OpenTable& open) -> Result<bool> {
    if (auto done = moment->make(open); !done) return std::unexpected(std::move(done.error()));
    return true;
  });
  if (!made) return std::unexpected(made.error());
  if (table.options().explained) return moment;
  auto clone = Table::open(table.link(), moment->name_, table.options());
  if (!clone) return std::unexpected(std::move(clone.error()));
  moment->clone_ = std::move(*clone);
  return moment;
}

Result<> Moment::make(OpenTable& table) {
  const TableShape& shape = table.shape();
  const auto devices = shape.devices();
  const auto suffix_of = [&shape](const std::string& name) { return std::string_view(name).substr(shape.name.size()); };
  std::size_t longest = 0;
  for (const auto& device : devices) longest = std::max(longest, suffix_of(device.first).size());
  name_ = random_front();
  // It says whose moment it is where there is room for that.
  if (const std::string full = name_ + "/" + shape.name; full.size() + longest <= limits::longest_name) name_ = full;

  Script& script = table.script;
  script.clear();
  script.begin();
  script.note([&] { return fmt::format("{} has these devices still", shape.name); });
  const TableHeader::Bytes header = table.header().bytes();
  script.check_bytes(shape.header, TableHeader::shape_offset,
                     std::span(header).subspan(TableHeader::shape_offset, sizeof table.header().shape));
  script.note([] {
    return std::string(
        "all of them at one moment. Programs behind this one read the clones; they are shown with the devices of the "
        "table itself");
  });
  std::vector<Uuid> clones;
  for (const auto& [name, origin] : devices) {
    clones.push_back(make_uuid());
    const std::string option = "clone=" + boost::uuids::to_string(origin);
    script.add(Program().create_device(name_ + std::string(suffix_of(name)), {}, option, clones.back()));
  }
  script.commit();
  // That it is ours is known before it is there.
  Link& link = table.link();
  link.owners.insert(clones.front());
  auto done = link.run(script, table.answers);
  if (done) {
    devices_ = std::move(clones);
  } else {
    link.owners.erase(clones.front());
  }
  return done;
}

Moment::~Moment() {
  try {
    static_cast<void>(end());
  } catch (...) {
    devices_.clear();  // no memory for it: others find what is left
  }
}

Result<> Moment::end() {
  const std::vector<Uuid> devices = std::exchange(devices_, {});
  if (devices.empty()) return {};
  Link& link = original_.link();
  Script script(original_.options().explained);
  Answers answers;
  script.note([] { return std::string("the clones go"); });
  plan_deletion(script, devices, true);
  link.owners.erase(devices.front());
  auto done = link.run(script, answers);
  // Nobody else deletes them by now, unless the connection breaks amid this.
  if (!done && done.error().status == Status::conflict) done = link.run(script, answers);
  return done;
}

Result<std::vector<ListedMoment>> list_moments(Link& link, bool explained) {
  Script script(explained);
  Answers answers;
  script.note([] { return std::string("clones that somebody may have left who has ended early"); });
  script.add(Program().list_devices(prefix, {}, limits::most_listed));
  if (auto done = link.run(script, answers); !done) return std::unexpected(std::move(done.error()));
  std::vector<ListedMoment> moments;
  std::string_view front;
  // Sorted by name, so those of a moment stand together, and its header in front, whose name the others begin with.
  const auto listed = devices_of(answers[0]);
  for (const ListedDevice& device : listed) {
    const std::string_view name = device.name;
    if (!is_of_moment(name)) continue;
    if (name.substr(0, front_size) != front) {
      front = name.substr(0, front_size);
      moments.push_back({std::string(name), {}});
    }
    moments.back().devices.push_back(device.uuid);
  }
  return moments;
}

void delete_left_moments(Link& link, bool explained) {
  const auto moments = list_moments(link, explained);
  if (!moments) return;
  for (const ListedMoment& moment : *moments) {
    // Another scan of this session: its clones would not be busy for us.
    if (link.owners.contains(moment.devices.front())) continue;
    Script script(explained);
    Answers answers;
    script.note([&] { return fmt::format("{} goes, unless somebody has it open", moment.name); });
    plan_deletion(script, moment.devices, false);
    const auto done = link.run(script, answers);
    if (done) continue;
    // Asking may have opened it here as well.
    script.clear();
    script.add(Program().close_device(moment.devices.front()));
    static_cast<void>(link.run(script, answers));
  }
}

}  // namespace chimera::tables
