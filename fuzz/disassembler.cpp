// Any bytes at all come back from their disassembly, which is text.

#include "assembler/disassembler.h"

#include <algorithm>

#include "assembler/assembler.h"
#include "fuzz/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace chimera::assembler;
  const std::string text = disassemble({data, size}, {.annotate = size % 2 == 0});
  FUZZ_CHECK(looks_like_text({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}));
  const Assembled again = assemble(text, "disassembled", {});
  FUZZ_CHECK(again.ok());
  FUZZ_CHECK(std::ranges::equal(again.bytes, std::span{data, size}));
  return 0;
}
