#pragma once
// A link on which something happens between any two instructions.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "tables/answers.h"
#include "tables/link.h"
#include "tables/script.h"
#include "vm/machine.h"

namespace chimera::tables::testing {

/// Sends each instruction by itself, and does something once, before the one that is told.
class SplitLink final : public Link {
 public:
  explicit SplitLink(vm::Machine& machine) : session_(machine.connect()) {}
  std::size_t until = 0;  ///< instructions
  std::function<void()> then;

  Result<> run(const Script& script, Answers& answers) override {
    std::vector<std::uint8_t> all;
    std::size_t begin = 0;
    for (const Script::Question& question : script.questions()) {
      if (then && until-- == 0) std::exchange(then, {})();
      std::vector<std::uint8_t> answer;
      static_cast<void>(session_->run(script.bytes().subspan(begin, question.end - begin), answer));
      all.insert(all.end(), answer.begin(), answer.end());
      begin = question.end;
    }
    answers.start() = std::move(all);
    return answers.finish(script);
  }
  // Nothing is to be sent ahead on it: that would not be split.
  Ticket send(Script) override { std::abort(); }
  Result<> receive(Ticket, Answers&) override { std::abort(); }

 private:
  std::unique_ptr<vm::Session> session_;
};

}  // namespace chimera::tables::testing
