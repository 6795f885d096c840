#pragma once
// A table as it is at one moment: clones of all its devices, made in one transaction, so that reading may take as long
// as it likes while others go on. Clones cost no copy; what is changed meanwhile keeps the blocks of before.
//
// The clones are called `:moment/RANDOM/NAMESPACE/DATABASE/TABLE` and so on, as the table's devices are. Who made them
// has them open, and deletes them when he has read. Whoever ends before that, however it happens, has them open no
// longer: the next who makes some deletes what he has left.

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "isa/uuid.h"
#include "tables/link.h"
#include "tables/script.h"
#include "tables/table.h"

namespace chimera::tables {

/// One thread at a time. Refers to the table's link, which must outlive it.
class Moment {
 public:
  /// Makes the clones, and deletes those that others have left. Where columns or indexes are changed between learning
  /// which devices there are and cloning them, it is done again. Where programs are only shown nothing is cloned.
  [[nodiscard]] static Result<std::unique_ptr<Moment>> take(Table& table);
  Moment(const Moment&) = delete;
  Moment& operator=(const Moment&) = delete;
  /// Deletes the clones, as well as that can be.
  ~Moment();

  /// What is to be read, and nothing else: the clones, or where these are only shown the table itself.
  [[nodiscard]] Table& table() { return clone_ ? *clone_ : original_; }
  /// What it is of.
  [[nodiscard]] const Table& original() const { return original_; }
  /// Deletes the clones; `table` is of no use afterwards. Once is enough.
  [[nodiscard]] Result<> end();

 private:
  explicit Moment(Table& table) : original_(table) {}
  [[nodiscard]] Result<> make(OpenTable& table);

  Table& original_;
  std::optional<Table> clone_;
  std::string name_;           ///< of the header's clone
  std::vector<Uuid> devices_;  ///< the header's clone first; none: there is nothing to delete
};

/// Clones of one moment that are there, whoever has made them.
struct ListedMoment {
  std::string name;           ///< of the first device, the header's
  std::vector<Uuid> devices;  ///< the header's first
};
/// Of all tables, in the order of their names.
[[nodiscard]] Result<std::vector<ListedMoment>> list_moments(Link& link, bool explained = false);
/// Deletes those that nobody has open, as well as that can be: it is not to end what somebody else is about to do.
void delete_left_moments(Link& link, bool explained = false);

}  // namespace chimera::tables
