#pragma once
// A column that is too long for one transaction, before it is one.

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "isa/uuid.h"
#include "tables/link.h"
#include "tables/script.h"

namespace chimera::tables {

/// Fills a new column's entries for the rows from `first` to `end`.
void plan_fill(Script& script, const Uuid& device, std::span<const std::uint8_t> entry, std::uint64_t first,
               std::uint64_t end);

/// A device that is filled beforehand, under a name that means nothing to the table and is nobody else's, and becomes
/// the column's when the schema gets it. Goes with this, unless it is a column's by then. Whoever fills one has it
/// open; what nobody has open any more a crash has left, and the next who fills one for that table takes it away.
class Filling {
 public:
  /// The link must outlive it.
  Filling(Link& link, std::string table) : link_(link), table_(std::move(table)) {}
  Filling(const Filling&) = delete;
  Filling& operator=(const Filling&) = delete;
  ~Filling();

  /// Goes on to so many rows, all with the same entry. From the front where somebody has taken the device away, as
  /// whoever drops or renames the table does.
  [[nodiscard]] Result<> fill(std::span<const std::uint8_t> entry, std::uint64_t rows);
  /// Whether there is such a device, which has entries for `rows()`.
  [[nodiscard]] Result<bool> is_there();
  /// Of a device that is there.
  [[nodiscard]] const Uuid& device() const { return *device_; }
  [[nodiscard]] std::uint64_t rows() const { return rows_; }

 private:
  [[nodiscard]] Result<> begin();
  void give_up();

  Link& link_;
  std::string table_;
  std::string name_;  ///< of the device
  std::optional<Uuid> device_;
  std::uint64_t rows_ = 0;
};

}  // namespace chimera::tables
