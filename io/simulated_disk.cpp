#include "io/simulated_disk.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <optional>
#include <utility>

namespace chimera::io {
namespace {

using Block = DiskImage::Page;
constexpr std::size_t sectors_per_block = DiskImage::sectors_per_block;
constexpr unsigned bits_per_block = DiskImage::block_size * 8;

std::span<std::byte, DiskImage::block_size> block_at(std::byte* buffer) {
  return std::span<std::byte, DiskImage::block_size>(buffer, DiskImage::block_size);
}

std::span<const std::byte, DiskImage::sector_size> sector_of(const Block& block, std::uint64_t sector) {
  const std::size_t start = sector % sectors_per_block * DiskImage::sector_size;
  return std::span<const std::byte, DiskImage::sector_size>(block.data() + start, DiskImage::sector_size);
}

void flip(std::byte* bytes, std::uint64_t bit) { bytes[bit / 8] ^= static_cast<std::byte>(1u << bit % 8); }

}  // namespace

/// A request under way.
class SimulatedDisk::Flight final : public SimulatedLoop::Event {
 public:
  Flight(SimulatedDisk& disk, DiskRequest& told) : request(told), first_block(told.first_block), disk_(disk) {}

  void happen() override {
    const auto own = std::ranges::find(disk_.flights_, this, &std::unique_ptr<Flight>::get);
    const std::unique_ptr<Flight> self = std::move(*own);
    disk_.flights_.erase(own);
    DiskRequest& told = request;
    told.error = take_effect();
    told.finished();
  }

  [[nodiscard]] bool has(Fault::Effect effect) const { return fault && fault->effect == effect; }

  DiskRequest& request;
  std::uint64_t first_block;  ///< where it goes; not where it was sent if it is misdirected
  bool is_outside = false;
  std::optional<Fault> fault;
  std::uint64_t write_number = 0;
  std::uint64_t covered = 0;                  ///< of a flush: the completions before its start
  std::vector<std::shared_ptr<Block>> bytes;  ///< of a write, as they were at its start

 private:
  int take_effect() {
    switch (request.kind) {
      case DiskRequest::Kind::read: return disk_.finish_read(*this);
      case DiskRequest::Kind::write:
      case DiskRequest::Kind::discard: return disk_.finish_write(*this);
      case DiskRequest::Kind::flush: return disk_.finish_flush(*this);
    }
    return 0;
  }

