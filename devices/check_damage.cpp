#include "devices/check_damage.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <span>
#include <tuple>
#include <utility>

#include "devices/read_now.h"

namespace chimera::devices {
namespace {

/// More than anyone reads; the rest is counted.
constexpr std::size_t most_places = 1 << 16;

/// Bits of an offset that lie within what a block of this level leads to.
unsigned bits_of(unsigned level) { return 12 + 8 * level; }

std::uint64_t size_of(unsigned level) {
  return bits_of(level) < 64 ? std::uint64_t{1} << bits_of(level) : std::numeric_limits<std::uint64_t>::max();
}

std::uint64_t offset_of(std::uint64_t index, unsigned level) {
  return bits_of(level) < 64 ? index << bits_of(level) : 0;
}

/// The device in front of its plane, so that a device's lines stand together: `data of "disk"` is `"disk"`, `data`.
std::pair<std::string_view, std::string_view> sort_key(std::string_view owner) {
  const std::size_t quote = owner.find('"');
  if (quote == std::string_view::npos) return {owner, {}};
  return {owner.substr(quote), owner.substr(0, quote)};
}

}  // namespace

std::string describe_damage(std::string_view owner, std::uint64_t offset, std::uint64_t size, bool is_map,
                            bool is_readable) {
  const std::string_view what =
      is_readable ? (is_map ? "does not match its checksum" : "do not match their checksum") : "could not be read";
  return fmt::format("{}, at offset {}: {}{} bytes {}", owner, offset, is_map ? "the map of " : "", size, what);
}

void DamageHolders::look_in(const std::string& owner, const Slot& root, unsigned height) {
  if (searched_.empty()) searched_.resize(block_count_);
  if (find(root, height)) note(owner, root.address(), 0, height);
}

bool DamageHolders::find(const Slot& slot, unsigned level) {
  const std::uint64_t address = slot.address();
  if (damaged_.contains(address)) return true;
  if (level == 0 || address >= block_count_) return false;
  if (searched_[address]) return leading_.contains(address);
  searched_[address] = true;
  const BlockBuffer bytes = make_block_buffer();
  if (!read_now(loop_, disk_, address, *bytes)) return false;
  const Node& node = *reinterpret_cast<const Node*>(bytes.get());
  std::vector<Branch> branches;
  for (std::uint64_t child = 0; child < slots_per_node; ++child) {
    if (!node[child].empty() && find(node[child], level - 1)) branches.push_back({child, node[child].address()});
  }
  if (branches.empty()) return false;
  leading_.emplace(address, std::move(branches));
  return true;
}

void DamageHolders::note(const std::string& owner, std::uint64_t address, std::uint64_t index, unsigned level) {
  if (damaged_.contains(address)) {
    ++count_;
    if (places_.size() < most_places) places_.push_back({owner, offset_of(index, level), level, address});
    return;
  }
  const auto leading = leading_.find(address);
  if (leading == leading_.end() || level == 0) return;
  for (const Branch& branch : leading->second)
    note(owner, branch.address, index * slots_per_node + branch.child, level - 1);
}

std::vector<DamagePlace> DamageHolders::places(std::size_t most) {
  std::ranges::sort(places_, {}, [](const Place& place) {
    return std::tuple(sort_key(place.owner), place.offset, place.level, place.address);
  });
  std::vector<DamagePlace> found;
  for (const Place& place : std::span(places_).first(std::min(most, places_.size()))) {
    found.push_back(
        {place.owner, place.offset, size_of(place.level), place.level > 0, damaged_.at(place.address), place.address});
  }
  return found;
}

std::vector<std::string> DamageHolders::lines(std::size_t most) {
  std::vector<std::string> lines;
  for (const DamagePlace& place : places(most)) {
    lines.push_back(fmt::format("{} (block {} of the store)",
                                describe_damage(place.owner, place.offset, place.size, place.is_map, place.is_readable),
                                place.address));
  }
  return lines;
}

}  // namespace chimera::devices
