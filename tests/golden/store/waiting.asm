; On a server that is killed when waiting_too.asm has been answered: what this does stands in the journal alone.

.device table  00000000-0000-4000-8000-000000000001
.device disk   00000000-0000-4000-8000-000000000002
.device far    00000000-0000-4000-8000-000000000003
.device empty  00000000-0000-4000-8000-000000000007
.device late   00000000-0000-4000-8000-000000000009

create device late "late" "made by a record"
write bytes @100 "a piece of a block"
write bytes @4000 file"begin.asm" file"begin.asm" file"begin.asm" file"begin.asm" file"begin.asm" file"begin.asm"
write metadata bytes late @4090 "over a boundary"
write bytes disk @0 "changed once more"
swap bytes far @1G "after a crash    "
clear extents table @0 #10000
clear metadata table @20000 #1
write columns empty "no longer without"
sync