  SimulatedDisk& disk_;
};

SimulatedDisk::SimulatedDisk(SimulatedLoop& loop, DiskImage content) : loop_(loop), state_{content, content, {}} {}

SimulatedDisk::SimulatedDisk(SimulatedLoop& loop, std::uint64_t block_count)
    : SimulatedDisk(loop, DiskImage(block_count)) {}

SimulatedDisk::~SimulatedDisk() {
  for (const auto& flight : flights_) loop_.withdraw(*flight);
}

const Fault* SimulatedDisk::next_fault(DiskRequest::Kind kind) {
  const Fault* chosen = nullptr;
  for (InjectedFault& injected : faults_) {
    if (injected.fault.kind != kind) continue;
    ++injected.seen;
    const Fault& fault = injected.fault;
    const bool applies = fault.from_then_on ? injected.seen >= fault.nth : injected.seen == fault.nth;
    if (applies && chosen == nullptr) chosen = &fault;
  }
  return chosen;
}

void SimulatedDisk::start(DiskRequest& request) {
  const std::uint64_t count = request.buffers.size() + request.discarded_blocks;
  assert(request.buffers.size() <= most_blocks && (count == 0) == (request.kind == DiskRequest::Kind::flush));
  ++started_[static_cast<std::size_t>(request.kind)];
  auto flight = std::make_unique<Flight>(*this, request);
  const bool is_inside = request.first_block <= block_count() && count <= block_count() - request.first_block;
  flight->is_outside = count > 0 && !is_inside;
  if (const Fault* fault = next_fault(request.kind)) flight->fault = *fault;
  for (std::byte* const buffer : request.buffers) {
    assert(reinterpret_cast<std::uintptr_t>(buffer) % DiskImage::block_size == 0 && "buffers are aligned to a block");
    if (request.kind == DiskRequest::Kind::read) std::memset(buffer, 0xDB, DiskImage::sector_size);
  }
  const bool changes = request.kind == DiskRequest::Kind::write || request.kind == DiskRequest::Kind::discard;
  if (changes && !flight->is_outside && !is_off_) start_write(*flight);
  flight->covered = state_.landed;
  loop_.post(*flight);
  flights_.push_back(std::move(flight));
}

void SimulatedDisk::start_write(Flight& flight) {
  flight.write_number = state_.next_write++;
  for (std::byte* const buffer : flight.request.buffers) {
    flight.bytes.push_back(std::make_shared<Block>());
    std::memcpy(flight.bytes.back()->data(), buffer, DiskImage::block_size);
  }
  if (flight.request.kind == DiskRequest::Kind::discard) {
    flight.bytes.assign(flight.request.discarded_blocks, std::make_shared<Block>());
  }
  const std::size_t count = flight.bytes.size();
  if (flight.has(Fault::Effect::misdirect)) flight.first_block = loop_.random().below(block_count() - count + 1);
  if (flight.has(Fault::Effect::flip_bit)) {
    const std::uint64_t bit = loop_.random().below(count * bits_per_block);
    auto& flipped = flight.bytes[bit / bits_per_block];
    flipped = std::make_shared<Block>(*flipped);
    flip(flipped->data(), bit % bits_per_block);
  }
  if (flight.has(Fault::Effect::lose)) return;
  for (std::size_t i = 0; i < count * sectors_per_block; ++i) {
    const std::uint64_t sector = flight.first_block * sectors_per_block + i;
    const std::shared_ptr<Block>& block = flight.bytes[i / sectors_per_block];
    state_.versions[sector].push_back(
        {flight.write_number, 0, false, block, sector_mark(sector, sector_of(*block, sector))});
  }
}

void SimulatedDisk::check_unchanged(const Flight& flight) {
  if (flight.has(Fault::Effect::flip_bit)) return;
  for (std::size_t i = 0; i < flight.request.buffers.size(); ++i) {
    const bool is_unchanged =
        std::memcmp(flight.request.buffers[i], flight.bytes[i]->data(), DiskImage::block_size) == 0;
    assert(is_unchanged && "the bytes of a write stay as they are until it has finished");
    static_cast<void>(is_unchanged);
  }
}

int SimulatedDisk::finish_read(Flight& flight) {
  if (is_off_ || flight.is_outside) return EIO;
  if (flight.has(Fault::Effect::fail)) return flight.fault->error;
  const std::span<std::byte* const> buffers = flight.request.buffers;
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    state_.current.read_block(flight.first_block + i, block_at(buffers[i]));
  }
  if (flight.has(Fault::Effect::flip_bit)) {
    const std::uint64_t bit = loop_.random().below(buffers.size() * bits_per_block);
    flip(buffers[bit / bits_per_block], bit % bits_per_block);
  }
  return 0;
}

int SimulatedDisk::finish_write(Flight& flight) {
  if (is_off_ || flight.is_outside) return EIO;
  if (hook_) hook_(Boundary::before, flight.request);
  if (is_off_) return EIO;
  check_unchanged(flight);
  const bool has_failed = flight.has(Fault::Effect::fail);
  ++state_.landed;
  if (!flight.has(Fault::Effect::lose)) {
    for (std::size_t i = 0; i < flight.bytes.size() * sectors_per_block; ++i) land_sector(flight, i, has_failed);
    for (std::size_t i = 0; i < flight.bytes.size() && !has_failed; ++i) {
      state_.current.share_block(flight.first_block + i, flight.bytes[i]);
    }
    if (flight.request.durable && !has_failed) settle_write(flight);
  }
  if (hook_) hook_(Boundary::after, flight.request);
  return has_failed ? flight.fault->error : 0;
}

void SimulatedDisk::land_sector(const Flight& flight, std::size_t sector_index, bool has_failed) {
  const std::uint64_t sector = flight.first_block * sectors_per_block + sector_index;
  std::vector<SectorVersion>& versions = state_.versions[sector];
  const auto own = std::ranges::find(versions, flight.write_number, &SectorVersion::write);
  assert(own != versions.end());
  own->landed_at = state_.landed;
  own->is_forgotten = has_failed;
  std::rotate(own, own + 1, versions.end());
  if (!has_failed || loop_.random().chance(50)) return;
  const std::shared_ptr<Block>& block = flight.bytes[sector_index / sectors_per_block];
  state_.current.write_sector(sector, sector_of(*block, sector));
}

