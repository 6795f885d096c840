#include "assembler/assembler.h"

#include "assembler/assembly.h"
#include "isa/utf8.h"

namespace chimera::assembler {

std::string Assembled::diagnostics_text() const {
  std::string text;
  for (const Diagnostic& diagnostic : diagnostics) text += diagnostic.text() + "\n";
  return text;
}

Assembled assemble(std::string_view source, std::string_view file_name, const FileReader& reader,
                   const AssemblyLimits& limits) {
  return Assembly{reader, limits}.run(source, file_name);
}

bool looks_like_text(std::span<const std::uint8_t> bytes) noexcept {
  std::string_view text{reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  while (!text.empty()) {
    const Utf8Character character = first_character(text);
    const bool blank = character.point == '\t' || character.point == '\n' || character.point == '\r';
    if (character.size == 0 || (is_control(character.point) && !blank)) return false;
    text.remove_prefix(character.size);
  }
  return true;
}

}  // namespace chimera::assembler
