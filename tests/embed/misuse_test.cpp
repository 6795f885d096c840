// Callers who are wrong: what is missing, out of range, too early, too late, in another thread or process.

#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/embed/own_disk.h"
#include "tests/embed/places.h"
#include "tests/embed/store_server.h"

using namespace chimera_testing;

namespace {

chimera::Program assembled(const char* text) {
  chimera::Program program;
  program.assemble(text);
  return program;
}

std::string fault_of(const chimera_instruction& instruction) {
  chimera::Program program;
  program.assemble("begin");
  program.add(instruction).assemble("commit");
  CHECK(program.bytes() == "\xF8\xF9");
  return program.error();
}

}  // namespace

TEST_CASE("null is an answer, never a crash") {
  chimera_answers answers{};
  chimera_answer answer{};
  chimera_extent extent{};
  chimera_device device{};
  chimera_result result{};
  const chimera::Program program = assembled("hello");
  CHECK(chimera_format(nullptr, "x", nullptr) == CHIMERA_E_ARGUMENT);
  CHECK(chimera_open(nullptr, "x", nullptr) == CHIMERA_E_ARGUMENT);
  CHECK(chimera_connect(nullptr, "x") == CHIMERA_E_ARGUMENT);
  CHECK(chimera_close(nullptr) == CHIMERA_E_ARGUMENT);
  CHECK(chimera_descriptor(nullptr) == CHIMERA_E_ARGUMENT);
  CHECK(chimera_disk_done(nullptr, 1, 0) == CHIMERA_E_ARGUMENT);
  CHECK(chimera_reap(nullptr, &result, 1, 0) == CHIMERA_E_ARGUMENT);
  CHECK(chimera_session_new(nullptr) == nullptr);
  CHECK(chimera_run(nullptr, program.get(), &answers) == CHIMERA_E_ARGUMENT);
  CHECK(chimera_submit(nullptr, program.get(), nullptr) == CHIMERA_E_ARGUMENT);
  CHECK(std::string(chimera_error(nullptr)) != "");
  CHECK(std::string(chimera_program_error(nullptr)) != "");
  chimera_free(nullptr);
  chimera_session_free(nullptr);
  chimera_program_free(nullptr);
  chimera_program_clear(nullptr);
  CHECK(chimera_add(nullptr, nullptr) == CHIMERA_E_ARGUMENT);
  CHECK(chimera_append(nullptr, "x", 1) == CHIMERA_E_ARGUMENT);
  CHECK(chimera_assemble(nullptr, "begin") == CHIMERA_E_ARGUMENT);
  std::size_t size = 7;
  CHECK(chimera_program_bytes(nullptr, &size) == nullptr);
  CHECK(size == 0);
  CHECK(chimera_program_bytes(program.get(), nullptr) != nullptr);
  CHECK(chimera_next(nullptr, &answer) == 0);
  CHECK(chimera_next(&answers, nullptr) == 0);
  CHECK(chimera_next(&answers, &answer) == 0);
  CHECK(chimera_number(nullptr) == 0);
  CHECK(chimera_number(&answer) == 0);
  CHECK(chimera_take_extent(nullptr, &extent) == 0);
  CHECK(chimera_take_extent(&answer, nullptr) == 0);
  CHECK(chimera_take_device(nullptr, &device) == 0);
  CHECK(chimera_take_device(&answer, nullptr) == 0);

  chimera::Store store;
  CHECK(chimera_open(store.get(), nullptr, nullptr) == CHIMERA_E_ARGUMENT);
  CHECK(chimera_connect(store.get(), nullptr) == CHIMERA_E_ARGUMENT);
  chimera_disk nothing{};
  chimera_options options = chimera::Store::options();
  options.disk = &nothing;
  CHECK(store.open(nullptr, options) == CHIMERA_E_ARGUMENT);
  CHECK(store.open("both", options) == CHIMERA_E_ARGUMENT);
  REQUIRE(store.open(":memory:") == CHIMERA_OK);
  chimera::Session session(store);
  CHECK(chimera_run(session.get(), nullptr, nullptr) == CHIMERA_E_ARGUMENT);
  CHECK(chimera_submit(session.get(), nullptr, nullptr) == CHIMERA_E_ARGUMENT);
  CHECK(chimera_reap(store.get(), nullptr, 1, 0) == CHIMERA_E_ARGUMENT);
  CHECK(chimera_reap(store.get(), &result, 1, -2) == CHIMERA_E_ARGUMENT);
  CHECK(chimera_reap(store.get(), &result, ~std::size_t{0}, 0) == CHIMERA_E_ARGUMENT);
  CHECK(chimera_reap(store.get(), nullptr, 0, 0) == 0);
  CHECK(chimera_run(session.get(), program.get(), nullptr) == CHIMERA_OK);
}

