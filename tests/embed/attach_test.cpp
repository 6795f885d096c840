// Files that are served in place, and space that is kept: what `serve --attach` and `--keep-space` do.

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/embed/places.h"
#include "tests/embed/store_server.h"

using namespace chimera_testing;

namespace {

constexpr std::uint64_t store_size = 64ull << 20;

class AttachTest {
 public:
  AttachTest() {
    std::filesystem::create_directories(folder_ + "/inside");
    write(folder_ + "/disk.img", "what was there");
    write(folder_ + "/inside/other.img", "below");
    write(scratch_.file("secret"), "nobody's business");
    options_.cache_bytes = 128ull << 20;
    options_.size = store_size;
    chimera::Store store;
    REQUIRE_MESSAGE(store.format(path_.c_str(), options_) == CHIMERA_OK, store.error());
  }

  static void write(const std::string& path, const std::string& content) { std::ofstream(path) << content; }
  static std::string content(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  /// The status of one instruction, run by itself.
  static int status(chimera::Session& session, const std::string& text) {
    chimera::Program program;
    return session.run(program.assemble(text.c_str()));
  }

 protected:
  Scratch scratch_;
  std::string folder_ = scratch_.file("images");
  std::string path_ = scratch_.file("store");
  chimera_options options_ = chimera::Store::options();
};

}  // namespace

TEST_CASE_FIXTURE(AttachTest, "a file is served in place, below the folder alone") {
  for (const int loop : {CHIMERA_LOOP_URING, CHIMERA_LOOP_POSIX}) {
    CAPTURE(loop);
    write(folder_ + "/disk.img", "what was there");
    chimera::Store store;
    options_.loop = loop;
    options_.attach = folder_.c_str();
    const int opened = store.open(path_.c_str(), options_);
    if (opened == CHIMERA_E_SYSTEM) {
      MESSAGE("left out: " << store.error());
      continue;
    }
    REQUIRE_MESSAGE(opened == CHIMERA_OK, store.error());
    chimera::Session session(store);
    CHECK(run(store, session,
              "create device \"disk\" \"\" \"kind=file,path=disk.img\"\nread bytes @0 #14\nwrite bytes @5 \"IS \"\n"
              "begin\nappend bytes \", and more\"\ncommit\nflush device")
              .at(1)
              .text() == "what was there");
    CHECK(content(folder_ + "/disk.img") == "what IS  there, and more");
    CHECK(status(session, "create device \"below\" \"\" \"kind=file,path=inside/other.img\"") == CHIMERA_OK);
    // One device a file.
    CHECK(status(session, "create device \"twice\" \"\" \"kind=file,path=disk.img\"") == CHIMERA_BUSY);
    CHECK(status(session, "create device \"none\" \"\" \"kind=file,path=none.img\"") == CHIMERA_NOT_FOUND);
    // Deleting the devices leaves the files.
    run(store, session, "open device \"disk\"\ndelete device\nopen device \"below\"\ndelete device");
    REQUIRE(store.close() == CHIMERA_OK);
    CHECK(content(folder_ + "/disk.img") == "what IS  there, and more");
  }
}

TEST_CASE_FIXTURE(AttachTest, "no path leads out of the folder") {
  std::filesystem::create_symlink(scratch_.file("secret"), folder_ + "/link");
  std::filesystem::create_directory_symlink(scratch_.file(""), folder_ + "/up");
  std::filesystem::create_symlink("disk.img", folder_ + "/to_itself");
  chimera::Store store;
  options_.attach = folder_.c_str();
  REQUIRE_MESSAGE(store.open(path_.c_str(), options_) == CHIMERA_OK, store.error());
  chimera::Session session(store);
  for (const char* const path : {"link", "up/secret", "to_itself", "inside"}) {
    CAPTURE(path);
    CHECK(status(session, std::string("create device \"d\" \"\" \"kind=file,path=") + path + '"') == CHIMERA_DENIED);
  }
  for (const char* const path : {"../secret", "inside/../../secret", "/etc/passwd"}) {
    CAPTURE(path);
    const int denied = status(session, std::string("create device \"d\" \"\" \"kind=file,path=") + path + '"');
    CHECK((denied == CHIMERA_DENIED || denied == CHIMERA_BAD_TEXT));
  }
  CHECK(status(session, "open device \"d\"") == CHIMERA_NOT_FOUND);
  CHECK(content(scratch_.file("secret")) == "nobody's business");
}

TEST_CASE_FIXTURE(AttachTest, "without a folder there are no files, and a folder has to be one") {
  chimera::Store store;
  REQUIRE(store.open(path_.c_str(), options_) == CHIMERA_OK);
  {
    chimera::Session session(store);
    CHECK(status(session, "create device \"disk\" \"\" \"kind=file,path=disk.img\"") != CHIMERA_OK);
  }
  REQUIRE(store.close() == CHIMERA_OK);
  const std::string none = scratch_.file("none");
  options_.attach = none.c_str();
  CHECK(store.open(path_.c_str(), options_) == CHIMERA_E_OPEN);
  CHECK(std::string(store.error()).find(none) != std::string::npos);
  options_.attach = folder_.c_str();
  CHECK(store.open(":memory:", options_) == CHIMERA_E_ARGUMENT);
  // An older program's structure ends before.
  options_.struct_size = offsetof(chimera_options, attach);
  CHECK(store.open(path_.c_str(), options_) == CHIMERA_OK);
}

TEST_CASE_FIXTURE(AttachTest, "a store gives its space back, or keeps it") {
  std::uint64_t left[2];
  for (const int keeps : {0, 1}) {
    options_.overwrite = 1;
    options_.keep_space = keeps;
    chimera::Store store;
    REQUIRE(store.format(path_.c_str(), options_) == CHIMERA_OK);
    REQUIRE(store.open(path_.c_str(), options_) == CHIMERA_OK);
    {
      chimera::Session session(store);
      chimera::Program program;
      const std::string bytes(16 << 20, 'x');
      program.assemble("create device \"large\" \"\"");
      chimera_instruction instruction{};
      instruction.operation = CHIMERA_OP_WRITE_BYTES;
      instruction.has_offset = 1;
      instruction.payload = bytes.data();
      instruction.payload_size = bytes.size();
      REQUIRE(session.run(program.add(instruction).assemble("sync\ndelete device\nsync")) == CHIMERA_OK);
    }
    REQUIRE(store.close() == CHIMERA_OK);
    struct stat file {};
    REQUIRE(::stat(path_.c_str(), &file) == 0);
    left[keeps] = static_cast<std::uint64_t>(file.st_blocks) * 512;
  }
  CHECK(left[1] >= left[0] + (12 << 20));
}
