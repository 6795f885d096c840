#pragma once
// A long value on its way into the heap of a column, in transactions of some MiB each, of which several are under way
// at a time: each builds on the one before it. Nobody sees anything of it until a row is given it (BlobWriter).
//
// Its owner is a device in memory that this session has open. Whoever ends, however that happens, is found to be gone
// by the next who puts a value in that heap, who erases what he has left.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "isa/uuid.h"
#include "tables/heap.h"
#include "tables/link.h"
#include "tables/pieces_under_way.h"
#include "tables/table.h"

namespace chimera::tables {

/// One thread at a time. The table must outlive it.
class BlobStage {
 public:
  using Bytes = std::vector<std::uint8_t>;
  BlobStage(Table& table, std::string column) : table_(&table), column_(std::move(column)) {}
  BlobStage(BlobStage&& other) noexcept;
  BlobStage& operator=(BlobStage&&) = delete;
  /// Gives it up, unless a row has it.
  ~BlobStage();

  /// Erases what those have left in the heap who are gone, and deletes the devices that they have left.
  [[nodiscard]] Result<> erase_what_is_left();
  /// Adds to the end; the first makes the stage. A failure may be of what was added before (PiecesUnderWay).
  /// `too_large`: 16 such values are being put in the same heap.
  [[nodiscard]] Result<> add(Bytes piece);
  /// Waits until all that was added is there.
  [[nodiscard]] Result<> settle();

  [[nodiscard]] bool is_begun() const { return !owner_.is_nil(); }
  [[nodiscard]] const Uuid& owner() const { return owner_; }
  /// Bytes that were added.
  [[nodiscard]] std::uint64_t size() const { return pieces_.size(); }
  /// Adds the rest to the stage in a change of the caller's, who puts what it returns into a row with it.
  [[nodiscard]] Result<HeapValue> take(Heap& heap, std::span<const std::uint8_t> rest) const;
  /// That change has been committed.
  void taken();

 private:
  [[nodiscard]] Result<> begin();
  [[nodiscard]] Result<std::vector<Uuid>> owners_here() const;
  [[nodiscard]] Result<bool> is_gone(const Uuid& owner) const;
  [[nodiscard]] PiecesUnderWay::Plan plan() const;
  void give_up();
  void delete_owner();

  Table* table_;
  std::string column_;
  Uuid owner_{};
  PiecesUnderWay pieces_;
};

}  // namespace chimera::tables
