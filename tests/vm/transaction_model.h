#pragma once
// The model with transactions: their own session sees at once what they do, the store gets it as a whole at commit.

#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "isa/answer.h"
#include "isa/instruction.h"
#include "tests/vm/model.h"

namespace chimera::vm::testing {

/// Whether the machine has them. Where it has not, begin, commit and abort answer `unsupported`.
inline constexpr bool transactions_exist = true;

/// For sessions that run one after the other: between the begin of one and its end no other is asked anything.
class TransactionModel {
 public:
  explicit TransactionModel(Model model, bool has_transactions = transactions_exist)
      : model_(std::move(model)), has_transactions_(has_transactions) {}

  /// As Model::judge, and judge_too_large where that is due.
  [[nodiscard]] std::string judge(std::size_t session, const Instruction& instruction, const Answer& actual);
  /// A transaction that the session has begun is given up.
  void disconnect(std::size_t session);

  /// What it holds is not yet part of the store.
  [[nodiscard]] bool in_transaction() const { return before_.has_value(); }
  [[nodiscard]] Model& model() { return model_; }

 private:
  [[nodiscard]] std::string judge_alone(std::size_t session, const Instruction& instruction, const Answer& actual);
  [[nodiscard]] std::string judge_inside(std::size_t session, const Instruction& instruction, const Answer& actual);
  [[nodiscard]] std::string judge_end(const Instruction& instruction, const Answer& actual);
  void give_up();

  Model model_;
  bool has_transactions_;
  std::optional<Model> before_;  ///< as at begin
  bool doomed_ = false;
};

}  // namespace chimera::vm::testing
