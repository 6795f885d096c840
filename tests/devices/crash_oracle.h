#pragma once
// What a store must hold: the model of it, the states that the model went through, and what has been promised of them.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "isa/answer.h"
#include "isa/instruction.h"
#include "tests/devices/crash_content.h"
#include "tests/devices/crash_judge.h"
#include "tests/vm/transaction_model.h"

namespace chimera::devices::testing {

class CrashOracle {
 public:
  explicit CrashOracle(vm::testing::Model model) : model_(std::move(model)) { note(); }

  /// The answers that come now are of this session, until the next turn.
  void turn(std::size_t session) { model_.turn(session); }
  /// Takes note of an answer. Returns what is wrong with it, or an empty string.
  [[nodiscard]] std::string judge(std::size_t session, const Instruction& instruction, const Answer& answer) {
    const bool begins_inside = model_.in_transaction(session);
    std::string problem = model_.judge(session, instruction, answer);
    if (answer.status == Status::conflict) ++conflicts_;
    if (!problem.empty() || model_.in_transaction(session)) return problem;
    note();
    const bool commits = begins_inside && instruction.operation != Operation::abort && answer.ok();
    if (commits) ++committed_;
    if (commits || (answer.ok() && makes_durable(instruction, session))) set_durable(states_.last());
    return {};
  }
  /// The same for the answer to `outcome of token` of a session that has no turn. `under_way`: a commit with it may
  /// have happened, and is not answered yet.
  [[nodiscard]] std::string judge_outcome(const Token& token, std::uint8_t outcome, bool under_way) {
    constexpr std::uint8_t committed = 1;
    const bool is_known = model_.model().has_committed(token);
    if (outcome != committed) return is_known ? "a token that was committed is not told as such" : "";
    if (!is_known && !under_way) return "a token is told as committed, and was not";
    const std::string entry = entry_of(token);
    is_known ? set_durable(states_.first_with(entry)) : static_cast<void>(promise_.entry = entry);
    return {};
  }
  void disconnect(std::size_t session) { model_.disconnect(session); }

  /// What everybody sees.
  [[nodiscard]] vm::testing::Model& model() { return model_.model(); }
  /// What a session sees, within its transaction if it is in one.
  [[nodiscard]] vm::testing::Model& model_of(std::size_t session) { return model_.model_of(session); }
  [[nodiscard]] bool in_transaction(std::size_t session) const { return model_.in_transaction(session); }
  [[nodiscard]] const States& states() const { return states_; }
  /// What a crash may not take away any more.
  [[nodiscard]] const Promise& promise() const { return promise_; }
  void set_durable(std::size_t state) { promise_.state = std::max(promise_.state, state); }
  [[nodiscard]] std::uint64_t committed() const { return committed_; }
  [[nodiscard]] std::uint64_t conflicts() const { return conflicts_; }

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
  Promise promise_;
  std::uint64_t committed_ = 0;
  std::uint64_t conflicts_ = 0;
};

}  // namespace chimera::devices::testing
