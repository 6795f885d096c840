#pragma once
// Values of any size on a device: pieces of some sizes, used again when they are freed. docs/table-format.md has the
// bytes.
//
// What is put, replaced and erased is planned in memory, and becomes a part of the caller's transaction by `emit`, as a
// tree's changes do (btree.h): then `keep`, `abandon` or `forget`. What is planned cannot be read before it is
// committed.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tables/answers.h"
#include "tables/heap_directory.h"
#include "tables/heap_pieces.h"
#include "tables/heap_space.h"
#include "tables/link.h"
#include "tables/place.h"
#include "tables/script.h"
#include "tables/version.h"

namespace chimera::tables {

/// A value as whoever owns it keeps it.
struct HeapValue {
  /// So many bytes or more, as a slot says it: enough to erase or replace a chained value.
  static constexpr std::uint64_t long_size = 0xFFFFFFFE;

  Place place;
  std::uint64_t size = 0;  ///< bytes
  friend bool operator==(const HeapValue&, const HeapValue&) = default;
};

/// Bytes of a value that stand side by side on the device.
struct HeapPart {
  std::uint64_t offset;  ///< of the device
  std::uint64_t size;
};

class Heap {
 public:
  using Bytes = std::span<const std::uint8_t>;

  /// `name` is for notes and errors. Link and version must outlive the heap.
  Heap(Link& link, const Version& version, const Uuid& device, std::string name)
      : link_(link), version_(version), pieces_(link, version, device, std::move(name)), space_(pieces_) {}
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;

  /// Somebody wants to read what its scripts are for.
  void explain() {
    script_ = Script(true);
    pieces_.explain();
  }
  /// Writes an empty heap to a new device, or in the place of what was there.
  static void create(Script& script, const Uuid& device);

  // Failures: `conflict`, the version is not the device's any more; `corrupt`, with the device's name and the place;
  // `out_of_range`, the value is not so long; `too_large`, it has too many pieces (4 TiB and more); `no_space`, the
  // heap is full (16 TiB). After one of a planning function
  // `abandon` what is planned.

  /// Of its device, for errors.
  [[nodiscard]] const std::string& name() const { return pieces_.name(); }
  /// What it holds, what is planned included.
  [[nodiscard]] Result<HeapHeader> header();
  /// A new value, of 1 to heap_largest_piece bytes. Larger ones are appended to.
  [[nodiscard]] Result<Place> put(Bytes value);
  /// Another value (as for `put`) in the place of one, in the same piece if its size is the right one.
  [[nodiscard]] Result<Place> replace(const HeapValue& old, Bytes value);
  /// Adds to the end, of at least one byte, without reading what is there: in place, or in more pieces. What the value
  /// is then. Several in one transaction see each other.
  [[nodiscard]] Result<HeapValue> append(const HeapValue& value, Bytes more);
  /// Overwrites a range.
  [[nodiscard]] Result<> write(const HeapValue& value, std::uint64_t offset, Bytes bytes);
  [[nodiscard]] Result<> erase(const HeapValue& value);

  /// Where a range of a value is, for programs of the caller's own, appended to `parts`. Of a value that is not chained
  /// nothing has to be read for that. What only reads needs no header of the heap, if that is damaged.
  [[nodiscard]] Result<> locate(const HeapValue& value, std::uint64_t offset, std::uint64_t count,
                                std::vector<HeapPart>& parts);
  /// Reads a range, appended to `bytes`.
  [[nodiscard]] Result<> read(const HeapValue& value, std::uint64_t offset, std::uint64_t count,
                              std::vector<std::uint8_t>& bytes);

  // A value that is put in many transactions stands in the heap's header until it is taken. `owner` is a device that
  // whoever puts it keeps open: so others can tell whether he is still there.

  /// Nothing of it is there yet. `too_large`: as many values as there may be are being put.
  [[nodiscard]] Result<> begin_stage(const Uuid& owner);
  /// Adds to the end, of what has `size` bytes. `not_found`: somebody has given it up, or brought the table back.
  [[nodiscard]] Result<> append_to_stage(const Uuid& owner, std::uint64_t size, Bytes more);
  /// The value (none if nothing has been added) is its caller's from now on. `not_found`: as above.
  [[nodiscard]] Result<std::optional<HeapValue>> take_stage(const Uuid& owner);
  /// All owners of such values.
  [[nodiscard]] Result<std::vector<Uuid>> stage_owners();

  /// Bytes of values that `emit` would write, about.
  [[nodiscard]] std::uint64_t changed_bytes() const { return pending_.size(); }
  void emit(Script& script) const;
  void keep();
  void abandon();
  void forget();

 private:
  struct Run {
    std::uint64_t offset;  ///< of the device
    std::size_t begin;     ///< in pending_
    std::size_t size;
    bool ends_value;  ///< nothing of the last value is behind it in its piece
  };

  /// A directory that is in memory, and its own piece.
  struct Chain {
    Place place;
    HeapPiece* piece;
    [[nodiscard]] HeapDirectory directory() const { return HeapDirectory(piece->bytes); }
  };

  /// What bytes are of a value in a piece: where they begin at its front, what is before them is another's; where they
  /// end its content, nothing of it is behind them.
  struct Edges {
    bool at_front;
    bool at_end;
  };
  [[nodiscard]] Result<HeapHeader::Stage*> stage_of(const Uuid& owner);
  void write_later(std::uint64_t offset, Bytes bytes, Edges edges);
  [[nodiscard]] Result<> look_at(const HeapValue& value);
  [[nodiscard]] Result<> look_at_to_read(const HeapValue& value);
  [[nodiscard]] Result<> check_size(const HeapValue& value) const;
  [[nodiscard]] Result<Chain> chain_of(const HeapValue& value);
  [[nodiscard]] Result<Chain> new_chain(std::uint32_t directory_size);
  [[nodiscard]] Result<Chain> make_chain(const HeapValue& value);
  [[nodiscard]] Result<> extend(Chain& chain, Bytes more);
  [[nodiscard]] Result<> widen(Chain& chain);

  Link& link_;
  const Version& version_;
  HeapPieces pieces_;
  HeapSpace space_;
  std::vector<std::uint8_t> pending_;  ///< bytes of values, run by run
  std::vector<Run> runs_;              ///< in the order in which they are to be written
  Script script_;
  Answers answers_;
};

}  // namespace chimera::tables
