#include "tables/heap_check.h"

#include <fmt/format.h>

namespace chimera::tables {
namespace {

/// Damage of the device; anything else concerns the whole check.
bool is_damage(const Failure& failure) { return failure.status == Status::corrupt; }

}  // namespace

bool HeapCheck::tell(std::uint64_t granule, std::string_view problem) {
  tell_(pieces_.damaged(granule, problem).words);
  return false;
}

Result<> HeapCheck::begin() {
  const auto bytes = pieces_.read(0, HeapHeader::size);
  if (!bytes) {
    if (!is_damage(bytes.error())) return std::unexpected(bytes.error());
    tell_(bytes.error().words);
    return {};
  }
  const auto header = HeapHeader::parse(*bytes);
  if (!header) {
    tell(0, header.error());
    return {};
  }
  header_ = *header;
  is_open_ = true;
  static_cast<void>(cover_.add(0, heap_first_granule));
  std::uint64_t none = 0;
  if (auto done = walk(header_.spare, HeapTrunk::no_class, none); !done) return done;
  for (unsigned i = 0; i < heap_classes; ++i) {
    std::uint64_t listed = 0;
    if (auto done = walk(header_.lists[i].trunk, i, listed); !done) return done;
    if (listed != header_.lists[i].free) {
      tell(0, fmt::format("it counts {} free pieces of {} bytes, but {} are listed", header_.lists[i].free,
                          heap_class_size(i), listed));
    }
  }
  for (const HeapHeader::Stage& stage : header_.stages) {
    if (stage.size == 0) continue;
    if (auto done = value({Place(stage.place), stage.size}); !done) return std::unexpected(std::move(done.error()));
  }
  return {};
}

/// The lists of one class.
Result<> HeapCheck::walk(std::uint64_t trunk, std::uint32_t size_class, std::uint64_t& listed) {
  while (trunk != 0) {
    if (!take(trunk, HeapTrunk::size, "a list of free pieces")) return {};
    const auto bytes = pieces_.read(trunk * heap_granule, HeapTrunk::size);
    if (!bytes) {
      if (!is_damage(bytes.error())) return std::unexpected(bytes.error());
      tell_(bytes.error().words);
      return {};
    }
    const HeapTrunk list(*bytes);
    if (const std::string problem = list.problem(trunk, size_class, header_); !problem.empty()) {
      tell(trunk, problem);
      return {};
    }
    for (std::uint32_t i = 0; i < list.count(); ++i) {
      static_cast<void>(take(list.listed(i), heap_class_size(size_class), "a free piece"));
    }
    listed += list.count();
    trunk = list.next();
  }
  return {};
}

/// False, and told, if something else is there.
bool HeapCheck::take(std::uint64_t granule, std::uint64_t size, std::string_view what) {
  if (cover_.add(granule, size / heap_granule)) return true;
  return tell(granule, fmt::format("{} lies where something else does", what));
}

bool HeapCheck::take_piece(Place place, std::uint64_t size) {
  if (!place.is_sound() || place.granule() + place.capacity() / heap_granule > header_.tail) {
    return tell(place.granule(), fmt::format("there is no piece 0x{:x}", place.raw()));
  }
  ++used_;
  if (!take(place.granule(), place.capacity(), "a value")) return false;
  if (size > 0 && size <= place.capacity()) return true;
  return tell(place.granule(), fmt::format("{} bytes in a piece of {}", size, place.capacity()));
}

Result<bool> HeapCheck::value(const HeapValue& value) {
  if (!is_open_) return false;
  if (!value.place.is_chained()) return take_piece(value.place, value.size);
  if (!take_piece(value.place, HeapDirectory::front + HeapDirectory::entry_size)) return false;
  return take_parts(value);
}

Result<bool> HeapCheck::take_parts(const HeapValue& value) {
  const std::uint64_t granule = value.place.granule();
  if (value.place.capacity() > HeapDirectory::largest_piece) return tell(granule, "a directory is not so large");
  const auto bytes = pieces_.read(value.place.offset(), static_cast<std::uint32_t>(value.place.capacity()));
  if (!bytes) {
    if (!is_damage(bytes.error())) return std::unexpected(bytes.error());
    tell_(bytes.error().words);
    return false;
  }
  const HeapDirectory directory(*bytes);
  if (const std::string problem = directory.problem(header_.tail); !problem.empty()) return tell(granule, problem);
  bool is_whole = true;
  for (std::uint32_t i = 0; i < directory.count(); ++i) {
    is_whole &= take_piece(directory.part(i).place, directory.part(i).size);
  }
  if (directory.total() == value.size) return is_whole;
  return tell(granule, fmt::format("it has {} bytes, not {}", directory.total(), value.size));
}

Result<> HeapCheck::finish() {
  if (!is_open_) return {};
  const Cover::Missing missing = cover_.missing(header_.tail);
  if (missing.count > 0) {
    tell(missing.first, fmt::format("{} bytes belong to nobody and are not free", missing.count * heap_granule));
  }
  if (used_ != header_.used) tell(0, fmt::format("it counts {} pieces, but there are {}", header_.used, used_));
  return {};
}

}  // namespace chimera::tables