TEST_CASE("options are looked at, whichever version made them") {
  chimera::Store store;
  chimera_options options = chimera::Store::options();
  const auto opened = [&](const chimera_options& with) {
    const int status = store.open(":memory:", with);
    if (status == CHIMERA_OK) CHECK(store.close() == CHIMERA_OK);
    return status;
  };
  CHECK(opened(options) == CHIMERA_OK);
  for (const std::size_t size : {std::size_t{0}, std::size_t{4}, ~std::size_t{0}}) {
    options.struct_size = size;
    CHECK(opened(options) == CHIMERA_E_ARGUMENT);
  }
  // An older caller knows less, and what lies behind its structure is not looked at.
  options.struct_size = offsetof(chimera_options, loop);
  options.loop = 77;
  CHECK(opened(options) == CHIMERA_OK);
  options.struct_size = sizeof options;
  CHECK(opened(options) == CHIMERA_E_ARGUMENT);
  // A newer one knows more, and may ask for nothing of it.
  struct {
    chimera_options known = chimera::Store::options();
    std::uint64_t later = 0;
  } newer;
  newer.known.struct_size = sizeof newer;
  CHECK(opened(newer.known) == CHIMERA_OK);
  newer.later = 1;
  CHECK(opened(newer.known) == CHIMERA_E_ARGUMENT);

  const Scratch scratch;
  const std::string path = scratch.file("store");
  options = chimera::Store::options();
  options.size = 1 << 20;
  CHECK(store.format(path.c_str(), options) == CHIMERA_E_ARGUMENT);
  CHECK(::access(path.c_str(), F_OK) != 0);
  options.size = ~std::uint64_t{0};
  CHECK(store.format(path.c_str(), options) == CHIMERA_E_ARGUMENT);
  options.size = 32 << 20;
  for (const std::uint64_t journal : {std::uint64_t{1}, std::uint64_t{1} << 20, std::uint64_t{113} << 20}) {
    options.journal_bytes = journal;
    CHECK(store.format(path.c_str(), options) == CHIMERA_E_ARGUMENT);
  }
  options.journal_bytes = 9 << 20;  // a quarter of the store at most
  CHECK(store.format(path.c_str(), options) == CHIMERA_E_OPEN);
  CHECK(::access(path.c_str(), F_OK) != 0);
  options.journal_bytes = CHIMERA_NO_JOURNAL;
  CHECK(store.format(path.c_str(), options) == CHIMERA_OK);
  CHECK(store.format(path.c_str(), options) == CHIMERA_E_OPEN);
  options.overwrite = 1;
  options.size = 16 << 20;
  CHECK(store.format(path.c_str(), options) == CHIMERA_E_OPEN);
  options.size = 0;
  CHECK(store.format(path.c_str(), options) == CHIMERA_OK);
  const std::string letter = scratch.file("letter");
  std::ofstream(letter) << "shorter than a block";
  options.overwrite = 0;
  CHECK(store.format(letter.c_str(), options) == CHIMERA_E_OPEN);
  CHECK(std::filesystem::file_size(letter) == 20);
  CHECK(store.format(":memory:", options) == CHIMERA_E_ARGUMENT);
  CHECK(store.format("/dev/null", options) == CHIMERA_E_OPEN);
  for (const std::uint64_t cache : {std::uint64_t{1}, std::uint64_t{1} << 62, ~std::uint64_t{0}}) {
    options.cache_bytes = cache;
    CHECK(store.open(path.c_str(), options) == CHIMERA_E_ARGUMENT);
  }
  options.cache_bytes = 0;
  options.read_only = 1;
  options.overwrite = 1;
  CHECK(store.format(path.c_str(), options) == CHIMERA_E_ARGUMENT);
  REQUIRE(store.open(path.c_str(), options) == CHIMERA_OK);
  {
    chimera::Session session(store);
    CHECK(session.run(assembled("create device \"d\" \"\"")) == CHIMERA_READ_ONLY);
  }
  CHECK(store.close() == CHIMERA_OK);
}

