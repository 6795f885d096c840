#pragma once
// The pieces of a heap that are not values but tell where others are (trunks, directories), as far as they are in
// memory: read when they are needed, changed here first.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tables/answers.h"
#include "tables/link.h"
#include "tables/script.h"
#include "tables/version.h"

namespace chimera::tables {

struct HeapPiece {
  enum class Kind : std::uint8_t { trunk, directory };

  Kind kind;
  std::vector<std::uint8_t> bytes;   ///< the whole piece
  std::vector<std::uint8_t> before;  ///< what the device has, if it is changed and not new
  bool is_changed = false;
};

/// Pointers to pieces hold until they are dropped, or `keep`, `abandon` or `forget`.
class HeapPieces {
 public:
  HeapPieces(Link& link, const Version& version, const Uuid& device, std::string name)
      : link_(link), version_(version), device_(device), name_(std::move(name)) {}

  /// Somebody wants to read what its scripts are for.
  void explain() { script_ = Script(true); }
  /// Reads so many bytes at an offset of the device, into memory of the caller's own.
  [[nodiscard]] Result<std::vector<std::uint8_t>> read(std::uint64_t offset, std::uint32_t size);
  /// The piece at a granule; `is_fresh`: it has been read now, and nobody has looked at its bytes. `corrupt` if the
  /// same granule is known as something else.
  [[nodiscard]] Result<HeapPiece*> get(HeapPiece::Kind kind, std::uint64_t granule, std::uint32_t size, bool& is_fresh);
  /// A new one, of zeros; a trunk may have been one before. `corrupt` if anything else is there.
  [[nodiscard]] Result<HeapPiece*> add(HeapPiece::Kind kind, std::uint64_t granule, std::uint32_t size);
  /// To be changed.
  [[nodiscard]] std::vector<std::uint8_t>& edit(std::uint64_t granule, HeapPiece& piece);
  /// It is no such piece any more.
  void drop(std::uint64_t granule) { pieces_.erase(granule); }

  void emit(Script& script) const;
  void keep();
  void abandon();
  void forget();

  /// "heap" is damaged: … at granule N.
  [[nodiscard]] Failure damaged(std::uint64_t granule, std::string_view problem) const;
  [[nodiscard]] const Uuid& device() const { return device_; }
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  void settle();

  Link& link_;
  const Version& version_;
  Uuid device_;
  std::string name_;
  std::unordered_map<std::uint64_t, HeapPiece> pieces_;
  std::vector<std::uint64_t> changed_;  ///< granules, perhaps of some that have been dropped
  Script script_;
  Answers answers_;
};

}  // namespace chimera::tables
