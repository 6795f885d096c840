#include "io/crash_images.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace chimera::io {
namespace {

std::uint64_t multiply_saturating(std::uint64_t a, std::uint64_t b) {
  std::uint64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? std::numeric_limits<std::uint64_t>::max() : product;
}

std::span<const std::byte, DiskImage::sector_size> bytes_of(const SectorVersion& version, std::uint64_t sector) {
  const std::size_t start = sector % DiskImage::sectors_per_block * DiskImage::sector_size;
  return std::span<const std::byte, DiskImage::sector_size>(version.block->data() + start, DiskImage::sector_size);
}

}  // namespace

CrashImages::CrashImages(DiskImage durable, std::uint64_t durable_mark, std::uint64_t block_count,
                         SectorVersions versions, const Options& options)
    : durable_(std::move(durable)), durable_mark_(durable_mark), block_count_(block_count), options_(options) {
  std::array<std::byte, DiskImage::sector_size> old{};
  sectors_.reserve(versions.size());
  for (auto& [sector, list] : versions) {
    for (const SectorVersion& version : list) writes_.push_back(version.write);
    legal_count_ = multiply_saturating(legal_count_, list.size() + 1);
    if (sector / DiskImage::sectors_per_block < durable_.block_count()) {
      durable_.read_sector(sector, old);
    } else {
      old = {};
    }
    sectors_.push_back({sector, std::move(list), sector_mark(sector, old)});
  }
  std::ranges::sort(writes_);
  writes_.erase(std::ranges::unique(writes_).begin(), writes_.end());
  if (block_count_ != durable_.block_count()) legal_count_ = multiply_saturating(legal_count_, 2);

  if (legal_count_ <= options_.enumerate_up_to) {
    size_ = legal_count_;
  } else {
    single_count_ = std::min(options_.most_singles, sectors_.size());
    size_ = 2 + 2 * writes_.size() + 2 * single_count_ + options_.samples;
  }
}

CrashImages::Place CrashImages::place_of(std::size_t index) const {
  if (legal_count_ <= options_.enumerate_up_to) return {Part::every, index};
  const std::pair<Part, std::size_t> parts[] = {{Part::none, 1},
                                                {Part::all, 1},
                                                {Part::without_write, writes_.size()},
                                                {Part::only_write, writes_.size()},
                                                {Part::without_sector, single_count_},
                                                {Part::only_sector, single_count_}};
  for (const auto& [part, count] : parts) {
    if (index < count) return {part, index};
    index -= count;
  }
  return {Part::sample, index};
}

CrashImages::Choice CrashImages::choose(std::size_t index) const {
  const Place place = place_of(index);
  // Where there are more sectors than singles, those tried lie evenly among them.
  const auto single = [&] { return place.index * sectors_.size() / single_count_; };
  switch (place.part) {
    case Part::every: return enumerated(place.index);
    case Part::none: return none();
    case Part::all: return all();
    case Part::without_write:
    case Part::only_write: {
      const bool is_missing = place.part == Part::without_write;
      std::vector<bool> landed(writes_.size(), is_missing);
      landed[place.index] = !is_missing;
      return with_writes(landed);
    }
    case Part::without_sector: {
      Choice choice = all();
      choice.versions[single()] = 0;
      return choice;
    }
    case Part::only_sector: {
      Choice choice = none();
      choice.has_new_size = true;
      choice.versions[single()] = static_cast<std::uint32_t>(sectors_[single()].versions.size());
      return choice;
    }
    case Part::sample: return sampled(place.index);
  }
  return none();
}

CrashImages::Choice CrashImages::enumerated(std::uint64_t number) const {
  Choice choice = none();
  for (std::size_t i = 0; i < sectors_.size(); ++i) {
    const std::size_t versions = sectors_[i].versions.size() + 1;
    choice.versions[i] = static_cast<std::uint32_t>(number % versions);
    number /= versions;
  }
  choice.has_new_size = number == 0;
  return choice;
}

CrashImages::Choice CrashImages::none() const { return {std::vector<std::uint32_t>(sectors_.size(), 0), false}; }

CrashImages::Choice CrashImages::all() const {
  Choice choice{{}, true};
  for (const UnsettledSector& sector : sectors_) {
    choice.versions.push_back(static_cast<std::uint32_t>(sector.versions.size()));
  }
  return choice;
}

std::size_t CrashImages::write_index(const SectorVersion& version) const {
  return static_cast<std::size_t>(std::ranges::lower_bound(writes_, version.write) - writes_.begin());
}

