#include "tests/simulation/random_programs.h"

#include "io/seeded_random.h"

namespace chimera::simulation {

devices::testing::CrashOptions programs_of(std::uint64_t seed) {
  io::SeededRandom random(~seed);
  devices::testing::CrashOptions options;
  options.steps = 40 + random.below(80);
  if (random.chance(20)) options.format.journal_bytes = 0;
  options.most_devices = 2 + random.below(4);
  options.sync_percent = static_cast<unsigned>(5 + random.below(40));
  options.long_copy_percent = 0;
  options.transaction_percent = static_cast<unsigned>(random.below(100));
  options.open_percent = static_cast<unsigned>(random.below(80));
  options.largest_count = 6000;
  options.largest_share = 256u << 10;
  options.choice = {.images_at_boundary = 24,
                    .tries_at_boundary = 64,
                    .everything_one_in = 500,
                    .check_one_in = 50,
                    .rework_one_in = 500,
                    .recover_one_in = 500,
                    .cache_bytes = 4u << 20};
  return options;
}

}  // namespace chimera::simulation