TEST_CASE("what cannot be opened says why, and the store can be tried elsewhere") {
  chimera::Store store;
  const Scratch scratch;
  CHECK(store.open(scratch.file("nothing").c_str()) == CHIMERA_E_OPEN);
  CHECK(std::string(store.error()).find("No such file") != std::string::npos);
  CHECK(store.open(scratch.file("").c_str()) == CHIMERA_E_OPEN);
  CHECK(store.connect("tcp:nowhere") == CHIMERA_E_ARGUMENT);
  CHECK(store.connect(("unix:" + scratch.file("socket")).c_str()) == CHIMERA_E_OPEN);
  const std::string path = scratch.file("store");
  chimera_options options = chimera::Store::options();
  options.size = 32 << 20;
  REQUIRE(store.format(path.c_str(), options) == CHIMERA_OK);
  REQUIRE(store.open(path.c_str()) == CHIMERA_OK);
  chimera::Store second;
  CHECK(second.open(path.c_str()) == CHIMERA_E_OPEN);
  CHECK(std::string(second.error()).find("in use by process") != std::string::npos);
  CHECK(store.open(path.c_str()) == CHIMERA_E_STATE);
  CHECK(store.close() == CHIMERA_OK);
  CHECK(second.open(path.c_str()) == CHIMERA_OK);
}

TEST_CASE("calls out of season") {
  chimera::Store store;
  std::vector<chimera::Result> results;
  const chimera::Program program = assembled("create device \"d\" \"\"\nsync");
  CHECK(store.close() == CHIMERA_E_STATE);
  CHECK(store.reap(results, 0) == CHIMERA_E_STATE);
  CHECK(store.descriptor() == CHIMERA_E_STATE);
  CHECK(!chimera::Session(store).is_open());
  CHECK(std::string(store.error()) == "The store is not open.");
  REQUIRE(store.open(":memory:") == CHIMERA_OK);
  chimera::Session session(store);
  CHECK(store.connect("unix:elsewhere") == CHIMERA_E_STATE);
  REQUIRE(session.submit(program) == CHIMERA_OK);
  CHECK(store.close() == CHIMERA_E_STATE);
  CHECK(store.reap(results, -1) == 1);
  CHECK(store.close() == CHIMERA_OK);
  // The session's handle is there still, and stays closed when the store is open again.
  CHECK(session.submit(program) == CHIMERA_E_STATE);
  REQUIRE(store.open(":memory:") == CHIMERA_OK);
  CHECK(session.run(program) == CHIMERA_E_STATE);
  CHECK(chimera::Session(store).run(program) == CHIMERA_OK);
  // Freed in the middle of everything.
  chimera_session* const left = chimera_session_new(store.get());
  CHECK(chimera_submit(left, program.get(), nullptr) == CHIMERA_OK);
}

