#include "tables/contents.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "isa/limits.h"
#include "tables/compression.h"

namespace chimera::tables {
namespace {

/// Contents so far apart in bytes are read together with what is between them.
constexpr std::uint64_t widest_gap = 512;
constexpr std::uint64_t largest_read = 1 << 20;
/// A value that is written with its row is part of one transaction with others.
constexpr std::uint64_t largest_given = 16 << 20;

}  // namespace

HeapValue heap_value(const types::Slot& slot) {
  const Place place(slot.place());
  // A compressed content ends where its frame does; all of the piece is read.
  if (place.is_compressed() && place.is_sound()) return {place, place.capacity()};
  return {place, slot.length};
}

std::uint64_t ContentBudget::bytes_of(const types::Slot& slot) {
  const HeapValue value = heap_value(slot);
  const bool is_compressed = Place(slot.place()).is_compressed();
  return is_compressed ? value.size + slot.length : value.size;
}

Result<> place_content(OpenTable& table, std::uint32_t column, bool compressed, std::span<const std::uint8_t> content,
                       std::uint8_t* slot) {
  Heap& heap = table.heap(table.shape().columns[column].heap);
  std::vector<std::uint8_t> packed;
  const bool gains = compressed && compress(content, packed);
  // All of the piece is read later, since nothing tells where the frame ends but the frame.
  if (gains) packed.resize(heap_class_size(heap_class_of(packed.size())));
  const Result<Place> place = heap.put(gains ? packed : content);
  if (!place) return std::unexpected(place.error());
  const Place found = gains ? place->with(Place::compressed_flag) : *place;
  types::put_placed_slot(slot, content, content.size(), found.raw());
  return {};
}

Result<> place_contents(OpenTable& table, std::uint32_t column, std::span<const LongContent> longs,
                        std::span<const std::uint32_t> places, std::span<std::uint8_t> entries) {
  const bool compressed = table.shape().relation.columns[column].compressed;
  std::vector<bool> wanted(entries.size() / types::slot_size);
  for (const std::uint32_t place : places) wanted[place] = true;
  for (const LongContent& of : longs) {
    if (!wanted[of.row]) continue;
    if (of.content.size() > largest_given) {
      Failure failure{Status::too_large,
                      fmt::format("Row {}: a value of {} bytes is too large to be given with its row ({} "
                                  "at most): append it in parts.",
                                  of.row, of.content.size(), largest_given)};
      failure.row = of.row;
      return std::unexpected(std::move(failure));
    }
    auto done = place_content(table, column, compressed, of.content, &entries[of.row * types::slot_size]);
    if (!done) return done;
  }
  return {};
}

void ContentReader::clear() {
  wanted_.clear();
  joined_.clear();
}

std::size_t ContentReader::want(std::size_t heap, const types::Slot& slot) {
  wanted_.push_back({heap, heap_value(slot), 0, 0, {}});
  return wanted_.size() - 1;
}

Result<> ContentReader::read() {
  if (wanted_.empty()) return {};
  if (auto done = locate(); !done) return done;
  plan_reads();
  if (auto done = run(); !done) return done;
  find_contents();
  return {};
}

Result<> ContentReader::locate() {
  parts_.clear();
  for (Wanted& wanted : wanted_) {
    if (wanted.value.size > largest) {
      return std::unexpected(Failure{
          Status::too_large, fmt::format("A value of {} bytes is too large to be read as a whole; read ranges of it.",
                                         wanted.value.size)});
    }
    located_.clear();
    auto done = table_.heap(wanted.heap).locate(wanted.value, 0, wanted.value.size, located_);
    if (!done) return done;
    wanted.first_part = parts_.size();
    for (const HeapPart& part : located_) {
      for (std::uint64_t at = 0; at < part.size; at += limits::largest_transfer) {
        const std::uint64_t size = std::min<std::uint64_t>(part.size - at, limits::largest_transfer);
        parts_.push_back({wanted.heap, {part.offset + at, size}, 0});
      }
    }
    wanted.part_count = parts_.size() - wanted.first_part;
  }
  return {};
}

/// Neighbours are read together.
void ContentReader::plan_reads() {
  order_.resize(parts_.size());
  std::iota(order_.begin(), order_.end(), 0u);
  const auto less = [this](std::uint32_t a, std::uint32_t b) {
    const Part &left = parts_[a], &right = parts_[b];
    return left.heap != right.heap ? left.heap < right.heap : left.at.offset < right.at.offset;
  };
  if (!std::ranges::is_sorted(order_, less)) std::ranges::sort(order_, less);
  reads_.clear();
  for (const std::uint32_t n : order_) {
    Part& part = parts_[n];
    const std::uint64_t end = part.at.offset + part.at.size;
    if (!reads_.empty()) {
      Read& last = reads_.back();
      const std::uint64_t size = std::max(last.size, end - last.offset);
      const bool near = last.heap == part.heap && part.at.offset <= last.offset + last.size + widest_gap;
      if (near && (size <= largest_read || size == last.size)) {
        last.size = size;
        part.read = reads_.size() - 1;
        continue;
      }
    }
    part.read = reads_.size();
    reads_.push_back({part.heap, part.at.offset, part.at.size});
  }
}

Result<> ContentReader::run() {
  Reading reading(table_.script, table_.version());
  for (const Read& read : reads_) {
    table_.script.note([&] { return fmt::format("long values, {} bytes", read.size); });
    table_.script.read_bytes(table_.shape().heaps[read.heap], read.offset, static_cast<std::uint32_t>(read.size));
  }
  auto done = reading.run(table_.link(), answers_);
  if (done) return done;
  const std::size_t failed = done.error().instruction;
  const bool is_of_a_read = failed != Failure::nowhere && failed > 0 && failed <= reads_.size();
  if (!is_of_a_read) return done;
  return std::unexpected(damage_of(table_.heap(reads_[failed - 1].heap).name(), std::move(done.error())));
}

void ContentReader::find_contents() {
  const auto bytes_of = [this](const Part& part) {
    const Read& read = reads_[part.read];
    return answers_.bytes(1 + part.read).subspan(part.at.offset - read.offset, part.at.size);
  };
  for (Wanted& wanted : wanted_) {
    const std::span<const Part> parts = std::span(parts_).subspan(wanted.first_part, wanted.part_count);
    if (parts.size() == 1) {
      wanted.content = bytes_of(parts[0]);
      continue;
    }
    std::vector<std::uint8_t>& joined = joined_.emplace_back();
    joined.reserve(wanted.value.size);
    for (const Part& part : parts) {
      const std::span<const std::uint8_t> bytes = bytes_of(part);
      joined.insert(joined.end(), bytes.begin(), bytes.end());
    }
    wanted.content = joined;
  }
}

}  // namespace chimera::tables
