#include "tables/heap.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>

#include "isa/limits.h"

namespace chimera::tables {
namespace {

/// What one instruction writes or reads of a value: large enough to be fast, and not in the way of others.
constexpr std::uint64_t most_at_once = 4 << 20;

}  // namespace

void Heap::create(Script& script, const Uuid& device) { script.write_bytes(device, 0, HeapHeader().bytes()); }

Result<HeapHeader> Heap::header() {
  if (auto opened = space_.open(); !opened) return std::unexpected(std::move(opened.error()));
  return space_.header();
}

Result<Place> Heap::put(Bytes value) {
  if (auto opened = space_.open(); !opened) return std::unexpected(std::move(opened.error()));
  auto place = space_.allocate(value.size());
  if (place) write_later(place->offset(), value, {true, true});
  return place;
}

Result<Place> Heap::replace(const HeapValue& old, Bytes value) {
  if (auto sound = look_at(old); !sound) return std::unexpected(std::move(sound.error()));
  const bool same_piece = !old.place.is_chained() && old.place.size_class() == heap_class_of(value.size());
  if (!same_piece) {
    if (auto erased = erase(old); !erased) return std::unexpected(std::move(erased.error()));
    return put(value);
  }
  write_later(old.place.offset(), value, {true, true});
  return old.place.without(Place::compressed_flag);
}

Result<> Heap::erase(const HeapValue& value) {
  if (auto sound = look_at(value); !sound) return sound;
  if (value.place.is_chained()) {
    const auto chain = chain_of(value);
    if (!chain) return std::unexpected(chain.error());
    // Trunks that are made meanwhile may move what is in memory, so not from the piece itself.
    const std::vector<std::uint8_t> bytes = chain->piece->bytes;
    pieces_.drop(chain->place.granule());
    const HeapDirectory directory(bytes);
    for (std::uint32_t i = 0; i < directory.count(); ++i) {
      if (auto done = space_.release(directory.part(i).place); !done) return done;
    }
  }
  return space_.release(value.place);
}

Result<> Heap::write(const HeapValue& value, std::uint64_t offset, Bytes bytes) {
  if (auto sound = look_at(value); !sound) return sound;
  std::vector<HeapPart> parts;
  if (auto done = locate(value, offset, bytes.size(), parts); !done) return done;
  for (const HeapPart& part : parts) {
    write_later(part.offset, bytes.first(static_cast<std::size_t>(part.size)), {false, false});
    bytes = bytes.subspan(static_cast<std::size_t>(part.size));
  }
  return {};
}

Result<> Heap::read(const HeapValue& value, std::uint64_t offset, std::uint64_t count,
                    std::vector<std::uint8_t>& bytes) {
  std::vector<HeapPart> parts;
  if (auto done = locate(value, offset, count, parts); !done) return done;
  if (parts.empty()) return {};
  Reading reading(script_, version_);
  script_.note([this] { return fmt::format("\"{}\": a value", pieces_.name()); });
  for (const HeapPart& part : parts) {
    for (std::uint64_t at = 0; at < part.size; at += most_at_once) {
      const std::uint64_t size = std::min(most_at_once, part.size - at);
      script_.read_bytes(pieces_.device(), part.offset + at, static_cast<std::uint32_t>(size));
    }
  }
  if (auto done = reading.run(link_, answers_); !done)
    return std::unexpected(damage_of(name(), std::move(done.error())));
  for (std::size_t i = 1; i + 1 < answers_.size(); ++i) {
    const Bytes part = answers_.bytes(i);
    bytes.insert(bytes.end(), part.begin(), part.end());
  }
  return {};
}

/// Into the last run if it goes on there: values that are put one after the other lie so.
void Heap::write_later(std::uint64_t offset, Bytes bytes, Edges edges) {
  if (bytes.empty()) return;
  const std::uint64_t end = runs_.empty() ? 0 : runs_.back().offset + runs_.back().size;
  // Between two values may be bytes that round up the first, which are nobody's.
  const bool is_near =
      !runs_.empty() && offset > end && offset - end < heap_granule && runs_.back().ends_value && edges.at_front;
  const bool goes_on = !runs_.empty() && (offset == end || is_near);
  if (goes_on) {
    pending_.resize(pending_.size() + static_cast<std::size_t>(offset - end));
  } else {
    runs_.push_back({offset, pending_.size(), 0, false});
  }
  pending_.insert(pending_.end(), bytes.begin(), bytes.end());
  runs_.back().size = pending_.size() - runs_.back().begin;
  runs_.back().ends_value = edges.at_end;
}

void Heap::emit(Script& script) const {
  for (const Run& run : runs_) {
    script.note([&] { return fmt::format("\"{}\": values at granule {}", pieces_.name(), run.offset / heap_granule); });
    for (std::size_t at = 0; at < run.size; at += most_at_once) {
      const std::size_t size = std::min<std::size_t>(most_at_once, run.size - at);
      script.write_bytes(pieces_.device(), run.offset + at, Bytes(pending_).subspan(run.begin + at, size));
    }
  }
  space_.emit(script);
}

void Heap::keep() {
  pending_.clear();
  runs_.clear();
  space_.keep();
}

void Heap::abandon() {
  pending_.clear();
  runs_.clear();
  space_.abandon();
}

void Heap::forget() {
  pending_.clear();
  runs_.clear();
  space_.forget();
}

/// A value that somebody else says is here.
Result<> Heap::look_at(const HeapValue& value) {
  if (auto opened = space_.open(); !opened) return opened;
  if (auto sound = space_.check(value.place); !sound) return sound;
  return check_size(value);
}

/// The same, also where the header is damaged: then nobody can tell which pieces there are, but their bytes are there.
Result<> Heap::look_at_to_read(const HeapValue& value) {
  auto sound = look_at(value);
  if (sound || space_.is_open()) return sound;
  const bool is_header = sound.error().status == Status::corrupt || sound.error().status == Status::io_error;
  return is_header && value.place.is_sound() ? check_size(value) : sound;
}

Result<> Heap::check_size(const HeapValue& value) const {
  if (value.place.is_chained() || (value.size > 0 && value.size <= value.place.capacity())) return {};
  return std::unexpected(pieces_.damaged(value.place.granule(),
                                         fmt::format("{} bytes in a piece of {}", value.size, value.place.capacity())));
}

}  // namespace chimera::tables
