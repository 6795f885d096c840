// Any program on a store whose structures have been overwritten: the machine comes to rest and answers each whole
// instruction once, as on a good one, or the store is refused with a reason. What is salvaged of it passes its check.
//
// The first byte of an input says what is done, the second how many pieces of damage of eight bytes follow; what is
// left is the program.

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <vector>

#include "devices/open.h"
#include "fuzz/change_stream.h"
#include "fuzz/damage.h"
#include "fuzz/good_store.h"
#include "fuzz/talk.h"
#include "io/seeded_random.h"
#include "io/simulated_disk.h"
#include "vm/recovery.h"
#include "vm/salvage.h"

namespace {

using namespace chimera;
using fuzz::Bytes;
using fuzz::Damage;
using fuzz::Talk;

constexpr std::size_t head_size = 2;
const devices::OnProgress nobody = [](std::uint64_t, std::uint64_t) {};

std::size_t damage_size(const std::uint8_t* data, std::size_t size) {
  return std::min<std::size_t>(data[1] % 8, (size - head_size) / 8) * 8;
}

void work(const io::DiskImage& image, Bytes stream, bool is_good) {
  io::SimulatedLoop loop(1);
  io::SimulatedDisk disk(loop, image);
  auto opened = vm::open_store(loop, disk, {.cache_bytes = limits::smallest_cache});
  FUZZ_CHECK(opened || (!is_good && !opened.error().empty()));
  if (!opened) return;
  vm::Machine machine(loop, std::move(*opened));
  {
    std::array talks{Talk(machine, stream)};
    talks.front().feed(stream.size());
    if (fuzz::run_to_rest(machine, loop, talks)) talks.front().check_end();
  }
  const devices::CheckReport report = devices::check(loop, machine.store(), nobody);
  if (is_good) FUZZ_CHECK(report.problem_count == 0);
}

void salvage(const io::DiskImage& image, bool is_repaired) {
  io::SimulatedLoop loop(1);
  io::SimulatedDisk disk(loop, image);
  const auto losses = devices::find_losses(loop, disk, nobody);
  FUZZ_CHECK(losses || !losses.error().empty());
  if (!losses) return;
  const auto salvaged = vm::salvage(loop, disk, *losses, limits::smallest_cache);
  FUZZ_CHECK(salvaged || !salvaged.error().empty());
  if (!salvaged) return;
  auto opened = vm::open_store(loop, disk, {.cache_bytes = limits::smallest_cache});
  FUZZ_CHECK(opened);
  const devices::CheckReport report = devices::check(loop, **opened, nobody);
  // Where checksums are right, two slots may name one block as different things.
  FUZZ_CHECK(report.problem_count == 0 || is_repaired);
}

}  // namespace

/// libFuzzer's own changes, of the bytes.
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  io::SeededRandom random(seed);
  if (size < head_size || random.chance(50)) return LLVMFuzzerMutate(data, size, most);
  const std::size_t begin = head_size + damage_size(data, size);
  const std::vector<std::uint8_t> stream = fuzz::StreamChange(random.next()).apply({data + begin, size - begin});
  if (begin + stream.size() > most) return LLVMFuzzerMutate(data, size, most);
  std::memcpy(data + begin, stream.data(), stream.size());
  return begin + stream.size();
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Damage good(fuzz::good_store());
  if (size < head_size) return 0;
  Damage damage = good;
  const std::size_t end = head_size + damage_size(data, size);
  for (std::size_t at = head_size; at < end; at += 8) damage.hit(std::span<const std::uint8_t, 8>(data + at, 8));
  const bool is_repaired = (*data & 1) != 0;
  if (is_repaired) damage.repair();
  work(damage.image(), {data + end, size - end}, end == head_size);
  if ((*data & 2) != 0) salvage(damage.image(), is_repaired);
  return 0;
}
