#include <string>
#include <string_view>

#include "isa/opcodes.h"
#include "isa/reference.h"

namespace chimera {
namespace {

constexpr std::string_view front = R"vim(" Vim syntax for Chimera's assembly text. Generated from isa/opcodes.def.
if exists("b:current_syntax")
  finish
endif

syntax match chimeraComment ";.*$"
syntax match chimeraEscape "\\\(x\x\x\|[nrt0\\"]\)" contained
syntax region chimeraString start=+\(hex\|file\)\?"+ skip=+\\.+ end=+"+ oneline contains=chimeraEscape
syntax match chimeraDirective "^\s*\.\(device\|equ\|include\|repeat\|end\|bytes\)\>"
syntax match chimeraNumber "\<\(0x\x\+\|0b[01]\+\|\d\+\)[KMGT]\?\>"
syntax match chimeraUuid "\<\x\{8}-\x\{4}-\x\{4}-\x\{4}-\x\{12}\>"
syntax match chimeraTurn "\$i\>"
syntax match chimeraPlace "[@#]"
)vim";

constexpr std::string_view back = R"vim(
highlight default link chimeraComment Comment
highlight default link chimeraString String
highlight default link chimeraEscape SpecialChar
highlight default link chimeraDirective PreProc
highlight default link chimeraNumber Number
highlight default link chimeraUuid Identifier
highlight default link chimeraTurn Identifier
highlight default link chimeraPlace Operator
highlight default link chimeraInstruction Statement

let b:current_syntax = "chimera"
)vim";

}  // namespace

std::string vim_syntax() {
  std::string text{front};
  for (const Row& row : rows) {
    text += "syntax match chimeraInstruction \"^\\s*";
    for (char c : row.mnemonic) text += c == ' ' ? std::string_view{"\\s\\+"} : std::string_view{&c, 1};
    text += "\\>\"\n";
  }
  text += back;
  return text;
}

}  // namespace chimera
