#pragma once
// A small store for journals that are made up, and what has to be left of it whatever they say.

#include <doctest/doctest.h>

#include <cstdint>
#include <expected>
#include <string>
#include <utility>
#include <vector>

#include "devices/salvage.h"
#include "tests/devices/forged_journal.h"
#include "tests/devices/journal_rig.h"
#include "vm/salvage.h"

namespace chimera::devices::testing {

inline const Uuid other = numbered(2);
inline const Uuid unknown = numbered(9);

using Bytes = std::vector<std::uint8_t>;

[[nodiscard]] inline io::DiskImage good_store() {
  PoolRig rig;
  rig.run_well(Program()
                   .create_device("d", {}, {}, table)
                   .write_bytes(table, 0, pattern(1, 20'000))
                   .create_device("other", {}, {}, other));
  rig.checkpoint();
  rig.settle();
  rig.close();
  return rig.disk.content();
}

[[nodiscard]] inline std::expected<void, std::string> salvage_disk(io::Loop& loop, io::Disk& disk) {
  const auto losses = find_losses(loop, disk, [](std::uint64_t, std::uint64_t) {});
  if (!losses) return std::unexpected(losses.error());
  return vm::salvage(loop, disk, *losses, limits::smallest_cache);
}

/// What a record of before the damage cannot take away.
inline void check_first_content(io::DiskImage image) {
  PoolRig rig(std::move(image));
  rig.run_well(
      Program().check_bytes(table, 0, pattern(1, 20'000)).open_device("other").write_byte(implied, 0, 1).sync());
  CHECK_EQ(first_problem(rig.check()), "");
}

}  // namespace chimera::devices::testing
