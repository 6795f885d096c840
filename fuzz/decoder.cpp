// Any bytes, decoded as a stream: total, true about what it needs, the inverse of encode; and parsed as answers.

#include "isa/decoder.h"

#include <algorithm>
#include <vector>

#include "fuzz/check.h"
#include "fuzz/exact_copy.h"
#include "isa/answer.h"
#include "isa/encoder.h"

namespace {

using chimera::Decoded;
using Bytes = std::span<const std::uint8_t>;

void check_prefix(Bytes rest, std::size_t size, const Decoded& whole) {
  const ExactCopy part{rest.first(size)};
  chimera::Instruction instruction;
  const Decoded decoded = decode(part.bytes(), instruction);
  if (decoded.kind == Decoded::Kind::incomplete) {
    FUZZ_CHECK(decoded.size > size);
    if (whole.kind == Decoded::Kind::incomplete) {
      FUZZ_CHECK(whole.size >= decoded.size);
    } else {
      FUZZ_CHECK(rest.size() >= decoded.size);
    }
  } else {
    FUZZ_CHECK(decoded.kind == whole.kind && decoded.size == whole.size);
  }
}

void check_answer(const chimera::Instruction& instruction, Bytes rest) {
  chimera::Answer answer;
  const auto parsed = parse_answer(instruction, rest, answer);
  if (parsed.kind == chimera::ParsedAnswer::Kind::complete) {
    FUZZ_CHECK(parsed.size <= rest.size());
    FUZZ_CHECK(!answer_text(instruction, answer).empty());
  }
  if (parsed.kind == chimera::ParsedAnswer::Kind::incomplete) FUZZ_CHECK(parsed.size > rest.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes stream{data, size};
  while (true) {
    const ExactCopy copy{stream};
    chimera::Instruction instruction;
    const Decoded decoded = decode(copy.bytes(), instruction);
    for (const std::size_t part : {stream.size() / 2, stream.size() - std::min<std::size_t>(stream.size(), 1)}) {
      check_prefix(stream, part, decoded);
    }
    if (decoded.kind == Decoded::Kind::incomplete) FUZZ_CHECK(decoded.size > stream.size());
    if (decoded.kind != Decoded::Kind::complete) return 0;
    FUZZ_CHECK(decoded.size > 0 && decoded.size <= stream.size());
    std::vector<std::uint8_t> encoded;
    encode(instruction, encoded);
    FUZZ_CHECK(std::ranges::equal(encoded, stream.first(static_cast<std::size_t>(decoded.size))));
    stream = stream.subspan(static_cast<std::size_t>(decoded.size));
    check_answer(instruction, stream);
  }
}
