#include "tables/heap_space.h"

#include <fmt/format.h>

#include <cstring>

#include "isa/limits.h"
#include "tables/differences.h"

namespace chimera::tables {
namespace {

/// Pieces from this size on begin where a block does, so that writing one touches no block in part.
constexpr std::uint64_t size_worth_aligning = 64 << 10;
constexpr std::uint64_t granules_per_block = limits::block_size / heap_granule;

template <typename Integer>
void put(std::vector<std::uint8_t>& bytes, std::size_t at, Integer value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

}  // namespace

Result<> HeapSpace::open() {
  if (is_open_) return {};
  const auto bytes = pieces_.read(0, HeapHeader::size);
  if (!bytes) return std::unexpected(bytes.error());
  const auto header = HeapHeader::parse(*bytes);
  if (!header) return std::unexpected(pieces_.damaged(0, header.error()));
  header_ = header_before_ = *header;
  is_open_ = true;
  return {};
}

Result<> HeapSpace::check(Place place) const {
  const bool is_there = place.is_sound() && place.granule() + place.capacity() / heap_granule <= header_.tail;
  if (is_there) return {};
  return std::unexpected(pieces_.damaged(place.granule(), fmt::format("there is no piece 0x{:x}", place.raw())));
}

Result<Place> HeapSpace::allocate(std::uint64_t size) {
  const unsigned size_class = heap_class_of(size);
  if (header_.lists[size_class].free == 0 && size >= size_worth_aligning) {
    if (auto done = align_tail(); !done) return std::unexpected(std::move(done.error()));
  }
  const bool is_free = header_.lists[size_class].free > 0;
  const auto granule = is_free ? take_free(size_class) : take_tail(heap_class_size(size_class) / heap_granule);
  if (!granule) return std::unexpected(granule.error());
  ++header_.used;
  return Place(*granule, size_class);
}

Result<> HeapSpace::release(Place place) {
  if (auto sound = check(place); !sound) return sound;
  if (header_.used == 0) return std::unexpected(pieces_.damaged(0, "it counts fewer pieces than there are"));
  --header_.used;
  return list_free(place.granule(), place.size_class());
}

/// Of a class, or a spare one.
Result<HeapPiece*> HeapSpace::trunk(std::uint64_t granule, std::uint32_t size_class) {
  bool is_fresh = false;
  auto found = pieces_.get(HeapPiece::Kind::trunk, granule, HeapTrunk::size, is_fresh);
  if (!found) return found;
  // Once is enough: what is changed here stays right.
  const HeapTrunk trunk((*found)->bytes);
  const std::string problem = is_fresh ? trunk.problem(granule, size_class, header_) : std::string();
  if (problem.empty() && trunk.size_class() == size_class) return found;
  pieces_.drop(granule);
  return std::unexpected(pieces_.damaged(granule, problem.empty() ? "it lists pieces of another size" : problem));
}

/// Room for a trunk: a spare one, or new.
Result<std::uint64_t> HeapSpace::take_trunk() {
  const std::uint64_t granule = header_.spare;
  if (granule == 0) return take_tail(HeapTrunk::granules);
  const auto found = trunk(granule, HeapTrunk::no_class);
  if (!found) return std::unexpected(found.error());
  header_.spare = HeapTrunk((*found)->bytes).next();
  return granule;
}

Result<> HeapSpace::list_free(std::uint64_t granule, unsigned size_class) {
  HeapHeader::List& list = header_.lists[size_class];
  HeapPiece* room = nullptr;
  if (list.trunk != 0) {
    const auto found = trunk(list.trunk, size_class);
    if (!found) return std::unexpected(found.error());
    if (HeapTrunk((*found)->bytes).count() < HeapTrunk::most_listed) room = *found;
  }
  if (room == nullptr) {
    const auto taken = take_trunk();
    if (!taken) return std::unexpected(taken.error());
    const auto added = pieces_.add(HeapPiece::Kind::trunk, *taken, HeapTrunk::size);
    if (!added) return std::unexpected(added.error());
    room = *added;
    put(room->bytes, 0, list.trunk);
    put(room->bytes, HeapTrunk::class_at, static_cast<std::uint32_t>(size_class));
    list.trunk = *taken;
  }
  const std::uint32_t count = HeapTrunk(room->bytes).count();
  std::vector<std::uint8_t>& bytes = pieces_.edit(list.trunk, *room);
  put(bytes, HeapTrunk::entry_at(count), granule);
  put(bytes, HeapTrunk::count_at, count + 1);
  ++list.free;
  return {};
}

/// Of a class that has a free piece.
Result<std::uint64_t> HeapSpace::take_free(unsigned size_class) {
  HeapHeader::List& list = header_.lists[size_class];
  while (list.trunk != 0) {
    const auto found = trunk(list.trunk, size_class);
    if (!found) return std::unexpected(found.error());
    const std::uint32_t count = HeapTrunk((*found)->bytes).count();
    const std::uint64_t at = list.trunk;
    std::vector<std::uint8_t>& bytes = pieces_.edit(at, **found);
    if (count > 0) {
      const auto granule = HeapTrunk(bytes).listed(count - 1);
      put(bytes, HeapTrunk::count_at, count - 1);
      --list.free;
      return granule;
    }
    // It lists nothing any more, and waits for its next use.
    list.trunk = HeapTrunk((*found)->bytes).next();
    put(bytes, 0, header_.spare);
    put(bytes, HeapTrunk::class_at, HeapTrunk::no_class);
    header_.spare = at;
  }
  return std::unexpected(pieces_.damaged(0, "it counts more free pieces than are listed"));
}

Result<std::uint64_t> HeapSpace::take_tail(std::uint64_t granules) {
  if (granules > Place::most_granules - header_.tail) {
    return std::unexpected(Failure{Status::no_space, fmt::format("\"{}\" is full.", pieces_.name())});
  }
  return std::exchange(header_.tail, header_.tail + granules);
}

/// What is left of the last block becomes free pieces.
Result<> HeapSpace::align_tail() {
  while (header_.tail % granules_per_block != 0) {
    const std::uint64_t left = granules_per_block - header_.tail % granules_per_block;
    unsigned size_class = heap_class_of(left * heap_granule);
    if (heap_class_size(size_class) > left * heap_granule) --size_class;
    const auto granule = take_tail(heap_class_size(size_class) / heap_granule);
    if (!granule) return std::unexpected(granule.error());
    // This may need another trunk, which comes from the tail as well.
    if (auto done = list_free(*granule, size_class); !done) return done;
  }
  return {};
}

void HeapSpace::emit(Script& script) const {
  pieces_.emit(script);
  const HeapHeader::Bytes before = header_before_.bytes();
  const HeapHeader::Bytes after = header_.bytes();
  if (before == after) return;
  script.note([this] { return fmt::format("\"{}\": its header", pieces_.name()); });
  write_differences(script, pieces_.device(), 0, before, after);
}

void HeapSpace::keep() {
  pieces_.keep();
  header_before_ = header_;
}

void HeapSpace::abandon() {
  pieces_.abandon();
  header_ = header_before_;
}

void HeapSpace::forget() {
  pieces_.forget();
  is_open_ = false;
}

}  // namespace chimera::tables
