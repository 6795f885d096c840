#pragma once
// A disk with a block that cannot be read, under a pool.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "devices/io_buffer.h"
#include "devices/read_now.h"
#include "tests/devices/pool_rig.h"

namespace chimera::devices::testing {

/// Every read of one block fails, for as long as it is set.
class BadBlockDisk final : public io::Disk {
 public:
  explicit BadBlockDisk(io::SimulatedDisk& below) : below_(below) {}
  [[nodiscard]] std::uint64_t block_count() const noexcept override { return below_.block_count(); }
  void start(io::DiskRequest& request) override {
    const bool hits = bad_block && request.kind == io::DiskRequest::Kind::read && *bad_block >= request.first_block &&
                      *bad_block - request.first_block < request.buffers.size();
    if (hits) below_.inject({io::DiskRequest::Kind::read});
    below_.start(request);
  }
  [[nodiscard]] int grow(std::uint64_t block_count) override { return below_.grow(block_count); }

  std::optional<std::uint64_t> bad_block;

 private:
  io::SimulatedDisk& below_;
};

/// A store with a bad block, opened with nothing in memory.
class BadBlockRig {
 public:
  explicit BadBlockRig(const Program& program) : disk_(rig.disk) {
    rig.run_well(program);
    rig.checkpoint();
    open();
  }
  /// The store in an image.
  explicit BadBlockRig(const io::DiskImage& image) : rig(image), disk_(rig.disk) { open(); }
  ~BadBlockRig() { rig.close(); }

  void open() {
    rig.close();
    auto opened = vm::open_store(rig.loop, disk_, {.cache_bytes = limits::smallest_cache});
    REQUIRE_MESSAGE(opened.has_value(), error_of(opened));
    rig.machine = std::make_unique<vm::Machine>(rig.loop, std::move(*opened));
    rig.session = rig.machine->connect();
  }
  void heal() { disk_.bad_block.reset(); }
  /// A block of the store, the root of the device's data, or the block of data at this place of the root's node.
  void spoil(std::uint64_t block) { disk_.bad_block = block; }
  void spoil_root(std::string_view device) { disk_.bad_block = root_of(device); }
  void spoil_block(std::string_view device, std::size_t place) {
    const BlockBuffer node = make_block_buffer();
    REQUIRE(read_now(rig.loop, rig.disk, root_of(device), *node));
    disk_.bad_block = (*reinterpret_cast<const Node*>(node.get()))[place].address();
  }

  /// Without a journal, so that a flush needs the maps.
  PoolRig rig{smallest_store_blocks, 1, {.journal_bytes = 0}};

 private:
  std::uint64_t root_of(std::string_view device) {
    std::uint64_t address = 0;
    rig.pool().each_tree([&](const std::string& name, Tree& tree) {
      if (name == "data of \"" + std::string(device) + "\"") address = tree.root().slot.address();
    });
    REQUIRE_NE(address, 0);
    return address;
  }

  BadBlockDisk disk_;
};

}  // namespace chimera::devices::testing
