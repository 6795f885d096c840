#include <algorithm>
#include <cstring>
#include <vector>

#include "devices/io_buffer.h"
#include "devices/open.h"

namespace chimera::devices {
namespace {

/// One of the writers that go through the disk side by side.
class ZeroWriter final : public io::DiskRequest {
 public:
  struct Work {
    io::Disk& disk;
    std::uint64_t next = 0;
    std::uint64_t done = 0;
    int error = 0;
  };
  ZeroWriter(Work& work, std::byte* zeros) : work_(work), places_(io::Disk::most_blocks, zeros) { kind = Kind::write; }

  void go_on() {
    if (work_.error != 0 || work_.next == work_.disk.block_count()) return;
    first_block = work_.next;
    const std::uint64_t count = std::min<std::uint64_t>(places_.size(), work_.disk.block_count() - work_.next);
    work_.next += count;
    buffers = std::span(places_).first(count);
    error = 0;
    under_way_ = true;
    work_.disk.start(*this);
  }
  void finished() override {
    under_way_ = false;
    work_.done += buffers.size();
    if (work_.error == 0) work_.error = error;
    go_on();
  }
  [[nodiscard]] bool under_way() const { return under_way_; }

 private:
  Work& work_;
  std::vector<std::byte*> places_;
  bool under_way_ = false;
};

}  // namespace

std::expected<void, std::string> preallocate(
    io::Loop& loop, io::Disk& disk, const std::function<void(std::uint64_t done, std::uint64_t all)>& progress) {
  const BlockBuffer zeros = make_block_buffer();
  ZeroWriter::Work work{disk};
  std::vector<ZeroWriter> writers(8, ZeroWriter(work, reinterpret_cast<std::byte*>(zeros.get())));
  for (ZeroWriter& writer : writers) writer.go_on();
  while (std::any_of(writers.begin(), writers.end(), [](const ZeroWriter& writer) { return writer.under_way(); })) {
    loop.step(io::Loop::forever);
    progress(work.done, disk.block_count());
  }
  if (work.error != 0) return std::unexpected(std::strerror(work.error));
  return {};
}

}  // namespace chimera::devices
