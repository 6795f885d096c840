#pragma once
// A program on its way through a session: how far its answers have come.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "embed/checked_program.h"

namespace chimera::embed {

class ProgramRun {
 public:
  /// `tag`: the submitter's, for nobody else. A `waited_for` one is told by the call that runs it, not by reap.
  ProgramRun(CheckedProgram::Bytes program, void* tag, bool waited_for)
      : program_(std::move(program)), tag_(tag), waited_for_(waited_for) {}

  /// Takes as many of these answers as belong to this program and are whole; how many bytes that is, or nothing if what
  /// stands there is no answer.
  [[nodiscard]] std::optional<std::size_t> take(std::span<const std::uint8_t> answers);
  [[nodiscard]] bool is_done() const { return failed_ || at_ == program_->size(); }
  /// It will not be answered any more.
  void give_up(int code, std::string why);

  /// CHIMERA_OK, the first status that is not, or the code that it was given up with.
  [[nodiscard]] int status() const { return status_; }
  [[nodiscard]] const std::string& message() const { return message_; }
  [[nodiscard]] const std::vector<std::uint8_t>& program() const { return *program_; }
  [[nodiscard]] const std::vector<std::uint8_t>& answers() const { return answers_; }
  [[nodiscard]] std::size_t count() const { return count_; }
  [[nodiscard]] void* tag() const { return tag_; }
  [[nodiscard]] bool waited_for() const { return waited_for_; }

 private:
  void note(const Instruction& instruction, int status, std::string_view message, std::size_t number);

  CheckedProgram::Bytes program_;
  std::vector<std::uint8_t> answers_;
  std::string message_;
  std::size_t at_ = 0;      ///< bytes of the program whose answers are here
  std::size_t count_ = 0;   ///< instructions in front of that
  std::size_t wanted_ = 1;  ///< bytes of the next answer that must be there before it is worth being looked at
  void* tag_;
  int status_ = 0;
  bool waited_for_;
  bool failed_ = false;
};

}  // namespace chimera::embed
