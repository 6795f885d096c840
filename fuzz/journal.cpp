// A journal with wrong records in it, whether or not their checksums have been put right: the store is refused with a
// reason, or it opens and all that is asked of it has a status; and what is salvaged of it passes its check.
//
// The first byte of an input says what is done, the second how many pieces of damage of eight bytes follow; what is
// left is the instructions of one more record.

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "devices/journal_format.h"
#include "devices/journal_scan.h"
#include "devices/open.h"
#include "devices/pool.h"
#include "fuzz/check.h"
#include "fuzz/good_store.h"
#include "fuzz/talk.h"
#include "io/simulated_disk.h"
#include "isa/bytes.h"
#include "vm/recovery.h"
#include "vm/salvage.h"

namespace {

using namespace chimera;
using fuzz::Bytes;

const devices::OnProgress nobody = [](std::uint64_t, std::uint64_t) {};

/// The ring of a good store, as lists of instructions, to be written again.
class Ring {
 public:
  explicit Ring(io::DiskImage image) : image_(std::move(image)) {
    io::SimulatedLoop loop(1);
    io::SimulatedDisk disk(loop, image_);
    const auto store = devices::open_store(loop, disk, {.cache_bytes = limits::smallest_cache, .read_only = true});
    FUZZ_CHECK(store);
    superblock_ = (*store)->pool()->checkpoint().superblock();
    for (const devices::JournalRecord& record : (*store)->pool()->log().records)
      records_.push_back(record.instructions);
    FUZZ_CHECK(records_.size() >= 4);
  }

  void hit(std::span<const std::uint8_t, 8> how) {
    const std::size_t chosen = how[0] % records_.size();
    auto& record = records_[chosen];
    const auto value = load<std::uint32_t>(&how[4]);
    const std::size_t at = record.empty() ? 0 : load<std::uint16_t>(&how[2]) % record.size();
    switch (how[1] % 6) {
      case 0:
        if (!record.empty()) record[at] = how[4];
        break;
      case 1: std::copy_n(&how[4], std::min<std::size_t>(4, record.size() - at), record.begin() + at); break;
      case 2: record.resize(at); break;
      case 3: records_.insert(records_.begin() + value % records_.size(), std::vector(record)); break;
      case 4: record.insert(record.begin() + at, &how[4], &how[4] + 4); break;
      case 5: raw_.push_back({chosen, load<std::uint16_t>(&how[2]), how[4]}); break;
    }
  }
  void append(Bytes instructions) {
    if (!instructions.empty()) records_.emplace_back(instructions.begin(), instructions.end());
  }

  /// Each record says that those before it are durable.
  [[nodiscard]] io::DiskImage image() const {
    io::DiskImage image = image_;
    devices::JournalPosition at = superblock_.journal;
    std::vector<std::uint64_t> places;
    for (const auto& record : records_) {
      const std::uint64_t place = place_of(at.block);
      places.push_back(place);
      const devices::JournalHeader header = devices::journal_header(at, at.sequence - 1, place, record);
      std::vector<std::byte> bytes(sizeof header + record.size());
      std::memcpy(bytes.data(), &header, sizeof header);
      std::ranges::copy(std::as_bytes(std::span(record)), bytes.begin() + sizeof header);
      bytes.resize((bytes.size() + devices::block_size - 1) / devices::block_size * devices::block_size);
      for (std::size_t done = 0; done < bytes.size(); done += devices::block_size) {
        image.write_block(place_of(at.block++),
                          std::span<const std::byte, devices::block_size>(&bytes[done], devices::block_size));
      }
      ++at.sequence;
      at.chain = header.checksum;
    }
    for (const auto& [record, bit, mask] : raw_) {
      // What the headers say, with wrong checksums.
      image.flip_bit(places[record], bit % (8 * (sizeof(devices::JournalHeader) + 64)));
      if (mask == 0) image.flip_bit(places[record], 32'000);
    }
    return image;
  }

 private:
  struct Raw {
    std::size_t record;
    unsigned bit;
    std::uint8_t mask;
  };
  [[nodiscard]] std::uint64_t place_of(std::uint64_t block) const {
    return superblock_.journal_first_block + block % superblock_.journal_blocks;
  }

  io::DiskImage image_;
  devices::Superblock superblock_{};
  std::vector<std::vector<std::uint8_t>> records_;
  std::vector<Raw> raw_;
};

/// Up to the first instruction that would take long: nobody stops a replay.
Bytes without_long_ones(Bytes stream) {
  for (const fuzz::Owed& owed : fuzz::owed_to(stream)) {
    if (owed.is_long()) return {};
  }
  return stream;
}

void look(vm::Machine& machine, io::SimulatedLoop& loop) {
  Program program;
  program.describe_store().list_devices("", "", 100);
  for (const devices::Device* device : machine.store().list("", "", 6)) {
    const Uuid uuid = device->uuid();
    program.open_device(device->name()).read_columns().read_extents(uuid, 0, device->length());
    program.read_block(uuid, 0).read_block(uuid, 4096).read_metadata_bytes(uuid, 0, 64);
    program.write_bytes(uuid, 4090, fuzz::bytes_of("across blocks")).clone_device(uuid, "another").sync();
  }
  fuzz::run(machine, loop, program);
}

void open(const io::DiskImage& image, bool read_only, bool is_good) {
  io::SimulatedLoop loop(1);
  io::SimulatedDisk disk(loop, image);
  auto opened = vm::open_store(loop, disk, {.cache_bytes = limits::smallest_cache, .read_only = read_only});
  FUZZ_CHECK(opened || (!is_good && !opened.error().empty()));
  if (!opened) return;
  vm::Machine machine(loop, std::move(*opened));
  look(machine, loop);
  // What is only replayed in memory is in no map of free space.
  const devices::CheckReport report = devices::check(loop, machine.store(), nobody);
  if (is_good && !read_only) FUZZ_CHECK(report.problem_count == 0);
}

void salvage(const io::DiskImage& image, bool is_good) {
  io::SimulatedLoop loop(1);
  io::SimulatedDisk disk(loop, image);
  const auto losses = devices::find_losses(loop, disk, nobody);
  FUZZ_CHECK(losses);
  if (is_good) FUZZ_CHECK(losses->none());
  const auto salvaged = vm::salvage(loop, disk, *losses, limits::smallest_cache);
  FUZZ_CHECK(salvaged || !salvaged.error().empty());
  if (!salvaged || is_good) return;
  auto opened = vm::open_store(loop, disk, {.cache_bytes = limits::smallest_cache});
  // A record that says what cannot be is not damaged: it is refused as before.
  if (!opened && losses->none()) return;
  FUZZ_CHECK(opened);
  const devices::CheckReport report = devices::check(loop, **opened, nobody);
  FUZZ_CHECK(report.problem_count == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Ring good(fuzz::store_with_journal());
  if (size < 2) return 0;
  Ring ring = good;
  const std::size_t count = std::min<std::size_t>(data[1] % 8, (size - 2) / 8);
  for (std::size_t n = 0; n < count; ++n) ring.hit(std::span<const std::uint8_t, 8>(data + 2 + 8 * n, 8));
  const Bytes rest(data + 2 + 8 * count, size - 2 - 8 * count);
  ring.append(without_long_ones(rest));
  const bool is_good = count == 0 && rest.empty();
  const io::DiskImage image = ring.image();
  if ((*data & 3) != 3) open(image, (*data & 1) == 0, is_good);
  if ((*data & 2) != 0) salvage(image, is_good);
  return 0;
}
