#pragma once
// A link that keeps what is sent through it, to show what an operation is compiled to. What only reads is run, since
// what comes next depends on it; what changes something is not sent, and answered as if all were well.

#include <deque>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "isa/uuid.h"
#include "tables/answers.h"
#include "tables/link.h"
#include "tables/script.h"

namespace chimera::tables {

/// What uses it has been opened with TableOptions::explained, and is of no use after its first change.
class Recording final : public Link {
 public:
  /// `under` must outlive it.
  explicit Recording(Link& under) : under_(under) {}

  Result<> run(const Script& script, Answers& answers) override;
  void send(Script script) override;
  Result<> receive(Answers& answers) override;

  /// All that was sent since the beginning, or since `clear`, in its order.
  [[nodiscard]] std::span<const Script> scripts() const { return scripts_; }
  void clear() { scripts_.clear(); }
  /// The names of devices that have been seen to be opened, listed or created.
  [[nodiscard]] const std::map<Uuid, std::string>& names() const { return names_; }

 private:
  void note_names(const Script& script, const Answers& answers);

  Link& under_;
  std::vector<Script> scripts_;
  std::map<Uuid, std::string> names_;
  std::deque<Script> under_way_;
};

}  // namespace chimera::tables