TEST_CASE("only the thread that has opened a store may use it, until it is closed") {
  chimera::Store store;
  REQUIRE(store.open(":memory:") == CHIMERA_OK);
  chimera::Session session(store);
  const chimera::Program program = assembled("hello");
  const auto elsewhere = [](const auto& body) { std::thread(body).join(); };
  elsewhere([&] {
    std::vector<chimera::Result> results;
    CHECK(session.run(program) == CHIMERA_E_THREAD);
    CHECK(session.submit(program) == CHIMERA_E_THREAD);
    CHECK(store.reap(results, -1) == CHIMERA_E_THREAD);
    CHECK(store.descriptor() == CHIMERA_E_THREAD);
    CHECK(store.close() == CHIMERA_E_THREAD);
    CHECK(store.open(":memory:") == CHIMERA_E_THREAD);
    CHECK(store.connect("unix:x") == CHIMERA_E_THREAD);
    CHECK(store.format("x") == CHIMERA_E_THREAD);
    CHECK(!chimera::Session(store).is_open());
    CHECK(std::string(store.error()).find("another thread") != std::string::npos);
    chimera_session_free(session.get());
    chimera_free(store.get());
  });
  CHECK(session.run(program) == CHIMERA_OK);
  CHECK(store.close() == CHIMERA_OK);
  elsewhere([&] {
    REQUIRE(store.open(":memory:") == CHIMERA_OK);
    CHECK(chimera::Session(store).run(program) == CHIMERA_OK);
    CHECK(store.close() == CHIMERA_OK);
  });
}

TEST_CASE("a forked process is told that the store is not its own, and harms nothing") {
  with_each_place([](Place& place) {
    chimera::Store store;
    REQUIRE(place.open(store) == CHIMERA_OK);
    chimera::Session session(store);
    run(store, session, "create device \"d\" \"\"\nwrite bytes @0 \"before\"\nflush device");
    const chimera::Program program = assembled("read bytes @0 #6\nwrite bytes @0 \"behind\"\nflush device");
    REQUIRE(session.submit(program) == CHIMERA_OK);
    const pid_t child = ::fork();
    if (child == 0) {
      std::vector<chimera::Result> results;
      bool right = session.run(program) == CHIMERA_E_THREAD && store.reap(results, -1) == CHIMERA_E_THREAD &&
                   store.close() == CHIMERA_E_THREAD && session.submit(program) == CHIMERA_E_THREAD;
      chimera_session_free(session.get());
      chimera_free(store.get());
      chimera::Store other;
      right = right && other.open(":memory:") == CHIMERA_OK;
      right = right && chimera::Session(other).run(assembled("hello")) == CHIMERA_OK;
      ::_exit(right ? 0 : 1);
    }
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    std::vector<chimera::Result> results;
    REQUIRE(store.reap(results, -1) == 1);
    CHECK(results[0].status == CHIMERA_OK);
    CHECK(results[0].all().at(0).text() == "before");
    run(store, session, "check bytes @0 \"behind\"\ndelete device");
    CHECK(store.close() == CHIMERA_OK);
  });
}

