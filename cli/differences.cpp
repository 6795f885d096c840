#include "cli/differences.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "isa/answer.h"

namespace chimera::cli {
namespace {

using Extents = std::expected<std::vector<Difference>, std::string>;
constexpr std::uint64_t metadata_piece = 64 << 10;
constexpr std::uint64_t no_more = std::numeric_limits<std::uint64_t>::max();

/// The extents of an answer as places; `is_hole` says whether they have one of these flags.
Extents ask_extents(Endpoint& endpoint, const Program& program, std::uint64_t offset, std::uint32_t flags) {
  const auto answer = endpoint.ask(program.bytes());
  if (!answer) return std::unexpected(answer.error());
  std::vector<Difference> places;
  for (const Extent& extent : extents_of(*answer)) {
    places.push_back({offset, extent.length, (extent.flags & flags) != 0});
    offset += extent.length;
  }
  if (places.empty()) return std::unexpected("The device became shorter while it was being read.");
  return places;
}

std::uint64_t end_of(const Difference& place) { return place.offset + place.length; }

/// Where both are: a place that differs, cut to each extent of the device.
void add_common(std::vector<Difference>& found, const Difference& differing, const std::vector<Difference>& extents) {
  const auto first = std::ranges::partition_point(
      extents, [&](const Difference& extent) { return end_of(extent) <= differing.offset; });
  for (auto extent = first; extent != extents.end() && extent->offset < end_of(differing); ++extent) {
    const std::uint64_t begin = std::max(extent->offset, differing.offset);
    const std::uint64_t end = std::min(end_of(*extent), end_of(differing));
    found.push_back({begin, end - begin, extent->is_hole});
  }
}

constexpr std::uint32_t empty_flags = extent_flags::hole | extent_flags::zeros;

/// What of the metadata from `offset` on is no hole, and how far that is told.
struct MetadataExtents {
  std::vector<Difference> data;
  std::uint64_t last = 0;  ///< the last offset that is covered
};

std::expected<MetadataExtents, std::string> metadata_extents(Endpoint& endpoint, const Uuid& uuid,
                                                             std::uint64_t offset) {
  // All but the very last byte, which no count reaches from 0, in one question.
  const std::uint64_t count = std::max<std::uint64_t>(no_more - offset, 1);
  auto extents = ask_extents(endpoint, Program().read_metadata_extents(uuid, offset, count), offset, empty_flags);
  if (!extents) return std::unexpected(extents.error());
  MetadataExtents found;
  found.last = extents->back().offset + (extents->back().length - 1);
  std::erase_if(*extents, [](const Difference& place) { return place.is_hole; });
  found.data = std::move(*extents);
  return found;
}

std::expected<std::vector<std::uint8_t>, std::string> metadata_bytes(Endpoint& endpoint, const Uuid& uuid,
                                                                     std::uint64_t offset, std::uint64_t count) {
  const auto answer =
      endpoint.ask(Program().read_metadata_bytes(uuid, offset, static_cast<std::uint32_t>(count)).bytes());
  if (!answer) return std::unexpected(answer.error());
  return std::vector<std::uint8_t>(answer->result.begin(), answer->result.end());
}

/// The pieces, by number, in which one of the two has data, up to `last`.
std::vector<std::uint64_t> pieces_with_data(const MetadataExtents& one, const MetadataExtents& other,
                                            std::uint64_t last) {
  std::vector<std::uint64_t> pieces;
  for (const auto* extents : {&one, &other}) {
    for (const Difference& place : extents->data) {
      const std::uint64_t end = std::min(place.offset + (place.length - 1), last) / metadata_piece;
      for (std::uint64_t piece = place.offset / metadata_piece; piece <= end && place.offset <= last; ++piece) {
        pieces.push_back(piece);
      }
    }
  }
  std::ranges::sort(pieces);
  pieces.erase(std::ranges::unique(pieces).begin(), pieces.end());
  return pieces;
}

}  // namespace

std::expected<DataDifferences, std::string> data_differences(Endpoint& endpoint, const FoundDevice& device,
                                                             const FoundDevice* base, std::uint64_t from) {
  std::uint64_t end = device.length;
  std::vector<Difference> differing;
  if (base != nullptr && from < base->length) {
    end = std::min(device.length, base->length);
    const Program compare = std::move(Program().compare_devices(device.uuid, base->uuid, from, end - from));
    auto compared = ask_extents(endpoint, compare, from, extent_flags::differs);
    if (!compared) return std::unexpected(compared.error());
    end = end_of(compared->back());
    std::erase_if(*compared, [](const Difference& place) { return !place.is_hole; });  // the flag asked for
    differing = std::move(*compared);
  } else {
    differing.push_back({from, end - from, false});
  }
  if (differing.empty()) return DataDifferences{{}, end};
  const std::uint64_t begin = differing.front().offset;
  const std::uint64_t count = end_of(differing.back()) - begin;
  const auto extents = ask_extents(endpoint, Program().read_extents(device.uuid, begin, count), begin, empty_flags);
  if (!extents) return std::unexpected(extents.error());
  DataDifferences all;
  const std::uint64_t known = end_of(extents->back());
  all.next = known < begin + count ? known : end;
  for (const Difference& place : differing) add_common(all.found, place, *extents);
  if (base == nullptr) std::erase_if(all.found, [](const Difference& place) { return place.is_hole; });
  return all;
}

std::expected<void, std::string> metadata_differences(Endpoint& endpoint, const FoundDevice& device,
                                                      const FoundDevice* base, const MetadataVisitor& visit) {
  for (std::uint64_t offset = 0;;) {
    const auto own = metadata_extents(endpoint, device.uuid, offset);
    if (!own) return std::unexpected(own.error());
    const auto others = base != nullptr ? metadata_extents(endpoint, base->uuid, offset)
                                        : std::expected<MetadataExtents, std::string>({{}, no_more});
    if (!others) return std::unexpected(others.error());
    const std::uint64_t last = std::min(own->last, others->last);
    for (const std::uint64_t piece : pieces_with_data(*own, *others, last)) {
      const std::uint64_t begin = std::max(piece * metadata_piece, offset);
      const std::uint64_t count = std::min(piece * metadata_piece + (metadata_piece - 1), last) - begin + 1;
      const auto bytes = metadata_bytes(endpoint, device.uuid, begin, count);
      if (!bytes) return std::unexpected(bytes.error());
      if (base != nullptr) {
        const auto before = metadata_bytes(endpoint, base->uuid, begin, count);
        if (!before) return std::unexpected(before.error());
        if (*bytes == *before) continue;
      }
      if (!visit(begin, *bytes)) return {};
    }
    if (last == no_more) return {};
    offset = last + 1;
  }
}

std::expected<std::string, std::string> columns_of(Endpoint& endpoint, const FoundDevice& device) {
  const auto answer = endpoint.ask(Program().read_columns(device.uuid).bytes());
  if (!answer) return std::unexpected(answer.error());
  return std::string(text_of(*answer));
}

std::expected<bool, std::string> are_equal(Endpoint& endpoint, const FoundDevice& device, const FoundDevice& other) {
  if (device.length != other.length) return false;
  for (std::uint64_t offset = 0; offset < device.length;) {
    const auto differences = data_differences(endpoint, device, &other, offset);
    if (!differences) return std::unexpected(differences.error());
    if (!differences->found.empty()) return false;
    offset = differences->next;
  }
  const auto columns = columns_of(endpoint, device);
  if (!columns) return std::unexpected(columns.error());
  const auto others = columns_of(endpoint, other);
  if (!others) return std::unexpected(others.error());
  if (*columns != *others) return false;
  bool is_equal = true;
  const auto done =
      metadata_differences(endpoint, device, &other, [&](std::uint64_t, auto) { return is_equal = false; });
  if (!done) return std::unexpected(done.error());
  return is_equal;
}

}  // namespace chimera::cli
