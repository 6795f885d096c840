#include "devices/read_now.h"

#include <algorithm>
#include <exception>
#include <memory>

#include "devices/io_buffer.h"

namespace chimera::devices {
namespace {

class Request final : public io::DiskRequest {
 public:
  Request(Kind what, std::uint64_t address, Block* bytes) : place_(reinterpret_cast<std::byte*>(bytes)) {
    kind = what;
    first_block = address;
    if (bytes != nullptr) buffers = {&place_, 1};
  }
  Request(Kind what, std::uint64_t address, std::span<std::byte* const> places) {
    kind = what;
    first_block = address;
    buffers = places;
  }
  void finished() override { done_ = true; }
  bool carry_out(io::Loop& loop, io::Disk& disk) {
    disk.start(*this);
    step_until(loop, [this] { return done_; });
    return error == 0;
  }

 private:
  std::byte* place_ = nullptr;
  bool done_ = false;
};

/// One of the readers that share a list of addresses.
class ListReader final : public io::DiskRequest {
 public:
  struct List {
    io::Disk& disk;
    const std::vector<std::uint64_t>& addresses;
    const std::function<void(std::size_t, const Block*)>& take;
    std::size_t next = 0;
    std::size_t under_way = 0;
    std::exception_ptr thrown = nullptr;  ///< by `take`, or for want of memory: nothing more is asked for
  };
  explicit ListReader(List& list)
      : list_(list), buffer_(make_block_buffer()), place_(reinterpret_cast<std::byte*>(buffer_.get())) {
    kind = Kind::read;
    buffers = {&place_, 1};
  }
  void go_on() {
    if (list_.next == list_.addresses.size()) return;
    index_ = list_.next++;
    first_block = list_.addresses[index_];
    error = 0;
    list_.disk.start(*this);
    ++list_.under_way;
  }
  void finished() override {
    --list_.under_way;
    if (list_.thrown != nullptr) return;
    try {
      list_.take(index_, error == 0 ? buffer_.get() : nullptr);
      go_on();
    } catch (...) {
      list_.thrown = std::current_exception();
    }
  }

 private:
  List& list_;
  BlockBuffer buffer_;
  std::byte* place_;
  std::size_t index_ = 0;
};

/// Room for so many blocks, and where each of them lies.
class Stretch {
 public:
  explicit Stretch(std::size_t count)
      : blocks_(static_cast<Block*>(std::aligned_alloc(block_size, count * block_size))) {
    if (blocks_ == nullptr) throw std::bad_alloc();
    for (std::size_t n = 0; n < count; ++n) places_.push_back(blocks_[n].data());
  }
  [[nodiscard]] Block& operator[](std::size_t n) { return blocks_[n]; }
  [[nodiscard]] std::span<std::byte* const> first(std::size_t count) const { return std::span(places_).first(count); }
  [[nodiscard]] std::size_t size() const { return places_.size(); }

 private:
  std::unique_ptr<Block[], FreeMemory> blocks_;
  std::vector<std::byte*> places_;
};

constexpr std::size_t most_readers = 64;

}  // namespace

void read_many(io::Loop& loop, io::Disk& disk, const std::vector<std::uint64_t>& addresses,
               const std::function<void(std::size_t index, const Block* bytes)>& take) {
  ListReader::List list{disk, addresses, take};
  std::vector<std::unique_ptr<ListReader>> readers;
  for (std::size_t n = 0; n < std::min(most_readers, addresses.size()); ++n) {
    readers.push_back(std::make_unique<ListReader>(list));
  }
  try {
    for (const auto& reader : readers) reader->go_on();
  } catch (...) {
    list.thrown = std::current_exception();
  }
  step_until(loop, [&] { return list.under_way == 0; });
  if (list.thrown != nullptr) std::rethrow_exception(list.thrown);
}

void read_stretch(io::Loop& loop, io::Disk& disk, std::uint64_t first, std::uint64_t count,
                  const std::function<void(std::uint64_t address, const Block* bytes)>& take) {
  if (count == 0) return;
  Stretch buffers(std::min<std::uint64_t>(count, io::Disk::most_blocks));
  for (const std::uint64_t end = first + count; first < end;) {
    const std::size_t size = std::min<std::uint64_t>(end - first, buffers.size());
    const bool good = Request(io::DiskRequest::Kind::read, first, buffers.first(size)).carry_out(loop, disk);
    for (std::size_t n = 0; n < size; ++n) {
      // Which of several could not be read is found out by asking for them one by one.
      const bool readable = good || read_now(loop, disk, first + n, buffers[n]);
      take(first + n, readable ? &buffers[n] : nullptr);
    }
    first += size;
  }
}

bool write_again(io::Loop& loop, io::Disk& disk, std::uint64_t first, std::uint64_t count) {
  if (count == 0) return true;
  const Stretch buffers(std::min<std::uint64_t>(count, io::Disk::most_blocks));
  for (const std::uint64_t end = first + count; first < end;) {
    const std::size_t size = std::min<std::uint64_t>(end - first, buffers.size());
    for (const auto kind : {io::DiskRequest::Kind::read, io::DiskRequest::Kind::write}) {
      if (!Request(kind, first, buffers.first(size)).carry_out(loop, disk)) return false;
    }
    first += size;
  }
  return true;
}

bool read_now(io::Loop& loop, io::Disk& disk, std::uint64_t address, Block& bytes) {
  return Request(io::DiskRequest::Kind::read, address, &bytes).carry_out(loop, disk);
}

bool write_now(io::Loop& loop, io::Disk& disk, std::uint64_t address, Block* bytes) {
  const auto kind = bytes == nullptr ? io::DiskRequest::Kind::flush : io::DiskRequest::Kind::write;
  return Request(kind, address, bytes).carry_out(loop, disk);
}

}  // namespace chimera::devices
