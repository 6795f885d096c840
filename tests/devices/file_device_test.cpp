// Devices that are files: what becomes of them when their file fails, is not there, or the store crashes.

#include <doctest/doctest.h>

#include "tests/devices/crash_run.h"
#include "tests/devices/file_crash.h"
#include "tests/devices/planted.h"
#include "tests/devices/pool_rig.h"
#include "tests/devices/served_files.h"
#include "vm/salvage.h"

namespace chimera::devices::testing {
namespace {

/// A store with a folder of files in memory.
struct FileRig {
  explicit FileRig(std::uint64_t seed = 1)
      : rig(smallest_store_blocks, seed), folder(std::make_shared<MemoryFolder>(rig.loop)) {
    reopen(folder);
  }

  void reopen(std::shared_ptr<io::Folder> in) {
    rig.close();
    auto opened = vm::open_store(rig.loop, rig.disk, {.cache_bytes = limits::smallest_cache, .folder = std::move(in)});
    REQUIRE_MESSAGE(opened.has_value(), error_of(opened));
    rig.machine = std::make_unique<vm::Machine>(rig.loop, std::move(*opened));
    rig.session = rig.machine->connect();
  }
  std::vector<std::uint8_t> content(const std::string& path) {
    const FileContent& file = folder->files[path];
    std::vector<std::uint8_t> bytes(file.length);
    for (const auto& [index, block] : file.blocks) {
      const std::uint64_t at = index * block_size;
      if (at < file.length)
        std::memcpy(&bytes[at], block.data(), std::min<std::uint64_t>(block_size, file.length - at));
    }
    return bytes;
  }

