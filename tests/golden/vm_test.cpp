// Programs of tests/golden/vm with the answers that they give on devices in memory. A file has sections, each behind a
// line `=== session NAME`: assembly that a session of that name runs. Behind them `=== answers`: each instruction and
// its answer. GOLDEN_UPDATE=1 in the environment writes the answers anew instead of comparing them.

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <vector>

#include <fmt/format.h>

#include "assembler/assembler.h"
#include "isa/answer.h"
#include "isa/decoder.h"
#include "vm/machine.h"

namespace chimera::vm {
namespace {

struct Section {
  std::string session;
  std::string program;
};

struct Golden {
  std::vector<Section> sections;
  std::string given;  ///< everything in front of the answers, as it stands in the file
  std::string answers;
};

Golden parse(const std::string& text) {
  Golden golden;
  bool in_answers = false;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    in_answers = in_answers || line == "=== answers";
    (in_answers ? golden.answers : golden.given) += line + "\n";
    if (in_answers) continue;
    if (line.starts_with("=== session ")) {
      golden.sections.push_back({line.substr(12), {}});
    } else {
      REQUIRE_MESSAGE(!golden.sections.empty(), "text in front of the first section");
      golden.sections.back().program += line + "\n";
    }
  }
  return golden;
}

class IdleLoop final : public io::Loop {
 public:
  std::size_t step(int) override { return 0; }
};

/// Runs a program and writes down each line and its answer, results as text and as bytes.
std::string conversation(Session& session, const std::string& program) {
  const assembler::Assembled assembled = assembler::assemble(program, "program", {});
  REQUIRE_MESSAGE(assembled.ok(), assembled.diagnostics_text());
  std::vector<std::uint8_t> answers;
  (void)session.run(assembled.bytes, answers);
  std::string text;
  std::span<const std::uint8_t> rest = answers;
  for (const assembler::SourceLine& line : assembled.lines) {
    text += fmt::format("{}\n", assembled.text_of(line));
    Instruction instruction;
    (void)decode(std::span(assembled.bytes).subspan(line.offset, line.size), instruction);
    Answer answer;
    const ParsedAnswer parsed = parse_answer(instruction, rest, answer);
    REQUIRE(parsed.kind == ParsedAnswer::Kind::complete);
    text += fmt::format("    {} {}\n", rest[0], answer_text(instruction, answer));
    rest = rest.subspan(static_cast<std::size_t>(parsed.size));
  }
  CHECK(rest.empty());
  return text;
}

std::string run(const Golden& golden) {
  IdleLoop loop;
  Machine machine(loop, std::make_unique<devices::Store>(devices::MemoryOptions{.most_bytes = 1 << 30, .make = {}}));
  std::map<std::string, std::unique_ptr<Session>> sessions;
  std::string text = "=== answers\n";
  for (const Section& section : golden.sections) {
    std::unique_ptr<Session>& session = sessions[section.session];
    if (session == nullptr) session = machine.connect();
    text += fmt::format("; session {}\n", section.session) + conversation(*session, section.program);
  }
  return text;
}

TEST_CASE("golden programs give their answers") {
  const bool update = std::getenv("GOLDEN_UPDATE") != nullptr;
  std::size_t programs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(SOURCE_ROOT "/tests/golden/vm")) {
    CAPTURE(entry.path().filename().string());
    std::ifstream file(entry.path(), std::ios::binary);
    const Golden golden = parse({std::istreambuf_iterator<char>(file), {}});
    const std::string result = run(golden);
    ++programs;
    if (update) {
      std::ofstream(entry.path(), std::ios::binary) << golden.given << result;
    } else {
      CHECK_EQ(golden.answers, result);
    }
  }
  CHECK_GE(programs, 5);
}

}  // namespace
}  // namespace chimera::vm
