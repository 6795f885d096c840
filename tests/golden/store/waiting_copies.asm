; From version 1.2 on, behind waiting_too.asm: what the journal had no records for before. make.py declares `twin` and
; `before`, clones.

.device table  00000000-0000-4000-8000-000000000001
.device disk   00000000-0000-4000-8000-000000000002
.device far    00000000-0000-4000-8000-000000000003
.device copied 00000000-0000-4000-8000-000000000008
.device late   00000000-0000-4000-8000-000000000009

; A copy that goes in pieces, and changes of both sides behind it.
copy bytes far @1G - 4M copied @16M #8M
write bytes far @1G "behind the copy"
write bytes copied @20M + 100 "behind the copy too"
; Two devices at one moment.
begin
roll back device table twin
roll back device disk before
commit
; A block that somebody waits for stands in the record.
write bytes late @40K file"begin.asm" file"begin.asm" file"go_on.asm"
sync
