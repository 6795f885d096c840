#include "cli/explanation.h"

#include <boost/uuid/uuid_io.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "assembler/disassembler.h"
#include "isa/decoder.h"

namespace chimera::cli {
namespace {

/// A device's name as an identifier of assembly: what stands behind the last slash but for the table, as far as that is
/// unique.
class Names {
 public:
  explicit Names(const std::map<Uuid, std::string>& names) : names_(names) {}

  /// Replaces UUIDs by identifiers, which are remembered.
  std::string replaced(std::string line) {
    for (const auto& [uuid, name] : names_) {
      const std::string written = boost::uuids::to_string(uuid);
      const std::size_t at = line.find(written);
      if (at == std::string::npos || line.find('"') < at) continue;
      line.replace(at, written.size(), identifier_of(uuid, name));
    }
    return line;
  }
  [[nodiscard]] std::string declarations() const {
    std::string text;
    for (const auto& [uuid, identifier] : used_) {
      text += fmt::format(".device {} {}  ; {}\n", identifier, boost::uuids::to_string(uuid), names_.at(uuid));
    }
    return text;
  }

 private:
  const std::string& identifier_of(const Uuid& uuid, const std::string& name) {
    const auto known = std::ranges::find(used_, uuid, &std::pair<Uuid, std::string>::first);
    if (known != used_.end()) return known->second;
    // NAMESPACE/DATABASE/TABLE/COLUMN: the first two are the same for most.
    std::string identifier = name;
    for (int n = 0; n < 2; ++n) {
      const std::size_t slash = identifier.find('/');
      if (slash != std::string::npos) identifier.erase(0, slash + 1);
    }
    std::ranges::replace_if(
        identifier, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
    while (!taken_.insert(identifier).second) identifier += '_';
    return used_.emplace_back(uuid, identifier).second;
  }

  const std::map<Uuid, std::string>& names_;
  std::vector<std::pair<Uuid, std::string>> used_;  ///< in the order of their first use
  std::set<std::string> taken_;
};

}  // namespace

std::string explanation(std::span<const tables::Script> scripts, const std::map<Uuid, std::string>& names) {
  Names identifiers(names);
  std::string text;
  std::size_t number = 0;
  for (const tables::Script& script : scripts) {
    ++number;
    text += fmt::format("\n; program {} of {}{}\n", number, scripts.size(), script.changes() ? "" : ", which reads");
    std::span<const std::uint8_t> rest = script.bytes();
    auto note = script.notes().begin();
    for (std::size_t i = 0; i < script.size(); ++i) {
      for (; note != script.notes().end() && note->instruction <= i; ++note) text += fmt::format("; {}\n", note->words);
      Instruction instruction;
      const Decoded decoded = decode(rest, instruction);
      rest = rest.subspan(static_cast<std::size_t>(decoded.size));
      text += identifiers.replaced(assembler::disassemble(instruction)) + "\n";
    }
  }
  return identifiers.declarations() + text;
}

}  // namespace chimera::cli