  PoolRig rig;
  std::shared_ptr<MemoryFolder> folder;
};

constexpr std::string_view options = "kind=file,path=f";

std::vector<std::uint8_t> bytes_in(std::string_view text) { return {text.begin(), text.end()}; }

TEST_CASE("a crash of store and file leaves whole transactions and all that was durable") {
  std::size_t images = 0;
  for (std::uint64_t seed = 1; seed <= 40 / crash_share; ++seed) CHECK_EQ(run_file_crash_test(seed, images), "");
  CHECK_GT(images, 500 / crash_share);
}

TEST_CASE("a file is not cut before the commit that cuts it is durable") { CHECK_EQ(run_file_cut_test(), ""); }

TEST_CASE("a commit is in the file when the file has been flushed, and survives without it until then") {
  FileRig files;
  const Uuid file = files.rig.create("file", options);
  const auto bytes = pattern(1, 10'000);
  files.rig.run_well(Program().begin().write_bytes(file, 500, bytes).commit());
  // The file is gone: the device stays, says so, and keeps what was committed.
  files.reopen(nullptr);
  const auto replies = files.rig.run(Program().open_device("file").read_bytes(file, 500, 10'000).describe_device(file));
  CHECK(replies[0].ok());
  CHECK_EQ(replies[1].status, Status::io_error);
  CHECK(replies[1].message.find("--attach") != std::string::npos);
  CHECK(replies[2].ok());
  files.reopen(files.folder);
  CHECK(files.rig.run_well(Program().read_bytes(file, 500, 10'000)).result == bytes);
  files.rig.run_well(Program().flush_device(file));
  REQUIRE_EQ(files.content("f").size(), 10'500);
  CHECK(std::equal(bytes.begin(), bytes.end(), files.content("f").begin() + 500));
  CHECK_EQ(first_problem(files.rig.check()), "");
}

TEST_CASE("who waits until all is durable is told when the last of it is a commit that has moved to its file") {
  // The move ends in a turn of the machine, with nothing under way any more: a loop that slept then would do so for
  // ever.
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    FileRig files(seed);
    const Uuid file = files.rig.create("file", options);
    files.rig.run_well(Program().begin().write_bytes(file, 500, pattern(seed, 10'000)).commit());
    for (std::uint64_t step = 0; step < seed; ++step) {
      files.rig.machine->run_ready();
      files.rig.loop.step(0);
    }
    files.rig.checkpoint();
    CHECK_EQ(files.content("f").size(), 10'500);
  }
}

TEST_CASE("a commit sets the length of a file, and what was cut off is zeros") {
  FileRig files;
  const Uuid file = files.rig.create("file", options);
  const auto bytes = pattern(8, 3 * block_size);
  files.rig.run_well(Program().write_bytes(file, 0, bytes).flush_device(file));
  files.rig.run_well(Program()
                         .begin()
                         .write_length(file, 5000)
                         .write_bytes(file, 2 * block_size + 7, bytes_in("behind it"))
                         .write_length(file, 20'000)
                         .commit());
  std::vector<std::uint8_t> expected(20'000);
  std::copy_n(bytes.begin(), 5000, expected.begin());
  std::ranges::copy(bytes_in("behind it"), expected.begin() + 2 * block_size + 7);
  SUBCASE("at once") {}
  SUBCASE("when the store has been opened again") { files.reopen(files.folder); }
  SUBCASE("when it has been opened again without the file before") {
    files.reopen(nullptr);
    files.reopen(files.folder);
  }
  const auto read = files.rig.run(Program().open_device("file").read_length(file).read_bytes(file, 0, 20'000));
  CHECK(read[1].result == std::vector<std::uint8_t>{0x20, 0x4E, 0, 0, 0, 0, 0, 0});
  CHECK(read[2].result == expected);
  // Outside of transactions it goes on from there.
  files.rig.run_well(Program().append_bytes(file, bytes_in("more")).flush_device(file));
  std::ranges::copy(bytes_in("more"), std::back_inserter(expected));
  CHECK(files.content("f") == expected);
  files.rig.run_well(Program().write_length(file, 10).flush_device(file));
  CHECK_EQ(files.content("f").size(), 10);
  CHECK_EQ(first_problem(files.rig.check()), "");
}

TEST_CASE("clearing a file that cannot be given holes leaves those that it has") {
  FileRig files;
  FileContent& content = files.folder->files["f"];
  content.has_holes = false;
  const Uuid file = files.rig.create("file", options);
  constexpr std::uint64_t far = 1ull << 30;
  files.rig.run_well(Program()
                         .write_bytes(file, 5 * block_size, pattern(2, 3 * block_size))
                         .write_bytes(file, far - 100, bytes_in("the end"))
                         .clear_extents(file, 100, far - 50)
                         .flush_device(file));
  CHECK_EQ(content.length, far - 100 + 7);
  REQUIRE_LT(content.blocks.size(), 1000);
  CHECK(std::ranges::all_of(content.blocks, [](const auto& block) {
    return std::ranges::all_of(block.second, [](std::byte byte) { return byte == std::byte{0}; });
  }));
}

TEST_CASE("a commit takes a file into service, and who aborts has only looked at it") {
  FileRig files;
  const auto bytes = pattern(9, 6000);
  files.rig.run_well(Program().write_bytes(files.rig.create("file", options), 0, bytes).flush_device());
  auto other = files.rig.machine->connect();
  const auto deleted = [&](const char* name) {
    files.rig.run_well(Program().open_device(name).delete_device());
    CHECK_FALSE(files.folder->files["f"].is_open);
  };
  deleted("file");
  const auto begun = files.rig.run(Program().begin().create_device("again", {}, options).read_bytes(implied, 0, 6000));
  CHECK(begun.back().result == bytes);
  CHECK_EQ(files.rig.run(*other, Program().create_device("other", {}, options))[0].status, Status::busy);
  CHECK_EQ(files.rig.run(*other, Program().open_device("again"))[0].status, Status::not_found);
  other.reset();
  SUBCASE("aborted") {
    files.rig.run_well(Program().write_byte(implied, 0, 0).abort());
    CHECK_FALSE(files.folder->files["f"].is_open);
    CHECK(files.content("f") == bytes);
  }
  SUBCASE("committed") {
    files.rig.run_well(Program().write_bytes(implied, 100, bytes_in("new")).write_length(implied, 200).commit());
    std::vector<std::uint8_t> expected(bytes.begin(), bytes.begin() + 200);
    std::ranges::copy(bytes_in("new"), expected.begin() + 100);
    SUBCASE("at once") {}
    SUBCASE("by a replay") { files.reopen(files.folder); }
    CHECK(files.rig.run(Program().open_device("again").read_bytes(implied, 0, 200))[1].result == expected);
    files.rig.run_well(Program().flush_device());
    CHECK(files.content("f") == expected);
    deleted("again");
  }
  CHECK_EQ(first_problem(files.rig.check()), "");
}

TEST_CASE("who goes away while it reads a file of its own transaction leaves nothing open") {
  FileRig files;
  files.rig.run_well(Program().write_bytes(files.rig.create("file", options), 0, pattern(1, 9000)).flush_device());
  files.rig.run_well(Program().delete_device());
  auto other = files.rig.machine->connect();
  other->feed(Program().begin().create_device("again", {}, options).read_bytes(implied, 0, 9000).bytes());
  files.rig.machine->run_ready();
  REQUIRE(files.folder->files["f"].is_open);
  other.reset();
  CHECK(files.folder->files["f"].is_open);
  files.rig.settle();
  CHECK_FALSE(files.folder->files["f"].is_open);
}

TEST_CASE("a file whose writes fail takes no more, and nothing else suffers") {
  FileRig files;
  const Uuid file = files.rig.create("file", options);
  const Uuid pool = files.rig.create("pool");
  const auto bytes = pattern(2, 5000);
  files.folder->files["f"].write_error = EIO;
  files.rig.run_well(Program().write_bytes(file, 0, bytes));
  const auto flushed = files.rig.run(Program().flush_device(file).sync());
  CHECK_EQ(flushed[0].status, Status::io_error);
  CHECK_EQ(flushed[1].status, Status::io_error);
  const auto after =
      files.rig.run(Program().write_bytes(file, 0, bytes).read_bytes(file, 0, 5000).clear_extents(file, 0, 1));
  CHECK_EQ(after[0].status, Status::io_error);
  CHECK(after[1].result == bytes);
  CHECK_EQ(after[2].status, Status::io_error);
  files.rig.run_well(Program().write_bytes(pool, 0, bytes).flush_device(pool));
  CHECK_EQ(files.rig.run(Program().begin().write_bytes(file, 0, bytes).commit())[2].status, Status::io_error);
  CHECK_EQ(files.rig.run(Program().delete_device(file))[0].status, Status::io_error);
  files.reopen(files.folder);
  files.rig.run_well(Program().write_bytes(file, 0, bytes).flush_device(file));
  CHECK(files.content("f") == bytes);
}

TEST_CASE("what was committed to a file that fails is brought there later") {
  FileRig files;
  const Uuid file = files.rig.create("file", options);
  const auto bytes = pattern(3, 9000);
  files.rig.run_well(Program().write_bytes(file, 0, pattern(4, 12'000)).flush_device(file));
  SUBCASE("a write") { files.folder->files["f"].write_error = EIO; }
  SUBCASE("a flush") { files.folder->files["f"].flush_error = EIO; }
  SUBCASE("a length") { files.folder->files["f"].length_error = EIO; }
  files.rig.run_well(Program().begin().write_length(file, 0).write_bytes(file, 0, bytes).commit());
  files.rig.settle();
  CHECK(files.rig.run_well(Program().read_bytes(file, 0, 9000)).result == bytes);
  CHECK_EQ(files.rig.run(Program().flush_device(file))[0].status, Status::io_error);
  files.reopen(files.folder);
  files.rig.run_well(Program().flush_device(file));
  CHECK(files.content("f") == bytes);
}

TEST_CASE("a file that cannot be read fails the instruction alone") {
  FileRig files;
  const Uuid file = files.rig.create("file", options);
  files.rig.run_well(Program().write_bytes(file, 0, pattern(4, 5000)).flush_device(file));
  files.reopen(files.folder);
  files.rig.run_well(Program().open_device("file"));
  files.folder->files["f"].read_error = EIO;
  CHECK_EQ(files.rig.run(Program().read_bytes(file, 0, 10))[0].status, Status::io_error);
  files.rig.run_well(Program().read_bytes(file, 0, 10));
}

TEST_CASE("a file is served once, and deleting its device leaves it") {
  FileRig files;
  const Uuid file = files.rig.create("file", options);
  CHECK_EQ(files.rig.run(Program().create_device("other", {}, options))[0].status, Status::busy);
  const auto bytes = pattern(5, 100);
  files.rig.run_well(Program().begin().write_bytes(file, 0, bytes).commit().delete_device(file));
  CHECK(files.content("f") == bytes);
  CHECK_FALSE(files.folder->files["f"].is_open);
}

TEST_CASE("one whose file is not there goes by force alone where something is left for it") {
  for (const bool in_transaction : {false, true}) {
    FileRig files;
    const Uuid file = files.rig.create("file", options);
    const auto deleting = [&](bool by_force) {
      Program program;
      if (in_transaction) program.begin();
      by_force ? program.delete_device_by_force(file) : program.delete_device(file);
      if (in_transaction) program.commit();
      return program;
    };
    files.folder->files["f"].write_error = EIO;
    files.rig.run_well(Program().begin().write_bytes(file, 0, pattern(6, 100)).commit());
    files.rig.settle();
    files.reopen(nullptr);
    CHECK_EQ(files.rig.run(deleting(false)).back().status, Status::io_error);
    // What was not committed has not happened, and leaves it as it was.
    files.rig.run_well(Program().begin().delete_device_by_force(file).abort());
    CHECK_EQ(files.rig.run(deleting(false)).back().status, Status::io_error);
    files.rig.run_well(deleting(true));
    files.rig.checkpoint();
    CHECK_EQ(first_problem(files.rig.check()), "");
  }
}

TEST_CASE("a salvage leaves files the devices that they are") {
  FileRig files;
  const Uuid file = files.rig.create("file", options);
  files.rig.run_well(Program().write_bytes(file, 0, pattern(7, 5000)).flush_device(file));
  files.rig.checkpoint();
  files.rig.close();
  Planted planted(files.rig.disk.content());
  ++planted.superblock.shared_references;
  io::SimulatedLoop loop(1);
  io::SimulatedDisk disk(loop, planted.image());
  const auto losses = find_losses(loop, disk, [](std::uint64_t, std::uint64_t) {});
  REQUIRE_MESSAGE(losses.has_value(), error_of(losses));
  REQUIRE(vm::salvage(loop, disk, *losses, limits::smallest_cache).has_value());
  CHECK_EQ(Planted(disk.content()).superblock.version, Superblock::version_without_cuts);
  CHECK_EQ(Planted(disk.content()).record("file").flags & DeviceRecord::file, DeviceRecord::file);
}

}  // namespace
}  // namespace chimera::devices::testing