CrashImages::Choice CrashImages::with_writes(const std::vector<bool>& landed) const {
  Choice choice{{}, true};
  for (const UnsettledSector& sector : sectors_) {
    std::size_t last = sector.versions.size();
    while (last > 0 && !landed[write_index(sector.versions[last - 1])]) --last;
    choice.versions.push_back(static_cast<std::uint32_t>(last));
  }
  return choice;
}

CrashImages::Choice CrashImages::sampled(std::size_t number) const {
  SeededRandom random(options_.seed ^ (number + 1) * 0xD1B54A32D192ED03u);
  const unsigned percent = 5 + 15 * static_cast<unsigned>(random.below(7));
  Choice choice;
  if (number % 2 == 0) {
    // Whole writes land or do not.
    std::vector<bool> landed(writes_.size());
    for (std::size_t i = 0; i < landed.size(); ++i) landed[i] = random.chance(percent);
    choice = with_writes(landed);
  } else {
    // Each sector for itself: torn blocks.
    choice = none();
    for (std::size_t i = 0; i < sectors_.size(); ++i) {
      const std::size_t versions = sectors_[i].versions.size();
      if (random.chance(percent)) choice.versions[i] = static_cast<std::uint32_t>(1 + random.below(versions));
    }
  }
  choice.has_new_size = random.chance(50);
  return choice;
}

/// Gives these sectors, which are all of one block that are unsettled, what was chosen for them.
void CrashImages::settle(DiskImage& image, const Choice& choice, std::size_t first, std::size_t last) const {
  const auto chosen = [&](std::size_t i) -> const SectorVersion* {
    return choice.versions[i] == 0 ? nullptr : &sectors_[i].versions[choice.versions[i] - 1];
  };
  const SectorVersion* const one = chosen(first);
  bool is_one_write = one != nullptr && last - first == DiskImage::sectors_per_block;
  for (std::size_t i = first; i < last && is_one_write; ++i) {
    is_one_write = chosen(i) != nullptr && chosen(i)->block == one->block;
  }
  if (is_one_write) return image.share_block(sectors_[first].block(), one->block);
  for (std::size_t i = first; i < last; ++i) {
    if (chosen(i) != nullptr) image.write_sector(sectors_[i].sector, bytes_of(*chosen(i), sectors_[i].sector));
  }
}

DiskImage CrashImages::at(std::size_t index) const {
  const Choice choice = choose(index);
  DiskImage image = durable_;
  image.resize(choice.has_new_size ? block_count_ : durable_.block_count());
  for (std::size_t first = 0; first < sectors_.size();) {
    std::size_t last = first + 1;
    while (last < sectors_.size() && sectors_[last].block() == sectors_[first].block()) ++last;
    if (sectors_[first].block() < image.block_count()) settle(image, choice, first, last);
    first = last;
  }
  return image;
}

std::uint64_t CrashImages::mark(std::size_t index) const {
  const Choice choice = choose(index);
  const std::uint64_t block_count = choice.has_new_size ? block_count_ : durable_.block_count();
  std::uint64_t mark = durable_mark_ + block_count;
  for (std::size_t i = 0; i < sectors_.size(); ++i) {
    if (choice.versions[i] == 0 || sectors_[i].block() >= block_count) continue;
    mark += sectors_[i].versions[choice.versions[i] - 1].mark - sectors_[i].durable_mark;
  }
  return mark;
}

std::string CrashImages::describe(std::size_t index) const {
  const Place place = place_of(index);
  const auto numbered = [&](const char* text) { return text + std::to_string(place.index); };
  const auto of_write = [&](const char* text) { return text + std::to_string(writes_[place.index]); };
  const auto of_sector = [&](const char* text) {
    return text + std::to_string(sectors_[place.index * sectors_.size() / single_count_].sector);
  };
  switch (place.part) {
    case Part::every: return numbered("choice ") + " of " + std::to_string(legal_count_);
    case Part::none: return "nothing unflushed";
    case Part::all: return "everything unflushed";
    case Part::without_write: return of_write("all but write ");
    case Part::only_write: return of_write("only write ");
    case Part::without_sector: return of_sector("all but sector ");
    case Part::only_sector: return of_sector("only sector ");
    case Part::sample: return numbered("sample ") + " of seed " + std::to_string(options_.seed);
  }
  return {};
}

}  // namespace chimera::io
