#include "tests/devices/superblock_damage.h"

#include <fmt/format.h>

#include <cstddef>

#include "tests/devices/journal_rig.h"

namespace chimera::devices::testing {
namespace {

constexpr unsigned bits_of_checksum = 32;
constexpr unsigned telling_bits = offsetof(Superblock, reserved3) * 8 + bits_of_checksum;
/// Bits looked at have so many between them: a number without a divisor in common with the sizes of the fields.
constexpr unsigned step = 11;

unsigned bit_of(unsigned number) {
  constexpr unsigned before = offsetof(Superblock, reserved3) * 8;
  return number < before ? number : static_cast<unsigned>(offsetof(Superblock, checksum) * 8) + (number - before);
}

class SuperblockRun {
 public:
  explicit SuperblockRun(const FormatOptions& options) : image_(smallest_store_blocks) {
    PoolRig rig(smallest_store_blocks, 1, options);
    const Uuid table = rig.create("table");
    rig.run_well(Program().write_bytes(table, 0, pattern(1, 50'000)));
    const Uuid clone = rig.clone(table, "clone");
    rig.run_well(Program().write_byte(clone, 5000, 1));
    rig.checkpoint();
    rig.settle();
    before_ = content_of(rig.loop, rig.store());
    rig.run_well(Program().write_byte(table, 9000, 2).create_device("later"));
    rig.checkpoint();
    rig.settle();
    if (rig.pool().checkpoint().superblock().journal_blocks > 0) rig.run_well(Program().write_byte(table, 7, 3).sync());
    present_ = content_of(rig.loop, rig.store());
    // The older state and the journal are as good.
    if (rig.pool().checkpoint().superblock().journal_blocks > 0) before_ = present_;
    image_ = rig.disk.content();
    newest_ = place_of_newest();
  }

  std::string run() {
    for (unsigned place = 0; place < 2; ++place) {
      for (unsigned number = 0; number < telling_bits; number += step) {
        const std::string wrong = look_at(place, bit_of(number));
        if (wrong.empty()) continue;
        const char* const which = place == newest_ ? "newer" : "older";
        return fmt::format("bit {} of the {} superblock turned over: {}", bit_of(number), which, wrong);
      }
    }
    return {};
  }

 private:
  [[nodiscard]] unsigned place_of_newest() const {
    std::uint64_t generations[2];
    for (unsigned place = 0; place < 2; ++place) {
      Superblock superblock;
      image_.read_block(superblock_places[place],
                        std::as_writable_bytes(std::span(&superblock, 1)).first<block_size>());
      generations[place] = superblock.generation;
    }
    return generations[0] > generations[1] ? 0 : 1;
  }

  std::string look_at(unsigned place, unsigned bit) const {
    io::DiskImage damaged = image_;
    damaged.flip_bit(superblock_places[place], bit);
    Recovered recovered(std::move(damaged), false);
    if (!recovered.error.empty()) return fmt::format("the store does not open: {}", recovered.error);
    const std::string differs = difference(place == newest_ ? before_ : present_, recovered.content());
    if (!differs.empty()) return fmt::format("the store opens with another state:{}", differs);
    return first_problem(check(recovered.loop, *recovered.store, [](std::uint64_t, std::uint64_t) {}));
  }

  io::DiskImage image_;
  Content before_;   ///< what the older superblock leads to
  Content present_;  ///< and the newer one
  unsigned newest_ = 0;
};

}  // namespace

std::string run_superblock_test() {
  for (const FormatOptions& options : {FormatOptions{.journal_bytes = 0}, FormatOptions{}}) {
    if (std::string wrong = SuperblockRun(options).run(); !wrong.empty()) return wrong;
  }
  return {};
}

}  // namespace chimera::devices::testing
