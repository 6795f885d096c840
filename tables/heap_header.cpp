#include "tables/heap_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "isa/bytes.h"
#include "tables/place.h"

namespace chimera::tables {
namespace {

constexpr char magic[] = "CHIMHEAP";
constexpr std::uint16_t format = 1;
constexpr std::size_t magic_size = sizeof magic - 1;
constexpr std::size_t format_at = 8, classes_at = 10, tail_at = 16, used_at = 24, spare_at = 32;

template <typename Integer>
void put(HeapHeader::Bytes& bytes, std::size_t at, Integer value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

bool is_trunk(std::uint64_t granule, const HeapHeader& header) {
  return granule >= heap_first_granule && granule < header.tail && header.tail - granule >= HeapTrunk::granules;
}

std::string problem_with(const HeapHeader& header) {
  if (header.tail < heap_first_granule || header.tail > Place::most_granules) {
    return fmt::format("it ends at granule {}", header.tail);
  }
  if (header.spare != 0 && !is_trunk(header.spare, header)) {
    return fmt::format("there is a spare list at granule {} of {}", header.spare, header.tail);
  }
  for (unsigned i = 0; i < heap_classes; ++i) {
    const HeapHeader::List& list = header.lists[i];
    const bool fits = list.trunk == 0 ? list.free == 0 : is_trunk(list.trunk, header) && list.free <= header.tail;
    if (!fits) {
      return fmt::format("{} free pieces of {} bytes, listed at granule {} of {}", list.free, heap_class_size(i),
                         list.trunk, header.tail);
    }
  }
  for (const HeapHeader::Stage& stage : header.stages) {
    const Place place(stage.place);
    const bool is_empty = stage.place == 0 && stage.size == 0;
    const bool fits =
        stage.size > 0 && place.is_sound() && place.granule() + place.capacity() / heap_granule <= header.tail;
    if (!is_empty && !(stage.is_taken() && fits)) {
      return fmt::format("{} bytes are being put at 0x{:x}", stage.size, stage.place);
    }
  }
  return {};
}

}  // namespace

HeapHeader::Bytes HeapHeader::bytes() const {
  Bytes bytes{};
  std::memcpy(bytes.data(), magic, magic_size);
  put(bytes, format_at, format);
  put(bytes, classes_at, static_cast<std::uint16_t>(heap_classes));
  put(bytes, tail_at, tail);
  put(bytes, used_at, used);
  put(bytes, spare_at, spare);
  for (unsigned i = 0; i < heap_classes; ++i) {
    put(bytes, lists_at + i * list_size, lists[i].trunk);
    put(bytes, lists_at + i * list_size + 8, lists[i].free);
  }
  for (std::size_t i = 0; i < most_stages; ++i) {
    std::memcpy(bytes.data() + stages_at + i * stage_size, stages[i].owner.data, sizeof(Uuid));
    put(bytes, stages_at + i * stage_size + 16, stages[i].place);
    put(bytes, stages_at + i * stage_size + 24, stages[i].size);
  }
  return bytes;
}

std::expected<HeapHeader, std::string> HeapHeader::parse(std::span<const std::uint8_t> bytes) {
  if (bytes.size() < size || std::memcmp(bytes.data(), magic, magic_size) != 0) {
    return std::unexpected("it does not begin as a heap does");
  }
  const auto written_as = load<std::uint16_t>(bytes.data() + format_at);
  const auto classes = load<std::uint16_t>(bytes.data() + classes_at);
  if (written_as != format || classes != heap_classes) {
    return std::unexpected(fmt::format("its format is {} with {} sizes, not {} with {}", written_as, classes, format,
                                       static_cast<unsigned>(heap_classes)));
  }
  HeapHeader header;
  header.tail = load<std::uint64_t>(bytes.data() + tail_at);
  header.used = load<std::uint64_t>(bytes.data() + used_at);
  header.spare = load<std::uint64_t>(bytes.data() + spare_at);
  for (unsigned i = 0; i < heap_classes; ++i) {
    header.lists[i].trunk = load<std::uint64_t>(bytes.data() + lists_at + i * list_size);
    header.lists[i].free = load<std::uint64_t>(bytes.data() + lists_at + i * list_size + 8);
  }
  for (std::size_t i = 0; i < most_stages; ++i) {
    const std::uint8_t* const at = bytes.data() + stages_at + i * stage_size;
    std::memcpy(header.stages[i].owner.data, at, sizeof(Uuid));
    header.stages[i].place = load<std::uint64_t>(at + 16);
    header.stages[i].size = load<std::uint64_t>(at + 24);
  }
  if (std::string problem = problem_with(header); !problem.empty()) return std::unexpected(std::move(problem));
  return header;
}

/// Two values would be put into one place.
std::string HeapTrunk::overlap(std::uint64_t granule, std::uint64_t taken) const {
  std::array<std::uint64_t, most_listed> pieces;
  const std::span<std::uint64_t> sorted = std::span(pieces).first(count());
  for (std::uint32_t i = 0; i < count(); ++i) sorted[i] = listed(i);
  std::ranges::sort(sorted);
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const bool in_another = i > 0 && sorted[i] - sorted[i - 1] < taken;
    const bool in_this = sorted[i] < granule + granules && granule < sorted[i] + taken;
    if (in_another) return fmt::format("it lists granule {} within another free piece", sorted[i]);
    if (in_this) return fmt::format("it lists granule {}, where it stands itself", sorted[i]);
  }
  return {};
}

std::string HeapTrunk::problem(std::uint64_t granule, std::uint32_t size_class, const HeapHeader& header) const {
  if (this->size_class() != size_class) return "it does not list free pieces of that size";
  if (count() > most_listed || (size_class == no_class && count() > 0))
    return fmt::format("it lists {} pieces", count());
  if (next() != 0 && !is_trunk(next(), header)) {
    return fmt::format("the next list is at granule {} of {}", next(), header.tail);
  }
  for (std::uint32_t i = 0; i < count(); ++i) {
    const std::uint64_t piece = listed(i);
    const std::uint64_t taken = heap_class_size(size_class) / heap_granule;
    const bool fits = piece >= heap_first_granule && piece < header.tail && header.tail - piece >= taken;
    if (!fits) return fmt::format("it lists granule {} of {}", piece, header.tail);
  }
  return count() == 0 ? std::string() : overlap(granule, heap_class_size(size_class) / heap_granule);
}

}  // namespace chimera::tables
