#include "isa/opcodes.h"

#include "isa/forms.h"

namespace chimera {

const Form& form_of(std::uint8_t opcode) noexcept { return detail::first_forms[opcode]; }

const Form& form_of_extension(std::uint8_t second) noexcept { return detail::extension_forms[second]; }

}  // namespace chimera
