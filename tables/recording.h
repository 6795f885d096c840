#pragma once
// A link that keeps what is sent through it, to show what an operation is compiled to. What only reads is run, since
// what comes next depends on it; what changes something is not sent, and answered as if all were well.

#include <map>
#include <span>
#include <string>
#include <vector>

#include "isa/uuid.h"
#include "tables/answers.h"
#include "tables/link.h"
#include "tables/script.h"

namespace chimera::tables {

/// What uses it has been opened with TableOptions::explained. After its first change it reads what that would have
/// changed as it was before.
class Recording final : public Link {
 public:
  /// `under` must outlive it.
  explicit Recording(Link& under) : under_(under) {}

  Result<> run(const Script& script, Answers& answers) override;
  Ticket send(Script script) override;
  Result<> receive(Ticket ticket, Answers& answers) override;

  /// All that was sent since the beginning, or since `clear`, in its order.
  [[nodiscard]] std::span<const Script> scripts() const { return scripts_; }
  void clear() { scripts_.clear(); }
  /// The names of devices that have been seen to be opened, listed or created.
  [[nodiscard]] const std::map<Uuid, std::string>& names() const { return names_; }

 private:
  [[nodiscard]] Result<> read(const Script& script, Answers& answers);
  void note_names(const Script& script, const Answers& answers);

  Link& under_;
  bool has_changed_ = false;  ///< something was shown that would have changed the store
  std::vector<Script> scripts_;
  std::map<Uuid, std::string> names_;
  struct Shown {
    Answers answers;
    Result<> outcome;
  };
  std::map<Ticket, Shown> shown_;  ///< of scripts that were sent, and have not been received
  Ticket last_ = 0;
};

}  // namespace chimera::tables
