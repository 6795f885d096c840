#pragma once
// The names of a source: devices and numbers.

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "isa/uuid.h"

namespace chimera::assembler {

/// What `.device` or `.equ` declared. Those of a `.repeat`'s body last for its turn.
class Symbols {
 public:
  using Value = std::variant<Uuid, std::uint64_t>;

  /// False if the name is taken.
  [[nodiscard]] bool declare(std::string_view name, Value value);
  /// Null if there is none.
  [[nodiscard]] const Value* find(std::string_view name) const;
  /// The declared name that is like `name`; empty if none is.
  [[nodiscard]] std::string_view nearest(std::string_view name) const;

  /// Forgets, when it goes, what has been declared since it was made; within it $i is `turn`.
  class Turn {
   public:
    Turn(Symbols& symbols, std::uint64_t turn);
    ~Turn();
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    Symbols& symbols_;
    std::size_t declared_;
  };
  /// The innermost turn of `.repeat`; null outside.
  [[nodiscard]] const std::uint64_t* turn() const { return turns_.empty() ? nullptr : &turns_.back(); }

 private:
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  std::unordered_map<std::string, Value, Hash, std::equal_to<>> values_;
  std::vector<std::string> declared_;  ///< in order
  std::vector<std::uint64_t> turns_;
};

}  // namespace chimera::assembler
