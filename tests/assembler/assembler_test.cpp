#include "assembler/assembler.h"

#include <doctest/doctest.h>

#include <fmt/format.h>
#include <filesystem>
#include <fstream>
#include <map>

#include "assembler/disassembler.h"
#include "isa/builder.h"
#include "isa/nearest.h"
#include "tests/isa/sample.h"

namespace chimera::assembler {
namespace {

using test::Random;
using Bytes = std::vector<std::uint8_t>;

Bytes bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

bool is_text(std::string_view text) { return looks_like_text(bytes_of(text)); }

/// A reader of files that are given.
FileReader reader_of(std::map<std::string, std::string> files) {
  return [files = std::move(files)](const std::string& path, std::string&) -> std::optional<std::string> {
    const auto found = files.find(path);
    if (found == files.end()) return std::nullopt;
    return found->second;
  };
}

}  // namespace

TEST_CASE("any legal stream comes back from its disassembly") {
  Random random{11};
  for (int turn = 0; turn < 300; ++turn) {
    const Bytes program = test::random_program(random, 20, turn % 10 == 0 ? 3000 : 40);
    const std::string text = disassemble(program, {.annotate = turn % 2 == 0});
    REQUIRE(text.find(".bytes") == std::string::npos);
    REQUIRE(is_text(text));
    const Assembled assembled = assemble(text, "text", {});
    CAPTURE(assembled.diagnostics_text());
    REQUIRE(assembled.ok());
    REQUIRE(assembled.bytes == program);
    REQUIRE(assembled.lines.size() == 20);
  }
}

TEST_CASE("any bytes at all come back, what is no instruction as .bytes") {
  Random random{12};
  for (int turn = 0; turn < 3000; ++turn) {
    Bytes program = test::random_program(random, random() % 4);
    for (std::uint64_t damage = random() % 3; damage > 0 && !program.empty(); --damage) {
      program[random() % program.size()] = static_cast<std::uint8_t>(random());
    }
    if (!program.empty() && random() % 2 == 0) program.resize(random() % program.size());
    const std::string text = disassemble(program);
    const Assembled assembled = assemble(text, "text", {});
    CAPTURE(text);
    REQUIRE(assembled.diagnostics_text() == "");
    REQUIRE(assembled.bytes == program);
  }
}

TEST_CASE("what is too large for an instruction does not hide those behind it") {
  const Bytes program{0x10, 0xFF, 0xFF, 0xFF, 0xFF, 0xFB};  // read bytes #4294967295, sync
  const std::string text = disassemble(program);
  CHECK(text.find(".bytes hex\"10ffffffff\"\n") != std::string::npos);
  CHECK(text.ends_with("sync\n"));
  CHECK(assemble(text, "text", {}).bytes == program);
}

TEST_CASE("disassembly as people read it") {
  Program program;
  const Uuid device{{0x3f, 0x0e, 0x7c, 0x9a, 0x8a, 0x53, 0x4c, 0x1c, 0x9d, 0x5e, 0x0d, 0x8f, 0x2f, 0x7a, 0x1b, 0x11}};
  program.open_device("disk \"0\"\x01\xFF").write_bytes(device, 0x40, bytes_of("v2\n")).write_byte(implied, 9, 7);
  program.append_bytes(implied, Bytes{0, 1, 2, 0xFF}).extension(0x01, Bytes{}).hello();
  CHECK(disassemble(program.bytes()) ==
        "open device \"disk \\\"0\\\"\\x01\\xff\"\n"
        "write bytes 3f0e7c9a-8a53-4c1c-9d5e-0d8f2f7a1b11 @0x40 \"v2\\n\"\n"
        "write byte @9 0x07\n"
        "append bytes hex\"000102ff\"\n"
        "extension 0x01\n"
        "hello\n");
  CHECK(disassemble(Program{}.write_byte(implied, 9, 7).bytes(), {.annotate = true}) ==
        "write byte @9 0x07                              ; 000000  82 09 00 00 00 00 00 00 00 07\n");
}

TEST_CASE("source lines tell where the bytes come from") {
  const auto reader = reader_of({{"sub/b.txt", "  sync ; there\r\n"}});
  const Assembled assembled =
      assemble("begin\n.repeat 2\n write byte $i ; here\n.end\n.include \"sub/b.txt\"", "a.txt", reader);
  REQUIRE(assembled.diagnostics_text() == "");
  REQUIRE(assembled.lines.size() == 4);
  const auto shown = [&assembled](std::size_t i) {
    const SourceLine& line = assembled.lines[i];
    return fmt::format("{}+{} {}:{} {}", line.offset, line.size, assembled.file_name_of(line), line.line,
                       assembled.text_of(line));
  };
  CHECK(shown(0) == "0+1 a.txt:1 begin");
  CHECK(shown(1) == "1+2 a.txt:3 write byte $i");
  CHECK(shown(2) == "3+2 a.txt:3 write byte $i");
  CHECK(shown(3) == "5+1 sub/b.txt:1 sync");
}

TEST_CASE("line ends, byte order mark, empty sources") {
  CHECK(assemble("", "x", {}).bytes.empty());
  CHECK(assemble("", "x", {}).ok());
  CHECK(assemble("\n\n;\n", "x", {}).ok());
  CHECK(assemble("\xEF\xBB\xBFsync\r\nsync\r\n\tsync", "x", {}).bytes == Bytes{0xFB, 0xFB, 0xFB});
  const Assembled wrong = assemble("sync\r\n\r\nsync x\r\n", "x", {});
  REQUIRE(wrong.diagnostics.size() == 1);
  CHECK(wrong.diagnostics[0].line == 3);
  CHECK(wrong.diagnostics[0].column == 6);
  CHECK(wrong.diagnostics[0].source_line == "sync x");
  CHECK(wrong.bytes.empty());
  CHECK(wrong.lines.empty());
}

TEST_CASE("text or binary") {
  CHECK(is_text(""));
  CHECK(is_text("read byte ; Grüße\r\n\t"));
  CHECK_FALSE(
      is_text(std::string_view{"\x40\x05\x00"
                               "disk0\x54",
                               9}));
  CHECK_FALSE(is_text("\x7F"));
  CHECK_FALSE(is_text("\x1B[0m"));
  CHECK_FALSE(is_text("\u0085"));
  CHECK_FALSE(is_text("\xC0\x80"));
  CHECK_FALSE(is_text("cut off \xE4\xB8"));
  CHECK_FALSE(is_text("\xFB"));
}

TEST_CASE("limits end what would not end") {
  const auto message = [](std::string_view source, const AssemblyLimits& limits, const FileReader& reader = {}) {
    const Assembled assembled = assemble(source, "x", reader, limits);
    REQUIRE(assembled.diagnostics.size() == 1);
    CHECK(assembled.bytes.empty());
    return assembled.diagnostics[0].message;
  };
  CHECK(message(".repeat 1000000000000\n.end", {}) == "the program runs through more than 4194304 lines");
  CHECK(message(".repeat 1000000000000\nsync\n.end", {.lines = 1000}) ==
        "the program runs through more than 1000 lines");
  CHECK(message(".repeat 1000000000000\n.repeat 1000000000000\n.end\n.end", {.lines = 1000}) ==
        "the program runs through more than 1000 lines");
  CHECK(message(".repeat 1000000000000\n;" + std::string(1000, '-') + "\n.end", {.source_bytes = 100'000}) ==
        "the program runs through more than 100000 bytes of source");
  CHECK(message(".repeat 1000000000000\nappend bytes \"" + std::string(1000, '-') + "\"\n.end",
                {.output_bytes = 100'000}) == "the program gets larger than 100000 bytes");
  CHECK(message(".repeat 1000000000000\n.bytes \"" + std::string(1000, '-') + "\"\n.end", {.output_bytes = 100'000}) ==
        "the program gets larger than 100000 bytes");

  std::map<std::string, std::string> files;
  for (int i = 0; i < 100; ++i) {
    files[fmt::format("{}", i)] = fmt::format(".include \"{0}\"\n.include \"{0}\"\n", i + 1);
  }
  files["100"] = "sync";
  CHECK(message(".include \"0\"", {.lines = 5000, .depth = 200}, reader_of(files)) ==
        "the program runs through more than 5000 lines");
  const Assembled deep = assemble(".include \"0\"", "x", reader_of(files), {.depth = 3});
  REQUIRE(deep.diagnostics.size() == 4);  // the lines of the file that may include no more, each time that it is run
  CHECK(deep.diagnostics[0].message == "too many files include each other");

  std::string nested;
  for (int i = 0; i < 100'000; ++i) nested += ".repeat 1\n";
  CHECK(assemble(nested, "x", {}).diagnostics.size() == 33);
  CHECK(message("read byte @" + std::string(100'000, '('), {}) == "too many parentheses and signs inside each other");
  CHECK(message("read byte @" + std::string(100'000, '-'), {}) == "too many parentheses and signs inside each other");

  std::string wrong;
  for (int i = 0; i < 1000; ++i) wrong += "wrong\n";
  CHECK(assemble(wrong, "x", {}).diagnostics.size() == 100);
}

TEST_CASE("payloads and texts at the limits of their fields") {
  const std::size_t most = 32 << 20;
  const auto reader = reader_of({{"most", std::string(most, 'x')}, {"one", "x"}});
  CHECK(assemble("append bytes file\"most\"", "x", reader).bytes.size() == 5 + most);
  CHECK_FALSE(assemble("append bytes file\"most\" file\"one\"", "x", reader).ok());
  const std::string longest(65535, 'x');
  CHECK(assemble("open device \"" + longest + "\"", "x", {}).bytes.size() == 3 + 65535);
  CHECK_FALSE(assemble("open device \"" + longest + "x\"", "x", {}).ok());
  CHECK(assemble("hello \"" + longest + "\"", "x", {}).bytes.size() == 3 + 65535);
  CHECK_FALSE(assemble("hello \"" + longest + "x\"", "x", {}).ok());
  CHECK(assemble("write columns \"" + longest + "x\"", "x", {}).bytes.size() == 5 + 65536);
}

TEST_CASE("files of the file system") {
  const auto folder =
      std::filesystem::temp_directory_path() / fmt::format("chimera-assembler-{}", Random{std::random_device{}()}());
  std::filesystem::create_directories(folder / "sub");
  std::ofstream{folder / "sub" / "part.txt"} << "append bytes file\"data\"\n";
  std::ofstream{folder / "sub" / "data"} << "abc";
  const std::string name = (folder / "main.txt").string();
  CHECK(assemble(".include \"sub/part.txt\"", name, file_system_reader()).bytes ==
        Bytes{0xDC, 3, 0, 0, 0, 'a', 'b', 'c'});
  const auto message = [&](std::string_view source) {
    const Assembled assembled = assemble(source, name, file_system_reader(100));
    REQUIRE(assembled.diagnostics.size() == 1);
    return assembled.diagnostics[0].message;
  };
  CHECK(message(".include \"sub\"").ends_with("sub: it is a folder"));
  CHECK(message(".include \"none\"").ends_with("none: No such file or directory"));
  CHECK(message(".include \"/dev/zero\"") == "cannot read /dev/zero: it has more than 100 bytes");
  std::filesystem::remove_all(folder);
}

TEST_CASE("nearness of words") {
  CHECK(edit_distance("", "") == 0);
  CHECK(edit_distance("write", "WRITE") == 0);
  CHECK(edit_distance("wirte", "write") == 1);
  CHECK(edit_distance("write", "writes") == 1);
  CHECK(edit_distance("abc", "xyz") == 3);
  CHECK(edit_distance("", "abc") == 3);
}

TEST_CASE("any text gives bytes or errors, and nothing worse") {
  Random random{13};
  const std::string seed = disassemble(test::random_program(random, 40));
  const std::string_view pieces = "\"@#$i().;\\ \n+-*/0x\xFFhexfile.repeat 9\n.end\n.equ a 1\n";
  for (int turn = 0; turn < 2000; ++turn) {
    std::string text = seed.substr(random() % seed.size(), random() % 400);
    for (std::uint64_t edits = random() % 8; edits > 0; --edits) {
      const std::size_t from = random() % pieces.size();
      text.insert(random() % (text.size() + 1), pieces.substr(from, random() % 12));
    }
    const Assembled assembled = assemble(text, "x", {}, {.output_bytes = 10'000, .lines = 1000});
    if (assembled.ok()) CHECK(assemble(disassemble(assembled.bytes), "x", {}).bytes == assembled.bytes);
    for (const Diagnostic& diagnostic : assembled.diagnostics) {
      REQUIRE(diagnostic.column >= 1);
      REQUIRE(diagnostic.column <= diagnostic.source_line.size() + 1);
      REQUIRE_FALSE(diagnostic.message.empty());
      REQUIRE_FALSE(diagnostic.text().empty());
    }
  }
}

}  // namespace chimera::assembler
