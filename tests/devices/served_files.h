#pragma once
// Files to be served in place that live in memory, on the loop of a simulation: MemoryFolder has files of any length
// that keep everything; SimulatedFolder has one on a simulated disk, of which a crash leaves what it leaves of a disk.

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "devices/io_buffer.h"
#include "io/file.h"
#include "io/simulated_disk.h"
#include "isa/limits.h"

namespace chimera::devices::testing {

/// What a file in memory holds, and how requests to it fare.
struct FileContent {
  std::uint64_t length = 0;
  std::map<std::uint64_t, std::array<std::byte, block_size>> blocks;
  bool is_open = false;
  bool has_holes = true;
  int write_error = 0, flush_error = 0, read_error = 0, length_error = 0;  ///< what the next ones end with
};

class MemoryFile final : public io::File {
 public:
  MemoryFile(io::SimulatedLoop& loop, FileContent& content) : loop_(loop), content_(content) {
    content_.is_open = true;
  }
  ~MemoryFile() override { content_.is_open = false; }

  [[nodiscard]] std::uint64_t length() const noexcept override { return content_.length; }
  [[nodiscard]] std::uint64_t most_length() const noexcept override { return limits::greatest_length; }
  [[nodiscard]] bool fixed_length() const noexcept override { return false; }
  void start(io::DiskRequest& request, std::uint64_t end) override { loop_.post(*new Transfer(*this, request, end)); }
  [[nodiscard]] int set_length(std::uint64_t length) override {
    if (const int error = std::exchange(content_.length_error, 0); error != 0) return error;
    if (length < content_.length) clear(length, ~std::uint64_t{0});
    content_.length = length;
    return 0;
  }
  [[nodiscard]] int punch(std::uint64_t offset, std::uint64_t count) override {
    if (!content_.has_holes) return EOPNOTSUPP;
    clear(offset, offset + count);
    return 0;
  }
  [[nodiscard]] Run run_at(std::uint64_t offset) override {
    const auto next = content_.blocks.lower_bound(offset / block_size);
    if (next == content_.blocks.end()) return {~std::uint64_t{0}, true};
    if (next->first > offset / block_size) return {next->first * block_size, true};
    return {(next->first + 1) * block_size, false};
  }

 private:
  /// Ends at a moment that the loop chooses; the bytes of a write must stay as they are until then.
  class Transfer final : public io::SimulatedLoop::Event {
   public:
    Transfer(MemoryFile& file, io::DiskRequest& request, std::uint64_t end)
        : content_(file.content_), request_(request), end_(end) {
      if (request.kind != io::DiskRequest::Kind::write) return;
      for (const std::byte* buffer : request.buffers) bytes_.insert(bytes_.end(), buffer, buffer + block_size);
    }
    void happen() override {
      const std::unique_ptr<Transfer> self(this);
      switch (request_.kind) {
        case io::DiskRequest::Kind::read: request_.error = std::exchange(content_.read_error, 0); break;
        case io::DiskRequest::Kind::write: request_.error = std::exchange(content_.write_error, 0); break;
        case io::DiskRequest::Kind::flush: request_.error = std::exchange(content_.flush_error, 0); break;
        case io::DiskRequest::Kind::discard: FAIL("a served file is punched at once");
      }
      for (std::size_t n = 0; n < request_.buffers.size() && request_.error == 0; ++n) transfer(n);
      request_.finished();
    }

   private:
    void transfer(std::size_t n) {
      const std::uint64_t index = request_.first_block + n;
      const std::uint64_t at = index * block_size;
      const std::size_t size = at < end_ ? std::min<std::uint64_t>(block_size, end_ - at) : 0;
      if (request_.kind == io::DiskRequest::Kind::read) {
        const auto found = content_.blocks.find(index);
        std::memset(request_.buffers[n], 0, block_size);
        if (found != content_.blocks.end()) std::memcpy(request_.buffers[n], found->second.data(), size);
        return;
      }
      REQUIRE_MESSAGE(std::memcmp(request_.buffers[n], &bytes_[n * block_size], block_size) == 0,
                      "the bytes of a write have changed before it has ended");
      if (size == 0) return;
      std::memcpy(content_.blocks[index].data(), &bytes_[n * block_size], size);
      content_.length = std::max(content_.length, at + size);
    }

    FileContent& content_;
    io::DiskRequest& request_;
    std::uint64_t end_;
    std::vector<std::byte> bytes_;
  };

  void clear(std::uint64_t begin, std::uint64_t end) {
    const auto first_whole = content_.blocks.lower_bound((begin + block_size - 1) / block_size);
    content_.blocks.erase(first_whole, content_.blocks.lower_bound(end / block_size));
    const auto cut = content_.blocks.find(begin / block_size);
    if (begin % block_size != 0 && cut != content_.blocks.end()) {
      std::fill(cut->second.begin() + static_cast<std::ptrdiff_t>(begin % block_size), cut->second.end(), std::byte{0});
    }
  }

  io::SimulatedLoop& loop_;
  FileContent& content_;
};

/// Any path leads to a file, which is empty at first.
class MemoryFolder final : public io::Folder {
 public:
  explicit MemoryFolder(io::SimulatedLoop& loop) : loop_(loop) {}
  [[nodiscard]] std::expected<std::unique_ptr<io::File>, Refusal> open(const std::string& path, bool) override {
    if (missing.contains(path)) return std::unexpected(Refusal{Status::not_found, path + " is not there"});
    if (files[path].is_open) return std::unexpected(Refusal{Status::busy, path + " is in use"});
    return std::make_unique<MemoryFile>(loop_, files[path]);
  }

  std::map<std::string, FileContent> files;
  std::set<std::string> missing;

 private:
  io::SimulatedLoop& loop_;
};

/// All of a simulated disk, but for some bytes at its end: as a block device, its length is fixed.
class SimulatedFile final : public io::File {
 public:
  SimulatedFile(io::SimulatedDisk& disk, std::uint64_t length) : disk_(disk), length_(length) {}
  [[nodiscard]] std::uint64_t length() const noexcept override { return length_; }
  [[nodiscard]] std::uint64_t most_length() const noexcept override { return length_; }
  [[nodiscard]] bool fixed_length() const noexcept override { return true; }
  void start(io::DiskRequest& request, std::uint64_t) override { disk_.start(request); }
  [[nodiscard]] int set_length(std::uint64_t) override { return EINVAL; }
  [[nodiscard]] int punch(std::uint64_t, std::uint64_t) override { return EOPNOTSUPP; }
  [[nodiscard]] Run run_at(std::uint64_t) override { return {~std::uint64_t{0}, false}; }

 private:
  io::SimulatedDisk& disk_;
  std::uint64_t length_;
};

class SimulatedFolder final : public io::Folder {
 public:
  explicit SimulatedFolder(io::SimulatedDisk& disk) : disk_(disk) {}
  [[nodiscard]] std::expected<std::unique_ptr<io::File>, Refusal> open(const std::string&, bool) override {
    return std::make_unique<SimulatedFile>(disk_, disk_.block_count() * block_size - 100);
  }

 private:
  io::SimulatedDisk& disk_;
};

}  // namespace chimera::devices::testing
