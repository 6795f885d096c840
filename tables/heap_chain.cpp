// Values of several pieces: appending, and where their ranges are.

#include <fmt/format.h>

#include <algorithm>
#include <cassert>

#include "tables/heap.h"

namespace chimera::tables {

/// The directory of a chained value that has been looked at.
Result<Heap::Chain> Heap::chain_of(const HeapValue& value) {
  const std::uint64_t granule = value.place.granule();
  const std::uint64_t capacity = value.place.capacity();
  if (capacity > HeapDirectory::largest_piece || capacity < HeapDirectory::front + HeapDirectory::entry_size) {
    return std::unexpected(pieces_.damaged(granule, fmt::format("a directory has no {} bytes", capacity)));
  }
  bool is_fresh = false;
  const auto piece = pieces_.get(HeapPiece::Kind::directory, granule, static_cast<std::uint32_t>(capacity), is_fresh);
  if (!piece) return std::unexpected(piece.error());
  const Chain chain{value.place, *piece};
  const std::uint64_t tail = space_.is_open() ? space_.header().tail : Place::most_granules;
  std::string problem = is_fresh ? chain.directory().problem(tail) : std::string();
  const std::uint64_t total = chain.directory().total();
  const bool is_of_size = total == value.size || (value.size == HeapValue::long_size && total > value.size);
  if (problem.empty() && !is_of_size) {
    problem = fmt::format("it has {} bytes, not {}", chain.directory().total(), value.size);
  }
  if (problem.empty()) return chain;
  pieces_.drop(granule);
  return std::unexpected(pieces_.damaged(granule, problem));
}

Result<> Heap::locate(const HeapValue& value, std::uint64_t offset, std::uint64_t count, std::vector<HeapPart>& parts) {
  if (auto sound = look_at_to_read(value); !sound) return sound;
  if (offset > value.size || count > value.size - offset) {
    return std::unexpected(Failure{Status::out_of_range, fmt::format("The value has {} bytes: not {} from byte {} on.",
                                                                     value.size, count, offset)});
  }
  if (count == 0) return {};
  if (!value.place.is_chained()) {
    parts.push_back({value.place.offset() + offset, count});
    return {};
  }
  const auto chain = chain_of(value);
  if (!chain) return std::unexpected(chain.error());
  const HeapDirectory directory = chain->directory();
  for (std::uint32_t i = 0; i < directory.count() && count > 0; ++i) {
    const HeapDirectory::Part part = directory.part(i);
    if (offset >= part.size) {
      offset -= part.size;
      continue;
    }
    const std::uint64_t size = std::min(count, part.size - offset);
    parts.push_back({part.place.offset() + offset, size});
    count -= size;
    offset = 0;
  }
  return {};
}

Result<HeapValue> Heap::append(const HeapValue& value, Bytes more) {
  if (auto sound = look_at(value); !sound) return std::unexpected(std::move(sound.error()));
  const HeapValue longer{value.place, value.size + more.size()};
  if (!value.place.is_chained() && longer.size <= value.place.capacity()) {
    write_later(value.place.offset() + value.size, more, {false, true});
    return longer;
  }
  auto chain = value.place.is_chained() ? chain_of(value) : make_chain(value);
  if (!chain) return std::unexpected(std::move(chain.error()));
  if (auto done = extend(*chain, more); !done) return std::unexpected(std::move(done.error()));
  return HeapValue{chain->place, longer.size};
}

Result<Heap::Chain> Heap::new_chain(std::uint32_t directory_size) {
  const auto place = space_.allocate(directory_size);
  if (!place) return std::unexpected(place.error());
  const auto capacity = static_cast<std::uint32_t>(place->capacity());
  const auto piece = pieces_.add(HeapPiece::Kind::directory, place->granule(), capacity);
  if (!piece) return std::unexpected(piece.error());
  return Chain{place->with(Place::chained_flag), *piece};
}

/// A directory whose one part is what has been the value.
Result<Heap::Chain> Heap::make_chain(const HeapValue& value) {
  auto chain = new_chain(HeapDirectory::smallest_piece);
  if (!chain) return chain;
  HeapDirectory::set(chain->piece->bytes, 0, {value.place.without(Place::compressed_flag), value.size});
  chain->place = Place(chain->place.raw() | (value.place.raw() & Place::compressed_flag));
  return chain;
}

/// Fills up the last part, then adds parts, each twice as large as the one before as long as there is a class for it.
Result<> Heap::extend(Chain& chain, Bytes more) {
  while (!more.empty()) {
    const HeapDirectory directory = chain.directory();
    const std::uint32_t last = directory.count() - 1;
    HeapDirectory::Part part = directory.part(last);
    std::uint32_t at = last;
    const std::uint64_t capacity = part.place.capacity();
    if (part.size == capacity) {
      if (directory.count() == directory.most()) {
        if (auto done = widen(chain); !done) return done;
      }
      const std::uint64_t wanted = std::max<std::uint64_t>(2 * capacity, more.size());
      const auto place = space_.allocate(std::min(wanted, heap_largest_piece));
      if (!place) return std::unexpected(place.error());
      part = {*place, 0};
      at = last + 1;
    }
    const std::size_t size = std::min<std::size_t>(more.size(), part.place.capacity() - part.size);
    write_later(part.place.offset() + part.size, more.first(size), {part.size == 0, true});
    part.size += size;
    HeapDirectory::set(pieces_.edit(chain.place.granule(), *chain.piece), at, part);
    more = more.subspan(size);
  }
  return {};
}

/// A directory with twice as much room, in the place of a full one.
Result<> Heap::widen(Chain& chain) {
  const std::size_t size = chain.piece->bytes.size();
  if (size >= HeapDirectory::largest_piece) {
    return std::unexpected(Failure{Status::too_large, "The value has as many pieces as a value can have."});
  }
  auto wider = new_chain(static_cast<std::uint32_t>(2 * size));
  if (!wider) return std::unexpected(std::move(wider.error()));
  std::ranges::copy(chain.piece->bytes, wider->piece->bytes.begin());
  wider->place = Place(wider->place.raw() | (chain.place.raw() & Place::compressed_flag));
  pieces_.drop(chain.place.granule());
  const Place old = chain.place;
  chain = *wider;
  return space_.release(old);
}

}  // namespace chimera::tables
