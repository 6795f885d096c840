#include "devices/reference_counts.h"

#include <algorithm>
#include <cassert>

namespace chimera::devices {

void ReferenceCounts::fetch(Waiter& waiter, std::uint64_t address, Collected& collected) {
  if (total_ == 0) return;
  tree_.fetch(waiter, address / counts_per_block, address / counts_per_block, collected);
}

void ReferenceCounts::prepare(Waiter& waiter, std::vector<std::uint64_t>& addresses, Collected& collected,
                              Needs& needs) {
  std::sort(addresses.begin(), addresses.end());
  std::vector<std::uint64_t> none;
  std::uint64_t page = ~std::uint64_t{0};
  for (const std::uint64_t address : addresses) {
    if (address / counts_per_block == page) continue;
    page = address / counts_per_block;
    tree_.prepare(waiter, page, page, false, false, collected, needs, none);
  }
  assert(none.empty());
}

std::uint32_t ReferenceCounts::get(std::uint64_t address) {
  if (total_ == 0) return 0;
  const std::byte* page = tree_.block(address / counts_per_block);
  if (page == nullptr) return 0;
  std::uint32_t count;
  std::memcpy(&count, page + address % counts_per_block * sizeof count, sizeof count);
  return count;
}

void ReferenceCounts::add(std::uint64_t address, std::int32_t change) {
  std::byte* place =
      tree_.writable(address / counts_per_block, false) + address % counts_per_block * sizeof(std::uint32_t);
  std::uint32_t count;
  std::memcpy(&count, place, sizeof count);
  // More holders than are counted, or than can be: only a damaged store has them.
  const bool can_be = change > 0 ? count != ~std::uint32_t{0} : count != 0;
  if (!can_be) return blocks_.contradict();
  count += static_cast<std::uint32_t>(change);
  std::memcpy(place, &count, sizeof count);
  total_ += static_cast<std::uint64_t>(static_cast<std::int64_t>(change));
}

}  // namespace chimera::devices
