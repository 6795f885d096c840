#pragma once
// A file of any length on a simulated disk, kept as by a file system: the first block holds the length and where the
// file's blocks lie. A crash leaves the length of before or that of later, whatever it leaves of the bytes; what has
// been cut off and is part of the file again reads as zeros.

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "devices/io_buffer.h"
#include "io/file.h"
#include "io/simulated_disk.h"

namespace chimera::devices::testing {

/// The file system with its one file.
class SizedFile {
 public:
  static constexpr std::size_t most_blocks = 24;

  explicit SizedFile(io::SimulatedDisk& disk) : disk_(disk), inode_(inode_in(disk.content())) {}

  [[nodiscard]] std::uint64_t length() const { return inode_.length; }
  void start(io::DiskRequest& request, std::uint64_t end) {
    add_job([this, &request, end] {
      request_ = &request;
      switch (request.kind) {
        case io::DiskRequest::Kind::read: return read(request, end);
        case io::DiskRequest::Kind::write: return write(request, end);
        default: return begin(io::DiskRequest::Kind::flush, 0, nullptr);
      }
    });
  }
  void set_length(std::uint64_t length) {
    const std::uint64_t edge = length / block_size;
    if (length < inode_.length && length % block_size != 0 && inode_.places[edge] != 0) {
      add_job([this, length, place = inode_.places[edge]] {
        auto bytes = block(place);
        std::fill(bytes->begin() + static_cast<std::ptrdiff_t>(length % block_size), bytes->end(), std::byte{0});
        begin(io::DiskRequest::Kind::write, place, std::move(bytes));
      });
    }
    const std::size_t kept = std::min<std::size_t>(most_blocks, (length + block_size - 1) / block_size);
    std::fill(inode_.places.begin() + static_cast<std::ptrdiff_t>(kept), inode_.places.end(), std::uint16_t{0});
    inode_.length = length;
    add_job([this] { write_inode(); });
  }

  /// All of the file, as it is on a disk.
  [[nodiscard]] static std::vector<std::uint8_t> bytes_in(const io::DiskImage& image) {
    const Inode inode = inode_in(image);
    std::vector<std::uint8_t> bytes(most_blocks * block_size);
    for (std::size_t n = 0; n < most_blocks; ++n) {
      const std::span<std::uint8_t> to(&bytes[n * block_size], block_size);
      if (inode.places[n] != 0) image.read_block(inode.places[n], std::as_writable_bytes(to).first<block_size>());
    }
    bytes.resize(inode.length);
    return bytes;
  }

 private:
  struct Inode {
    std::uint64_t length;
    std::array<std::uint16_t, most_blocks> places;  ///< 0: a hole
  };
  static_assert(sizeof(Inode) <= io::DiskImage::sector_size);  // which is not torn

  /// A block on its way, or a flush.
  class Part final : public io::DiskRequest {
   public:
    Part(SizedFile& owner, Kind of_kind, std::uint64_t place, BlockBuffer of_bytes)
        : bytes(std::move(of_bytes)), owner_(owner), buffer_(bytes == nullptr ? nullptr : bytes->data()) {
      kind = of_kind;
      first_block = place;
      if (bytes != nullptr) buffers = {&buffer_, 1};
    }
    void finished() override { owner_.finished(*this); }

    BlockBuffer bytes;
    std::byte* to = nullptr;  ///< where what is read is wanted
    std::size_t count = 0;

   private:
    SizedFile& owner_;
    std::byte* buffer_;
  };

  static Inode inode_in(const io::DiskImage& image) {
    Block block;
    image.read_block(0, block);
    Inode inode;
    std::memcpy(&inode, block.data(), sizeof inode);
    return inode;
  }
  [[nodiscard]] BlockBuffer block(std::uint64_t place) const {
    auto bytes = make_block_buffer();
    disk_.content().read_block(place, *bytes);
    return bytes;
  }

