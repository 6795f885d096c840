// Any text gives bytes or errors within bounds; the bytes come back from their disassembly.

#include "assembler/assembler.h"

#include "assembler/disassembler.h"
#include "fuzz/check.h"

namespace {

using namespace chimera::assembler;

constexpr AssemblyLimits limits{
    .output_bytes = 1 << 20, .lines = 300, .source_bytes = 1 << 20, .depth = 8, .diagnostics = 10};

void check_text(std::string_view text) {
  // Every file is the source itself: includes that never end.
  const FileReader reader = [text](const std::string&, std::string&) { return std::string{text}; };
  const Assembled assembled = assemble(text, "folder/source", reader, limits);
  FUZZ_CHECK(assembled.diagnostics.size() <= limits.diagnostics);
  for (const Diagnostic& diagnostic : assembled.diagnostics) {
    FUZZ_CHECK(!diagnostic.message.empty());
    FUZZ_CHECK(diagnostic.column >= 1 && diagnostic.column <= diagnostic.source_line.size() + 2);
    FUZZ_CHECK(!diagnostic.text().empty());
  }
  std::size_t covered = 0;
  for (const SourceLine& line : assembled.lines) {
    FUZZ_CHECK(line.offset == covered);
    FUZZ_CHECK(!assembled.text_of(line).empty());
    covered += line.size;
  }
  FUZZ_CHECK(covered == assembled.bytes.size());
  if (assembled.ok()) FUZZ_CHECK(assemble(disassemble(assembled.bytes), "disassembled", {}).bytes == assembled.bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  check_text({reinterpret_cast<const char*>(data), size});
  return 0;
}
