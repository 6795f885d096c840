#pragma once
// The model with transactions: what one has done only its own session sees, until its commit makes it the store's.
//
// Sessions take turns. Those whose turn it is not may be amid transactions; what these were told is kept, and has to be
// so again when they go on. One that was told something that is not so any more must lose.

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "isa/answer.h"
#include "isa/instruction.h"
#include "tests/vm/model.h"

namespace chimera::vm::testing {

class TransactionModel {
 public:
  explicit TransactionModel(Model model) : model_(std::move(model)) {}

  /// What is judged from now on is this session's, until another one has a turn.
  void turn(std::size_t session);
  /// As Model::judge, and judge_too_large where that is due.
  [[nodiscard]] std::string judge(std::size_t session, const Instruction& instruction, const Answer& actual);
  /// A transaction that the session has begun is given up.
  void disconnect(std::size_t session);

  /// Whether a session has done something that is not yet part of the store.
  [[nodiscard]] bool in_transaction(std::size_t session) const { return open_.contains(session); }
  /// What everybody sees.
  [[nodiscard]] Model& model() { return model_; }
  /// What this session sees, as its last turn has left it.
  [[nodiscard]] Model& model_of(std::size_t session) {
    const auto found = open_.find(session);
    return found == open_.end() ? model_ : found->second.world;
  }

 private:
  /// An instruction and its answer, by their bytes.
  struct Exchange {
    std::vector<std::uint8_t> instruction, result;
  };
  struct Open {
    Model world;  ///< as it would be if it committed
    std::vector<Exchange> exchanges;
    bool others_ran = false;  ///< since it began
    std::string changed;      ///< what it was told and is not so any more: it must lose
  };

  [[nodiscard]] std::string judge_inside(std::size_t session, Open&, const Instruction&, const Answer&);
  void replay(std::size_t session, Open&);
  void end(std::size_t session, bool has_ended);

  Model model_;
  std::map<std::size_t, Open> open_;
};

}  // namespace chimera::vm::testing
