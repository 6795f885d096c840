" Vim syntax for Chimera's assembly text. Generated from isa/opcodes.def.
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
syntax match chimeraInstruction "^\s*read\s\+byte\>"
syntax match chimeraInstruction "^\s*check\s\+byte\>"
syntax match chimeraInstruction "^\s*read\s\+bytes\>"
syntax match chimeraInstruction "^\s*check\s\+bytes\>"
syntax match chimeraInstruction "^\s*read\s\+block\>"
syntax match chimeraInstruction "^\s*check\s\+block\>"
syntax match chimeraInstruction "^\s*read\s\+columns\>"
syntax match chimeraInstruction "^\s*read\s\+extents\>"
syntax match chimeraInstruction "^\s*open\s\+device\>"
syntax match chimeraInstruction "^\s*list\s\+devices\>"
syntax match chimeraInstruction "^\s*read\s\+length\>"
syntax match chimeraInstruction "^\s*describe\s\+device\>"
syntax match chimeraInstruction "^\s*read\s\+metadata\>"
syntax match chimeraInstruction "^\s*read\s\+metadata\s\+bytes\>"
syntax match chimeraInstruction "^\s*create\s\+device\>"
syntax match chimeraInstruction "^\s*clone\s\+device\>"
syntax match chimeraInstruction "^\s*write\s\+byte\>"
syntax match chimeraInstruction "^\s*swap\s\+byte\>"
syntax match chimeraInstruction "^\s*write\s\+bytes\>"
syntax match chimeraInstruction "^\s*swap\s\+bytes\>"
syntax match chimeraInstruction "^\s*write\s\+block\>"
syntax match chimeraInstruction "^\s*swap\s\+block\>"
syntax match chimeraInstruction "^\s*write\s\+columns\>"
syntax match chimeraInstruction "^\s*clear\s\+extents\>"
syntax match chimeraInstruction "^\s*close\s\+device\>"
syntax match chimeraInstruction "^\s*flush\s\+device\>"
syntax match chimeraInstruction "^\s*write\s\+length\>"
syntax match chimeraInstruction "^\s*append\s\+bytes\>"
syntax match chimeraInstruction "^\s*write\s\+metadata\>"
syntax match chimeraInstruction "^\s*write\s\+metadata\s\+bytes\>"
syntax match chimeraInstruction "^\s*delete\s\+device\>"
syntax match chimeraInstruction "^\s*begin\>"
syntax match chimeraInstruction "^\s*commit\>"
syntax match chimeraInstruction "^\s*abort\>"
syntax match chimeraInstruction "^\s*sync\>"
syntax match chimeraInstruction "^\s*copy\s\+bytes\>"
syntax match chimeraInstruction "^\s*hello\>"
syntax match chimeraInstruction "^\s*select\s\+device\>"
syntax match chimeraInstruction "^\s*select\s\+offset\>"
syntax match chimeraInstruction "^\s*extension\>"
syntax match chimeraInstruction "^\s*read\s\+digest\>"
syntax match chimeraInstruction "^\s*compare\s\+devices\>"
syntax match chimeraInstruction "^\s*read\s\+metadata\s\+extents\>"
syntax match chimeraInstruction "^\s*clear\s\+metadata\>"
syntax match chimeraInstruction "^\s*check\s\+metadata\s\+bytes\>"
syntax match chimeraInstruction "^\s*rename\s\+device\>"
syntax match chimeraInstruction "^\s*protect\s\+device\>"
syntax match chimeraInstruction "^\s*roll\s\+back\s\+device\>"
syntax match chimeraInstruction "^\s*delete\s\+device\s\+by\s\+force\>"
syntax match chimeraInstruction "^\s*snapshot\>"
syntax match chimeraInstruction "^\s*describe\s\+store\>"
syntax match chimeraInstruction "^\s*commit\s\+with\s\+token\>"
syntax match chimeraInstruction "^\s*outcome\s\+of\s\+token\>"
syntax match chimeraInstruction "^\s*journal\s\+record\>"

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
