#pragma once
// What a store must hold: the model of it, the states that the model went through, and the last one that is durable.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "isa/answer.h"
#include "isa/instruction.h"
#include "tests/devices/crash_content.h"
#include "tests/vm/transaction_model.h"

namespace chimera::devices::testing {

class CrashOracle {
 public:
  explicit CrashOracle(vm::testing::Model model) : model_(std::move(model)) { note(); }

  /// Takes note of an answer. Returns what is wrong with it, or an empty string.
  [[nodiscard]] std::string judge(std::size_t session, const Instruction& instruction, const Answer& answer) {
    const bool begins_inside = model_.in_transaction();
    std::string problem = model_.judge(session, instruction, answer);
    if (!problem.empty() || model_.in_transaction()) return problem;
    const std::size_t states_before = states_.size();
    note();
    const bool commits = begins_inside && instruction.operation != Operation::abort && answer.ok();
    if (commits) ++committed_;
    // A commit of nothing promises nothing of what went before.
    const bool has_committed = commits && states_.size() > states_before;
    if (has_committed || (answer.ok() && makes_durable(instruction, session))) durable_ = states_.last();
    return {};
  }
  void disconnect(std::size_t session) { model_.disconnect(session); }

  [[nodiscard]] vm::testing::Model& model() { return model_.model(); }
  [[nodiscard]] const States& states() const { return states_; }
  /// The last state that must survive.
  [[nodiscard]] std::size_t durable() const { return durable_; }
  void set_durable(std::size_t state) { durable_ = std::max(durable_, state); }
  [[nodiscard]] std::uint64_t committed() const { return committed_; }

 private:
  void note() { states_.note(content_of(model_.model())); }

  /// A flush of a device in memory promises nothing of the pool.
  bool makes_durable(const Instruction& instruction, std::size_t session) {
    if (instruction.operation == Operation::sync) return true;
    if (instruction.operation != Operation::flush_device) return false;
    vm::testing::Model& model = model_.model();
    const vm::testing::ModelDevice* device = model.find(model.session(session).current.value_or(Uuid{}));
    return device != nullptr && device->kind == "pool";
  }

  vm::testing::TransactionModel model_;
  States states_;
  std::size_t durable_ = 0;
  std::uint64_t committed_ = 0;
};

}  // namespace chimera::devices::testing
