#include "vm/salvage.h"

#include <fmt/format.h>

#include <utility>

#include "devices/pool.h"
#include "isa/status.h"
#include "vm/machine.h"
#include "vm/recovery.h"

namespace chimera::vm {
namespace {

/// Replay brings damage into the devices that only the journal knew of before. It is gone after the second turn.
constexpr int most_turns = 3;

}  // namespace

std::expected<void, std::string> salvage(io::Loop& loop, io::Disk& disk, devices::Losses losses,
                                         std::uint64_t cache_bytes) {
  for (int turn = 0; turn < most_turns && !losses.none(); ++turn) {
    auto store = open_store(loop, disk, {.cache_bytes = cache_bytes, .salvage = true});
    if (!store) return std::unexpected(store.error());
    {
      Machine machine(loop, std::move(*store));
      if (const Status status = machine.sync(); status != Status::ok)
        return std::unexpected(fmt::format("what is left could not be made durable: {}", status_text(status)));
      const devices::Superblock& superblock = machine.store().pool()->checkpoint().superblock();
      if (auto renewed = devices::renew_journal(loop, disk, superblock); !renewed) return renewed;
    }
    auto left = devices::find_losses(loop, disk, [](std::uint64_t, std::uint64_t) {});
    if (!left) return std::unexpected(left.error());
    losses = std::move(*left);
  }
  if (losses.none()) return {};
  return std::unexpected("there is still damage after all that could be done");
}

}  // namespace chimera::vm
