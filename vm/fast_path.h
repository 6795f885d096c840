#pragma once
// The small reads of what is in memory (read byte, bytes, block), and checks of bytes that are as they should be, run
// straight from the stream: no Instruction, no fetch, no allocation. Whatever is not as simple as that is left to the
// dispatcher, untouched, errors included.

#include <cstdint>
#include <span>

#include "vm/answer_queue.h"
#include "vm/registers.h"
#include "vm/statistics.h"

namespace chimera::vm {

class FastPath {
 public:
  FastPath(Registers& registers, AnswerQueue& answers, Statistics& statistics)
      : registers_(registers), answers_(answers), statistics_(statistics) {}

  /// Runs instructions from the front of the stream up to the first that it does not take, while `instructions` (which
  /// it counts down) lasts and the answers stay below about `answer_bytes`. Returns the size of what it has run.
  [[nodiscard]] std::size_t run(std::span<const std::uint8_t> stream, std::size_t answer_bytes,
                                std::uint32_t& instructions);

 private:
  Registers& registers_;
  AnswerQueue& answers_;
  Statistics& statistics_;
};

}  // namespace chimera::vm
