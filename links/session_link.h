#pragma once
// A machine in this process as a link of tables.

#include <memory>

#include "tables/link.h"
#include "tables/script.h"
#include "tables/under_way.h"
#include "vm/machine.h"

namespace chimera::links {

/// A session of its own, on a machine that must outlive it. The caller's thread drives the machine while it waits.
class SessionLink final : public tables::Link {
 public:
  explicit SessionLink(vm::Machine& machine) : machine_(machine), session_(machine.connect()) {}

  tables::Result<> run(const tables::Script& script, tables::Answers& answers) override;
  Ticket send(tables::Script script) override;
  tables::Result<> receive(Ticket ticket, tables::Answers& answers) override;

 private:
  void settle();
  [[nodiscard]] tables::Result<> collect(const tables::Script& script, tables::Answers& answers);

  vm::Machine& machine_;
  std::unique_ptr<vm::Session> session_;
  tables::UnderWay under_way_;
};

}  // namespace chimera::links
