#pragma once
// A change of one table or several that is being made: one transaction, which happens as a whole or not at all.
//
//     Change change(link, explained);
//     change.join(table);             // its version is checked
//     …                               // plans in trees, heaps and headers; writes to columns go into `script`
//     auto done = change.commit();    // the rest is appended, all is sent

#include <vector>

#include "tables/link.h"
#include "tables/open_table.h"
#include "tables/script.h"

namespace chimera::tables {

class Change {
 public:
  Change(Link& link, bool explained);
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;
  /// What has not been committed does not happen: the tables give up what they have planned.
  ~Change();

  Script script;

  /// The table takes part; it must outlive this. More than once is once.
  void join(OpenTable& table);
  /// Sends it. After a failure nothing has happened, unless it is in doubt (Failure::is_in_doubt). `denied`: one of the
  /// tables is read-only.
  [[nodiscard]] Result<> commit();
  /// Sends it and does not wait. The tables go on as if it had been committed, so the next change builds on it, and
  /// fails with it. Whoever receives that it has failed brings them back (Table::prepare_again).
  /// A failure is of what was not sent: `denied`, as above.
  [[nodiscard]] Result<Link::Ticket> send();

 private:
  [[nodiscard]] Result<> check_may_change() const;
  void end_script();
  void keep();

  Link& link_;
  std::vector<OpenTable*> tables_;
  bool committed_ = false;
};

/// Whether somebody else's change is why this did not succeed, so that it should be tried again from the start.
[[nodiscard]] bool is_lost_race(const Failure& failure) noexcept;

}  // namespace chimera::tables
