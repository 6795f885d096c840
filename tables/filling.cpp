#include "tables/filling.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "isa/limits.h"
#include "tables/answers.h"
#include "tables/create.h"
#include "tables/names.h"
#include "tables/version.h"

namespace chimera::tables {
namespace {

/// One transaction: who makes it a column's, and gives it another name, has done so before it or wins. `ours` is the
/// device of that name; of others nobody may have it open (`busy`).
Result<> remove_named(Link& link, const std::string& name, const std::optional<Uuid>& ours = {}) {
  Script script;
  Answers answers;
  script.begin();
  script.add(Program().open_device(name));
  // By force, since somebody may be asking just now whether it is still open.
  script.add(ours ? Program().delete_device_by_force(*ours) : Program().delete_device());
  script.commit();
  auto done = link.run(script, answers);
  if (done || answers.size() < 2 || !answers.ok(1)) return done;
  // Asking has opened it here as well.
  const Uuid left = uuid_of(answers[1]);
  script.clear();
  script.add(Program().close_device(left));
  static_cast<void>(link.run(script, answers));
  return done;
}

}  // namespace

void plan_fill(Script& script, const Uuid& device, std::span<const std::uint8_t> entry, std::uint64_t first,
               std::uint64_t end) {
  if (first >= end) return;
  if (std::ranges::all_of(entry, [](std::uint8_t b) { return b == 0; })) {
    script.add(Program().write_length(device, end * entry.size()));
    return;
  }
  constexpr std::uint64_t piece_bytes = 1 << 20;
  const std::uint64_t piece_rows = std::max<std::uint64_t>(piece_bytes / entry.size(), 1);
  std::vector<std::uint8_t> piece;
  for (std::uint64_t n = std::min(piece_rows, end - first); n > 0; --n) {
    piece.insert(piece.end(), entry.begin(), entry.end());
  }
  for (std::uint64_t row = first; row < end; row += piece_rows) {
    const std::uint64_t count = std::min(piece_rows, end - row);
    script.write_bytes(device, row * entry.size(), std::span(piece).first(count * entry.size()));
  }
}

Filling::~Filling() {
  try {
    give_up();
  } catch (...) {
    device_.reset();  // no memory for it: the next who fills one takes it away
  }
}

/// By its name, which it has no more when it is a column's, also where nobody knows whether the commit has happened.
void Filling::give_up() {
  if (device_) static_cast<void>(remove_named(link_, name_, device_));
  device_.reset();
  rows_ = 0;
}

Result<bool> Filling::is_there() {
  if (!device_) return false;
  Script script;
  Answers answers;
  script.add(Program().list_devices(name_, {}, 1));
  if (auto done = link_.run(script, answers); !done) return std::unexpected(std::move(done.error()));
  const auto found = devices_of(answers[0]);
  if (!found.empty() && found[0].uuid == *device_) return true;
  device_.reset();
  rows_ = 0;
  return false;
}

/// An empty one, in the place of those that nobody fills any more.
Result<> Filling::begin() {
  Script script;
  Answers answers;
  script.add(Program().list_devices(filling_device(table_, {}), {}, limits::most_listed));
  if (auto done = link_.run(script, answers); !done) return done;
  for (const ListedDevice& left : devices_of(answers[0])) {
    const auto removed = remove_named(link_, std::string(left.name));
    const bool is_somebodys = !removed && removed.error().instruction != Failure::nowhere;
    if (!removed && !is_somebodys) return removed;
  }
  name_ = filling_device(table_, fmt::format("{:016x}", random_number()));
  const Uuid made = make_uuid();
  script.clear();
  script.add(Program().create_device(name_, {}, {}, made));
  if (auto done = link_.run(script, answers); !done) return done;
  device_ = made;
  rows_ = 0;
  return {};
}

Result<> Filling::fill(std::span<const std::uint8_t> entry, std::uint64_t rows) {
  const auto there = is_there();
  if (!there) return std::unexpected(there.error());
  if (!*there) {
    if (auto done = begin(); !done) return done;
  }
  Script script;
  Answers answers;
  constexpr std::uint64_t at_once = 8 << 20;
  const std::uint64_t piece = at_once / entry.size();
  while (rows_ < rows) {
    const std::uint64_t end = std::min(rows_ + piece, rows);
    script.clear();
    plan_fill(script, *device_, entry, rows_, end);
    // No commit makes it durable before it is relied on, and a server that has been started again since would not be
    // noticed: what is asked next is asked again.
    script.add(Program().flush_device(*device_));
    if (auto done = link_.run(script, answers); !done) {
      // Where the connection has broken this may still be carried out, when it is a column's that others change.
      if (done.error().status == Status::conflict) give_up();
      return done;
    }
    rows_ = end;
  }
  return {};
}

}  // namespace chimera::tables
