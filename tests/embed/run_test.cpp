// Programs that are run and waited for: what they answer, and that it is the same wherever the store is.

#include <map>

#include "tests/embed/places.h"

using namespace chimera_testing;

namespace {

const char* const device = "3f0e7c9a-8a53-4c1c-9d5e-0d8f2f7a1b11";
const char* const clone = "3f0e7c9a-8a53-4c1c-9d5e-0d8f2f7a1b12";

/// Everything whose answer depends on nothing but the program, errors included.
std::string sampler() {
  return std::string(".device disk ") + device + "\n.device other " + clone +
         "\ncreate device disk \"disk\" \"columns\" \"size=1M\"\n"
         "create device other \"other\" \"\"\n"
         "write bytes disk @0x40 \"Hello, \"\n"
         "write bytes \"world!\"\n"
         "read bytes @0x40 #13\n"
         "read byte\n"
         "check bytes @0x40 \"Hullo\"\n"
         "read bytes @2M #1\n"
         "read block disk @4K\n"
         "read block disk @7\n"
         "swap byte disk @1 7\n"
         "read extents disk @0 #1M\n"
         "list devices \"\" \"\" #10\n"
         "read columns disk\n"
         "read length\n"
         "append bytes other \"log\"\n"
         "append bytes \"more\"\n"
         "write metadata other @5 9\n"
         "read metadata bytes other @4 #3\n"
         "begin\n"
         "write bytes other @0 \"LOG\"\n"
         "copy bytes other @0 disk @8K #7\n"
         "commit\n"
         "read bytes disk @8K #7\n"
         "begin\n"
         "read bytes disk @2M #1\n"
         "read byte disk @0\n"
         "commit\n"
         "read digest disk @0 #1M\n"
         "read bytes disk @0 #40M\n"
         "flush device disk\n"
         "sync\n"
         "open device \"nothing\"\n"
         "read byte\n"
         "delete device other\n"
         "delete device disk\n";
}

}  // namespace

TEST_CASE("the same program has the same answers wherever it runs") {
  std::map<std::string, std::string> seen;
  with_each_place([&](Place& place) {
    chimera::Store store;
    REQUIRE(place.open(store) == CHIMERA_OK);
    chimera::Session session(store);
    REQUIRE_MESSAGE(session.is_open(), store.error());
    chimera::Program program;
    program.assemble(sampler().c_str());
    REQUIRE_MESSAGE(std::string(program.error()).empty(), program.error());
    for (int turn = 0; turn < 3; ++turn) {
      chimera::Answers answers;
      // The first that is not ok: the check.
      CHECK(session.run(program, answers) == CHIMERA_MISMATCH);
      CHECK(std::string(store.error()) ==
            "Instruction 7, check bytes: mismatch: the byte at offset 65 of \"disk\" is 0x65, not 0x75.");
      CHECK(answers.size() == 36);
      std::string all;
      std::size_t count = 0;
      for (const chimera::Answer& answer : answers) {
        all += std::to_string(answer.status) + " " + std::to_string(answer.operation) + " " +
               std::string(answer.text()) + "\n";
        ++count;
      }
      CHECK(count == answers.size());
      seen[place.name()] = all;
      CHECK(all == seen.begin()->second);
    }
    CHECK(store.close() == CHIMERA_OK);
  });
  CHECK(seen.size() >= 5);
}

TEST_CASE("results are taken apart") {
  with_each_place([](Place& place) {
    chimera::Store store;
    REQUIRE(place.open(store) == CHIMERA_OK);
    chimera::Session session(store);
    const chimera::Answers answers =
        run(store, session,
            "create device \"a\" \"\" \"size=1M\"\ncreate device \"b\" \"some columns\"\nread columns\nread length\n"
            "append bytes \"123\"\nappend bytes \"456\"\nread byte @1\nopen device \"a\"\nwrite byte @8K 1\n"
            "read extents @0 #1M\nlist devices \"\" \"\" #10\ndelete device\nopen device \"b\"\ndelete device");
    CHECK(answers.at(0).size == 16);
    CHECK(answers.at(2).text() == "some columns");
    CHECK(answers.at(3).number() == 0);
    CHECK(answers.at(5).number() == 3);
    CHECK(answers.at(6).number() == '2');
    const auto extents = answers.at(9).extents();
    REQUIRE(extents.size() == 3);
    CHECK(extents[0].length == 8192);
    CHECK(extents[0].flags == (CHIMERA_HOLE | CHIMERA_ZEROS));
    CHECK(extents[1].length == 4096);
    CHECK(extents[1].flags == 0);
    CHECK(answers.at(9).devices().empty());
    const auto devices = answers.at(10).devices();
    REQUIRE(devices.size() == 2);
    CHECK(std::string(devices[1].name, devices[1].name_size) == "b");
    CHECK(std::string(reinterpret_cast<const char*>(devices[0].uuid), 16) == answers.at(0).text());
    CHECK(answers.at(10).extents().empty());
    CHECK(answers.at(14).status == CHIMERA_E_ARGUMENT);
    CHECK(store.close() == CHIMERA_OK);
  });
}

TEST_CASE("what is closed in good order is there again; what is only flushed survives the end without one") {
  with_each_place([](Place& place) {
    if (!place.keeps()) return;
    {
      chimera::Store store;
      REQUIRE(place.open(store) == CHIMERA_OK);
      chimera::Session session(store);
      run(store, session, "create device \"kept\" \"\"\nwrite bytes @0 \"one\"");
      CHECK(store.close() == CHIMERA_OK);
      CHECK(session.run(chimera::Program()) == CHIMERA_E_STATE);
      REQUIRE(place.open(store) == CHIMERA_OK);
      chimera::Session again(store);
      run(store, again, "open device \"kept\"\ncheck bytes @0 \"one\"\nwrite bytes @0 \"two\"\nflush device");
    }
    chimera::Store store;
    REQUIRE(place.open(store) == CHIMERA_OK);
    chimera::Session session(store);
    run(store, session, "open device \"kept\"\ncheck bytes @0 \"two\"\ndelete device");
    CHECK(store.close() == CHIMERA_OK);
  });
}

TEST_CASE("large transfers, and a program that is empty") {
  with_each_place([](Place& place) {
    chimera::Store store;
    REQUIRE(place.open(store) == CHIMERA_OK);
    chimera::Session session(store);
    CHECK(session.run(chimera::Program()) == CHIMERA_OK);
    run(store, session, "create device \"large\" \"\"");
    std::string payload(20 << 20, 'x');
    for (std::size_t n = 0; n < payload.size(); n += 97) payload[n] = static_cast<char>(n);
    chimera::Program program;
    chimera_instruction write{};
    write.operation = CHIMERA_OP_WRITE_BYTES;
    write.has_offset = 1;
    write.offset = 5;
    write.payload = payload.data();
    write.payload_size = payload.size();
    chimera_instruction read{};
    read.operation = CHIMERA_OP_READ_BYTES;
    read.has_offset = 1;
    read.offset = 5;
    read.count = payload.size();
    program.add(write).add(read).add(read);
    chimera::Answers answers;
    REQUIRE_MESSAGE(session.run(program, answers) == CHIMERA_OK, store.error());
    CHECK(answers.size() == 3);
    CHECK((answers.at(1).text() == payload));
    CHECK((answers.at(2).text() == payload));
    run(store, session, "open device \"large\"\ndelete device");
    CHECK(store.close() == CHIMERA_OK);
  });
}