TEST_CASE("what is no program is refused before anything of it runs, with the place") {
  chimera::Store store;
  REQUIRE(store.open(":memory:") == CHIMERA_OK);
  chimera::Session session(store);
  chimera::Program program = assembled("create device \"d\" \"\"");
  program.append("\x54\x0c", 2);
  CHECK(std::string(program.error()) == "No instruction begins with 0x0c, the byte at 1.");
  CHECK(session.run(program) == CHIMERA_E_PROGRAM);
  CHECK(std::string(store.error()) == program.error());
  CHECK(session.submit(program) == CHIMERA_E_PROGRAM);
  program.clear();
  program.append("\x54\x7f\x10\xff\xff\xff\xff", 7);
  CHECK(std::string(program.error()) == "No instruction begins with 0x7f, the byte at 1, or not with such operands.");
  program.clear();
  program.add(chimera_instruction{.operation = CHIMERA_OP_SNAPSHOT, .count = 1, .payload = "abc", .payload_size = 3});
  CHECK(std::string(program.error()) == "snapshot: its operands do not fit together.");
  program.clear();
  program.append("\x54\x13\x00", 3);
  CHECK(std::string(program.error()).find("at byte 1 is not whole") != std::string::npos);
  CHECK(session.run(program) == CHIMERA_E_PROGRAM);
  program.clear();
  program.assemble("read byte\nraed byte");
  CHECK(std::string(program.error()).find("program:2:1") != std::string::npos);
  program.clear();
  program.assemble(".include \"/etc/passwd\"");
  CHECK(std::string(program.error()).find("names no files") != std::string::npos);
  program.clear();
  program.assemble("append bytes file\"/etc/passwd\"");
  CHECK(std::string(program.error()).find("names no files") != std::string::npos);
  program.clear();
  CHECK(session.run(program) == CHIMERA_OK);
  // Nothing has been made by any of them.
  CHECK(session.run(assembled("open device \"d\"")) == CHIMERA_NOT_FOUND);
  // What is larger than may be is an instruction all the same, and the machine's to answer.
  CHECK(session.run(assembled("create device \"d\" \"\"\nread bytes @0 #1G")) == CHIMERA_TOO_LARGE);
  const std::string large(33 << 20, 'x');
  program.clear();
  program.add({.operation = CHIMERA_OP_APPEND_BYTES, .payload = large.data(), .payload_size = large.size()});
  program.add({.operation = CHIMERA_OP_CREATE_DEVICE, .name = "e", .columns = large.c_str(), .options = "size=1M"});
  program.assemble("read length");
  chimera::Answers answers;
  CHECK(session.run(program, answers) == CHIMERA_TOO_LARGE);
  CHECK(answers.at(1).status == CHIMERA_TOO_LARGE);
  CHECK(answers.size() == 3);
}

TEST_CASE("operands that are missing or do not fit are named, and the program stays as it was") {
  const std::uint8_t uuid[16] = {1};
  const std::string long_text(70'000, 'n');
  CHECK(fault_of({.operation = 0x7F99}) == "There is no operation 32665.");
  CHECK(fault_of({.operation = -1}) != "");
  CHECK(fault_of({.operation = CHIMERA_OP_OPEN_DEVICE}) == "open device: the name is missing.");
  CHECK(fault_of({.operation = CHIMERA_OP_OPEN_DEVICE, .name = long_text.c_str()}) ==
        "open device: the name has 70000 bytes, more than 65535.");
  CHECK(fault_of({.operation = CHIMERA_OP_READ_METADATA}) ==
        "read metadata: there is no form of it with just that device and offset.");
  CHECK(fault_of({.operation = CHIMERA_OP_READ_BYTES, .count = std::uint64_t{1} << 32}) ==
        "read bytes: a count of 4294967296 is more than 32 bits hold.");
  CHECK(fault_of({.operation = CHIMERA_OP_WRITE_BLOCK, .payload = "x", .payload_size = 1}) ==
        "write block: a block takes 4096 bytes, and there are 1.");
  CHECK(fault_of({.operation = CHIMERA_OP_COMMIT_WITH_TOKEN}) ==
        "commit with token: a token takes 16 bytes, and there are 0.");
  CHECK(fault_of({.operation = CHIMERA_OP_WRITE_BYTES, .payload_size = 9}) ==
        "write bytes: the payload behind its size is missing.");
  CHECK(fault_of({.operation = CHIMERA_OP_SELECT_DEVICE}) == "select device: the device is missing.");
  CHECK(fault_of({.operation = CHIMERA_OP_COPY_BYTES, .device = uuid}) == "copy bytes: the second device is missing.");
  CHECK(fault_of({.operation = CHIMERA_OP_SNAPSHOT, .count = 3, .payload = "x", .payload_size = 1}) != "");
  CHECK(fault_of({.operation = CHIMERA_OP_CREATE_DEVICE, .name = "d", .options = long_text.c_str()}) != "");
}