  /// Jobs are done one after the other, all parts of each at the same time.
  void add_job(std::function<void()> job) {
    jobs_.push_back(std::move(job));
    if (parts_.empty()) begin_job();
  }
  void begin_job() {
    const auto job = std::move(jobs_.front());
    jobs_.pop_front();
    job();
  }
  void begin(io::DiskRequest::Kind kind, std::uint64_t place, BlockBuffer bytes, std::byte* to = nullptr,
             std::size_t count = 0) {
    Part& part = *parts_.emplace_back(std::make_unique<Part>(*this, kind, place, std::move(bytes)));
    part.to = to;
    part.count = count;
    disk_.start(part);
  }
  void finished(Part& part) {
    if (part.to != nullptr) std::memcpy(part.to, part.bytes->data(), part.count);
    std::erase_if(parts_, [&](const auto& other) { return other.get() == &part; });
    if (!parts_.empty()) return;
    io::DiskRequest* const done = std::exchange(request_, nullptr);
    if (!jobs_.empty()) begin_job();
    if (done != nullptr) done->finished();
  }

  void read(const io::DiskRequest& request, std::uint64_t end) {
    for (std::size_t n = 0; n < request.buffers.size(); ++n) {
      const std::uint64_t index = request.first_block + n;
      std::memset(request.buffers[n], 0, block_size);
      const bool is_hole = index >= most_blocks || inode_.places[index] == 0 || index * block_size >= end;
      const std::size_t count = is_hole ? 0 : std::min(block_size, end - index * block_size);
      begin(io::DiskRequest::Kind::read, is_hole ? 0 : inode_.places[index], make_block_buffer(), request.buffers[n],
            count);
    }
  }
  void write(const io::DiskRequest& request, std::uint64_t end) {
    const Inode before = inode_;
    for (std::size_t n = 0; n < request.buffers.size(); ++n) {
      const std::uint64_t index = request.first_block + n;
      const std::size_t size = index * block_size < end ? std::min(block_size, end - index * block_size) : 0;
      auto bytes = make_block_buffer();
      std::memcpy(bytes->data(), request.buffers[n], size);
      if (inode_.places[index] == 0) inode_.places[index] = unused_place();
      inode_.length = std::max(inode_.length, index * block_size + size);
      begin(io::DiskRequest::Kind::write, inode_.places[index], std::move(bytes));
    }
    if (before.length != inode_.length || before.places != inode_.places) write_inode();
  }
  void write_inode() {
    auto bytes = make_block_buffer();
    std::memcpy(bytes->data(), &inode_, sizeof inode_);
    begin(io::DiskRequest::Kind::write, 0, std::move(bytes));
  }
  /// Zeros lie there whatever a crash leaves of what is written next.
  [[nodiscard]] std::uint16_t unused_place() {
    const auto is_used = [this](std::uint16_t place) {
      return std::ranges::find(inode_.places, place) != inode_.places.end() ||
             std::ranges::any_of(*block(place), [](std::byte byte) { return byte != std::byte{0}; });
    };
    do {
      ++last_place_;
    } while (is_used(last_place_));
    return last_place_;
  }

  io::SimulatedDisk& disk_;
  Inode inode_;
  std::uint16_t last_place_ = 0;
  io::DiskRequest* request_ = nullptr;  ///< what the job that is being done is for
  std::deque<std::function<void()>> jobs_;
  std::vector<std::unique_ptr<Part>> parts_;
};

/// Has that file, which has to outlive all that is served from the folder.
class SizedFolder final : public io::Folder {
 public:
  explicit SizedFolder(SizedFile& file) : file_(file) {}
  [[nodiscard]] std::expected<std::unique_ptr<io::File>, Refusal> open(const std::string&, bool) override {
    return std::make_unique<Opened>(file_);
  }

 private:
  class Opened final : public io::File {
   public:
    explicit Opened(SizedFile& file) : file_(file) {}
    [[nodiscard]] std::uint64_t length() const noexcept override { return file_.length(); }
    [[nodiscard]] std::uint64_t most_length() const noexcept override { return SizedFile::most_blocks * block_size; }
    [[nodiscard]] bool fixed_length() const noexcept override { return false; }
    void start(io::DiskRequest& request, std::uint64_t end) override { file_.start(request, end); }
    [[nodiscard]] int set_length(std::uint64_t length) override { return file_.set_length(length), 0; }
    [[nodiscard]] int punch(std::uint64_t, std::uint64_t) override { return EOPNOTSUPP; }
    [[nodiscard]] Run run_at(std::uint64_t) override { return {~std::uint64_t{0}, false}; }

   private:
    SizedFile& file_;
  };

  SizedFile& file_;
};

}  // namespace chimera::devices::testing
