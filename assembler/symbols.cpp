#include "assembler/symbols.h"

#include "isa/nearest.h"

namespace chimera::assembler {

bool Symbols::declare(std::string_view name, Value value) {
  if (!values_.emplace(name, value).second) return false;
  declared_.emplace_back(name);
  return true;
}

const Symbols::Value* Symbols::find(std::string_view name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? nullptr : &found->second;
}

std::string_view Symbols::nearest(std::string_view name) const {
  Nearest nearest{name};
  for (const std::string& declared : declared_) nearest.offer(declared);
  return nearest.best();
}

Symbols::Turn::Turn(Symbols& symbols, std::uint64_t turn) : symbols_{symbols}, declared_{symbols.declared_.size()} {
  symbols_.turns_.push_back(turn);
}

Symbols::Turn::~Turn() {
  symbols_.turns_.pop_back();
  while (symbols_.declared_.size() > declared_) {
    symbols_.values_.erase(symbols_.declared_.back());
    symbols_.declared_.pop_back();
  }
}

}  // namespace chimera::assembler
