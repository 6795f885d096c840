#include "devices/manifest.h"

#include <algorithm>
#include <cassert>
#include <set>
#include <span>

#include "devices/crc32c.h"

namespace chimera::devices {
namespace {

std::set<std::uint32_t> index_pages_of(const std::vector<std::uint32_t>& pages) {
  std::set<std::uint32_t> found;
  for (const std::uint32_t page : pages) found.insert(page / slots_per_node);
  return found;
}

}  // namespace

std::uint32_t Manifest::add() {
  std::uint32_t number;
  if (free_.empty()) {
    assert(used_.size() < most_records);
    number = static_cast<std::uint32_t>(used_.size());
    used_.push_back(true);
  } else {
    number = free_.back();
    free_.pop_back();
    used_[number] = true;
  }
  mark(number);
  return number;
}

void Manifest::remove(std::uint32_t number) {
  assert(used_[number]);
  used_[number] = false;
  free_.push_back(number);
  mark(number);
}

void Manifest::mark(std::uint32_t number) {
  const std::uint32_t page = number / records_per_page;
  if (page >= page_changed_.size()) {
    page_changed_.resize(page + 1);
    pages_.resize(page + 1);
    index_pages_.resize(page / slots_per_node + 1);
    count_placeless();
  }
  if (page_changed_[page]) return;
  page_changed_[page] = true;
  changed_pages_.push_back(page);
}

void Manifest::count_placeless() {
  placeless_ = static_cast<std::size_t>(std::ranges::count_if(pages_, &Slot::empty) +
                                        std::ranges::count_if(index_pages_, &Slot::empty));
}

std::size_t Manifest::blocks_needed() const {
  return changed_pages_.size() + std::min(changed_pages_.size(), index_pages_.size()) + 1;
}

std::vector<std::uint64_t> Manifest::replaced() const {
  std::vector<std::uint64_t> addresses;
  const auto add = [&](const Slot& slot) {
    if (!slot.empty()) addresses.push_back(slot.address());
  };
  for (const std::uint32_t page : changed_pages_) add(pages_[page]);
  for (const std::uint32_t page : index_pages_of(changed_pages_)) add(index_pages_[page]);
  add(root_);
  return addresses;
}

std::vector<SpaceMap::Image> Manifest::images(BlockStore& blocks, const Fill& fill, Slot& root) {
  std::vector<SpaceMap::Image> images;
  const auto write_out = [&](Slot& slot, BlockBuffer bytes, bool is_empty) {
    if (!slot.empty()) blocks.space().release(slot.address());
    slot = Slot();
    if (is_empty) return;
    const std::uint64_t address = blocks.allocate(SpaceMap::Use::nodes);
    slot = Slot(address, blocks.generation(), block_checksum(address, blocks.generation(), bytes.get()));
    images.push_back({address, std::move(bytes)});
  };
  for (const std::uint32_t page : changed_pages_) {
    page_changed_[page] = false;
    BlockBuffer bytes = make_block_buffer();
    auto& records = *reinterpret_cast<ManifestPage*>(bytes.get());
    bool is_empty = true;
    for (std::uint32_t n = 0; n < records_per_page; ++n) {
      const std::uint32_t number = page * records_per_page + n;
      if (number >= used_.size() || !used_[number]) continue;
      fill(number, records[n]);
      is_empty = false;
    }
    write_out(pages_[page], std::move(bytes), is_empty);
  }
  const auto write_slots = [&](Slot& slot, const std::vector<Slot>& below, std::size_t first) {
    BlockBuffer bytes = make_block_buffer();
    const std::size_t count = std::min<std::size_t>(slots_per_node, below.size() - first);
    std::memcpy(bytes.get(), &below[first], count * sizeof(Slot));
    const std::span<const Slot> slots(&below[first], count);
    write_out(slot, std::move(bytes), std::ranges::all_of(slots, &Slot::empty));
  };
  for (const std::uint32_t page : index_pages_of(changed_pages_)) {
    write_slots(index_pages_[page], pages_, std::size_t{page} * slots_per_node);
  }
  if (!changed_pages_.empty()) write_slots(root_, index_pages_, 0);
  changed_pages_.clear();
  count_placeless();
  root = root_;
  return images;
}

bool Manifest::open(const Slot& root, const Read& read, const Take& take) {
  root_ = root;
  if (root.empty()) return true;
  const auto read_slots = [&](const std::vector<Slot>& from, std::vector<Slot>& below) {
    below.resize(from.size() * slots_per_node);
    const bool good = read(from, [&](std::size_t n, const Block& bytes) {
      const auto& node = *reinterpret_cast<const Node*>(&bytes);
      std::copy(node.begin(), node.end(), &below[n * slots_per_node]);
    });
    while (!below.empty() && below.back().empty()) below.pop_back();
    return good;
  };
  if (!read_slots({root}, index_pages_) || !read_slots(index_pages_, pages_)) return false;
  index_pages_.resize((pages_.size() + slots_per_node - 1) / slots_per_node);
  count_placeless();
  page_changed_.assign(pages_.size(), false);
  used_.assign(pages_.size() * records_per_page, false);
  if (used_.size() > most_records) return false;
  const bool good = read(pages_, [&](std::size_t page, const Block& bytes) {
    const auto& records = *reinterpret_cast<const ManifestPage*>(&bytes);
    for (std::uint32_t n = 0; n < records_per_page; ++n) {
      if ((records[n].flags & DeviceRecord::in_use) == 0) continue;
      const auto number = static_cast<std::uint32_t>(page) * records_per_page + n;
      used_[number] = true;
      take(number, records[n]);
    }
  });
  if (!good) return false;
  for (auto number = static_cast<std::uint32_t>(used_.size()); number-- > 0;) {
    if (!used_[number]) free_.push_back(number);
  }
  return true;
}

void Manifest::each_page(const std::function<void(const Slot&)>& visit) const {
  if (!root_.empty()) visit(root_);
  for (const Slot& slot : index_pages_) {
    if (!slot.empty()) visit(slot);
  }
  for (const Slot& slot : pages_) {
    if (!slot.empty()) visit(slot);
  }
}

}  // namespace chimera::devices
