#pragma once
// Sends a program to an endpoint and prints what comes back.

#include <cstdint>
#include <expected>
#include <string>

#include "cli/endpoint.h"
#include "cli/program.h"

namespace chimera::cli {

struct RunOutput {
  enum class Form : std::uint8_t {
    table,  ///< each instruction beside its answer
    json,   ///< one JSON object a line, one an answer
    raw,    ///< the answers' bytes as they came
  };
  Form form = Form::table;
  bool show_bytes = false;  ///< a column with each instruction's first bytes, in the table
};

struct RunOutcome {
  std::uint64_t answers = 0;
  std::uint64_t errors = 0;  ///< answers that were not ok
  bool ended = false;        ///< the stream ended within the program (an illegal instruction)
};

/// Runs one program after whatever the session has run before. Half an instruction at its end is an error of the
/// program: what stands before it has been run and printed by then.
[[nodiscard]] std::expected<RunOutcome, std::string> run_program(Endpoint& endpoint, const LoadedProgram& program,
                                                                 const RunOutput& output);

}  // namespace chimera::cli
