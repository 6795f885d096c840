#pragma once
// A store that takes small transactions alone.

#include <algorithm>
#include <cstddef>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include "tests/tables/memory_ground.h"

namespace chimera::tables::testing {

/// Counts what is under way.
class NarrowLink final : public Link {
 public:
  explicit NarrowLink(vm::Machine& machine) : link_(machine) {}

  std::size_t most_bytes = std::numeric_limits<std::size_t>::max();  ///< of a script that changes something
  std::size_t most_under_way = 0, waits = 0, refused = 0, committed = 0;
  std::size_t greatest = 0;  ///< bytes of a script that changes something

  Result<> run(const Script& script, Answers& answers) override {
    if (is_refused(script)) return too_large();
    waits += tickets_.empty() ? 0 : 1;
    committed += script.changes() ? 1 : 0;
    return link_.run(script, answers);
  }
  Ticket send(Script script) override {
    const bool refused_now = is_refused(script);
    tickets_[++last_] = refused_now ? std::nullopt : std::optional(link_.send(std::move(script)));
    most_under_way = std::max(most_under_way, tickets_.size());
    return last_;
  }
  Result<> receive(Ticket ticket, Answers& answers) override {
    const std::optional<Ticket> sent = tickets_.at(ticket);
    tickets_.erase(ticket);
    if (!sent) return too_large();
    auto done = link_.receive(*sent, answers);
    committed += done ? 1 : 0;
    return done;
  }

 private:
  bool is_refused(const Script& script) {
    if (script.changes()) greatest = std::max(greatest, script.bytes().size());
    const bool is = script.changes() && script.bytes().size() > most_bytes;
    refused += is ? 1 : 0;
    return is;
  }
  static std::unexpected<Failure> too_large() {
    return std::unexpected(Failure{Status::too_large, "Too large: commit in smaller ones.", 2});
  }

  links::SessionLink link_;
  std::map<Ticket, std::optional<Ticket>> tickets_;
  Ticket last_ = 0;
};

}  // namespace chimera::tables::testing
