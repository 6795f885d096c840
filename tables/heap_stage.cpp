// Values that are put in many transactions.

#include <fmt/format.h>

#include <algorithm>

#include "tables/heap.h"

namespace chimera::tables {

Result<HeapHeader::Stage*> Heap::stage_of(const Uuid& owner) {
  if (auto opened = space_.open(); !opened) return std::unexpected(std::move(opened.error()));
  for (std::size_t i = 0; i < HeapHeader::most_stages; ++i) {
    HeapHeader::Stage& stage = space_.stage(i);
    if (stage.is_taken() && stage.owner == owner) return &stage;
  }
  return std::unexpected(
      Failure{Status::not_found, "The value that was being put has been given up by somebody else."});
}

Result<> Heap::begin_stage(const Uuid& owner) {
  if (auto opened = space_.open(); !opened) return opened;
  for (std::size_t i = 0; i < HeapHeader::most_stages; ++i) {
    HeapHeader::Stage& stage = space_.stage(i);
    if (stage.is_taken()) continue;
    stage.owner = owner;
    return {};
  }
  return std::unexpected(Failure{Status::too_large, "As many large values are being put as can be at a time: 16."});
}

Result<> Heap::append_to_stage(const Uuid& owner, std::uint64_t size, Bytes more) {
  const auto stage = stage_of(owner);
  if (!stage) return std::unexpected(stage.error());
  if ((*stage)->size != size) {
    return std::unexpected(Failure{Status::not_found, fmt::format("The value that was being put has {} bytes, not {}: "
                                                                  "somebody has brought its table back.",
                                                                  (*stage)->size, size)});
  }
  HeapValue value{Place((*stage)->place), (*stage)->size};
  if (value.size == 0) {
    const auto place = put(more);
    if (!place) return std::unexpected(place.error());
    value = {*place, more.size()};
  } else {
    const auto longer = append(value, more);
    if (!longer) return std::unexpected(longer.error());
    value = *longer;
  }
  (*stage)->place = value.place.raw();
  (*stage)->size = value.size;
  return {};
}

Result<std::optional<HeapValue>> Heap::take_stage(const Uuid& owner) {
  const auto stage = stage_of(owner);
  if (!stage) return std::unexpected(stage.error());
  const HeapHeader::Stage taken = std::exchange(**stage, HeapHeader::Stage{});
  if (taken.size == 0) return std::nullopt;
  return HeapValue{Place(taken.place), taken.size};
}

Result<std::vector<Uuid>> Heap::stage_owners() {
  if (auto opened = space_.open(); !opened) return std::unexpected(std::move(opened.error()));
  std::vector<Uuid> owners;
  for (const HeapHeader::Stage& stage : space_.header().stages) {
    if (stage.is_taken()) owners.push_back(stage.owner);
  }
  return owners;
}

}  // namespace chimera::tables