void SimulatedDisk::settle_write(const Flight& flight) {
  if (state_.durable.block_count() < state_.current.block_count()) state_.durable.resize(state_.current.block_count());
  for (std::size_t i = 0; i < flight.bytes.size() * sectors_per_block; ++i) {
    const std::uint64_t sector = flight.first_block * sectors_per_block + i;
    std::vector<SectorVersion>& versions = state_.versions[sector];
    settle_sector(sector, versions, *std::ranges::find(versions, flight.write_number, &SectorVersion::write));
    if (versions.empty()) state_.versions.erase(sector);
  }
}

/// This version is on the medium, and those that landed before it do not matter any more.
void SimulatedDisk::settle_sector(std::uint64_t sector, std::vector<SectorVersion>& versions,
                                  const SectorVersion& version) {
  std::array<std::byte, DiskImage::sector_size> old;
  state_.durable.read_sector(sector, old);
  state_.durable_mark += version.mark - sector_mark(sector, old);
  state_.durable.write_sector(sector, sector_of(*version.block, sector));
  const std::uint64_t settled_at = version.landed_at;
  std::erase_if(versions,
                [&](const SectorVersion& other) { return other.landed_at > 0 && other.landed_at <= settled_at; });
}

int SimulatedDisk::finish_flush(Flight& flight) {
  if (is_off_) return EIO;
  if (hook_) hook_(Boundary::before, flight.request);
  if (is_off_) return EIO;
  const bool has_failed = flight.has(Fault::Effect::fail);
  if (has_failed) {
    forget_covered(flight.covered);
  } else if (!flight.has(Fault::Effect::lose)) {
    settle_covered(flight.covered);
  }
  if (hook_) hook_(Boundary::after, flight.request);
  return has_failed ? flight.fault->error : 0;
}

void SimulatedDisk::forget_covered(std::uint64_t covered) {
  for (auto& [sector, versions] : state_.versions) {
    for (SectorVersion& version : versions) {
      if (version.landed_at > 0 && version.landed_at <= covered) version.is_forgotten = true;
    }
  }
}

void SimulatedDisk::settle_covered(std::uint64_t covered) {
  if (state_.durable.block_count() < state_.current.block_count()) state_.durable.resize(state_.current.block_count());
  for (auto entry = state_.versions.begin(); entry != state_.versions.end();) {
    auto& [sector, versions] = *entry;
    const SectorVersion* last = nullptr;
    for (const SectorVersion& version : versions) {
      const bool is_covered = version.landed_at > 0 && version.landed_at <= covered && !version.is_forgotten;
      if (is_covered && (last == nullptr || version.landed_at > last->landed_at)) last = &version;
    }
    if (last != nullptr) settle_sector(sector, versions, *last);
    entry = versions.empty() ? state_.versions.erase(entry) : std::next(entry);
  }
}

int SimulatedDisk::grow(std::uint64_t block_count) {
  if (is_off_) return EIO;
  if (block_count > state_.current.block_count()) state_.current.resize(block_count);
  return 0;
}

void SimulatedDisk::flip_durable(std::uint64_t block, unsigned bit) {
  const std::uint64_t sector = block * sectors_per_block + bit / 8 / DiskImage::sector_size;
  std::array<std::byte, DiskImage::sector_size> bytes;
  state_.durable.read_sector(sector, bytes);
  state_.durable_mark -= sector_mark(sector, bytes);
  state_.durable.flip_bit(block, bit);
  state_.durable.read_sector(sector, bytes);
  state_.durable_mark += sector_mark(sector, bytes);
}

void SimulatedDisk::flip_bit(std::uint64_t block, unsigned bit) {
  state_.current.flip_bit(block, bit);
  if (block < state_.durable.block_count()) flip_durable(block, bit);
  const auto sector = state_.versions.find(block * sectors_per_block + bit / 8 / DiskImage::sector_size);
  if (sector == state_.versions.end()) return;
  for (SectorVersion& version : sector->second) {
    auto flipped = std::make_shared<Block>(*version.block);
    flip(flipped->data(), bit);
    version.block = std::move(flipped);
    version.mark = sector_mark(sector->first, sector_of(*version.block, sector->first));
  }
}

CrashImages SimulatedDisk::crash_images(const CrashImages::Options& options) const {
  return CrashImages(state_.durable, state_.durable_mark, state_.current.block_count(), state_.versions, options);
}

SimulatedDisk::State SimulatedDisk::snapshot() const {
  assert(flights_.empty() && "nothing is under way");
  return state_;
}

void SimulatedDisk::restore(State state) {
  assert(flights_.empty() && "nothing is under way");
  state_ = std::move(state);
}

}  // namespace chimera::io
