#include "tables/heap_directory.h"

#include <fmt/format.h>

#include <cassert>

namespace chimera::tables {

std::string HeapDirectory::problem(std::uint64_t tail) const {
  if (count() == 0 || count() > most()) return fmt::format("it has {} parts in {} bytes", count(), bytes_.size());
  std::uint64_t sum = 0;
  for (std::uint32_t i = 0; i < count(); ++i) {
    const Part each = part(i);
    const bool is_piece = each.place.is_sound() && !each.place.is_chained() &&
                          each.place.granule() + each.place.capacity() / heap_granule <= tail;
    if (!is_piece) return fmt::format("its part {} is at 0x{:x}", i, each.place.raw());
    if (each.size == 0 || each.size > each.place.capacity()) {
      return fmt::format("its part {} has {} bytes of {}", i, each.size, each.place.capacity());
    }
    sum += each.size;
  }
  if (sum != total()) return fmt::format("it says {} bytes, its parts have {}", total(), sum);
  return {};
}

void HeapDirectory::set(std::vector<std::uint8_t>& bytes, std::uint32_t i, const Part& part) {
  const HeapDirectory before(bytes);
  assert(i < before.most() && i + 1 >= before.count() && i <= before.count());
  const std::uint64_t old_size = i < before.count() ? before.part(i).size : 0;
  const std::uint64_t total = before.total() - old_size + part.size;
  const std::uint32_t count = i + 1;
  const std::uint64_t place = part.place.raw();
  std::memcpy(bytes.data(), &total, sizeof total);
  std::memcpy(bytes.data() + count_at, &count, sizeof count);
  std::memcpy(bytes.data() + front + i * entry_size, &place, sizeof place);
  std::memcpy(bytes.data() + front + i * entry_size + sizeof place, &part.size, sizeof part.size);
}

}  // namespace chimera::tables
