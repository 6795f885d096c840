#pragma once
// A machine in this process on a store, with one session, for subjects that need no server.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bench/workload.h"
#include "cli/embedded_endpoint.h"
#include "isa/builder.h"
#include "vm/machine.h"

namespace chimera::bench {

/// Fails (ends the process) whenever an answer is not ok.
class EmbeddedStore {
 public:
  EmbeddedStore(const std::string& path, std::uint64_t cache_bytes);
  ~EmbeddedStore();

  [[nodiscard]] vm::Machine& machine() { return *embedded_.machine; }
  [[nodiscard]] vm::Session& session() { return *session_; }

  /// Runs a program and looks at each answer.
  void run(const Program& program);
  /// Runs a program whose answers are `answer_bytes` long if all are ok, and looks at nothing but that. The answers
  /// are valid until the next run.
  std::span<const std::uint8_t> run_fast(std::span<const std::uint8_t> program, std::size_t answer_bytes);
  /// Returns when what deleted devices held is free again.
  void await_freed();

 private:
  cli::EmbeddedMachine embedded_;
  std::unique_ptr<vm::Session> session_;
  std::vector<std::uint8_t> answers_;
};

/// Ends the process unless every answer to the program is ok.
void check_answers(std::span<const std::uint8_t> program, std::span<const std::uint8_t> answers);

}  // namespace chimera::bench
