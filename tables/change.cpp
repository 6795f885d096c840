#include "tables/change.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tables/answers.h"
#include "tables/safeguards.h"

namespace chimera::tables {

Change::Change(Link& link, bool explained) : script(explained), link_(link) { script.begin(); }

Change::~Change() {
  if (committed_ || !safeguards::plans_are_given_up) return;
  for (OpenTable* const table : tables_) table->abandon();
}

void Change::join(OpenTable& table) {
  if (std::ranges::find(tables_, &table) != tables_.end()) return;
  tables_.push_back(&table);
  if (safeguards::changes_are_checked) table.version().check(script);
}

void Change::end_script() {
  for (OpenTable* const table : tables_) table->emit(script);
  script.note([] { return std::string("all of it, or nothing"); });
  script.commit();
}

void Change::keep() {
  committed_ = true;
  for (OpenTable* const table : tables_) table->keep();
}

Result<> Change::check_may_change() const {
  for (const OpenTable* const table : tables_) {
    if (!table->is_read_only) continue;
    return std::unexpected(Failure{
        Status::denied, fmt::format("{} is the catalogue's own: it changes as tables are made, renamed and dropped.",
                                    table->shape().name)});
  }
  return {};
}

Result<> Change::commit() {
  if (auto may = check_may_change(); !may) return may;
  end_script();
  Answers answers;
  Result<> done = link_.run(script, answers);
  if (done) keep();
  return done;
}

Result<Link::Ticket> Change::send() {
  if (auto may = check_may_change(); !may) return std::unexpected(std::move(may.error()));
  end_script();
  const Link::Ticket ticket = link_.send(std::move(script));
  keep();
  return ticket;
}

bool is_lost_race(const Failure& failure) noexcept {
  if (failure.status == Status::conflict) return true;
  if (failure.instruction == Failure::nowhere) return false;
  // A device that is gone, or has come: the table was dropped, made or changed in its shape.
  return failure.status == Status::mismatch || failure.status == Status::aborted ||
         failure.status == Status::not_found || failure.status == Status::exists;
}

}  // namespace chimera::tables
