; After begin.asm, on the store opened again: clones that part from their origins, deletes, clears, shared copies.

.device table  00000000-0000-4000-8000-000000000001
.device disk   00000000-0000-4000-8000-000000000002
.device far    00000000-0000-4000-8000-000000000003
.device brief  00000000-0000-4000-8000-000000000005
.device copied 00000000-0000-4000-8000-000000000008

clone device table "branch"
clone device disk "disk before"
clone device table "twin"
open device "branch"
write bytes @50000 "The branch parts here.\n"
append bytes "and is longer\n"
write columns "id u64, name text, more text"
write bytes table @70000 "The origin parts there.\n"
clear extents table @200000 #300000
write metadata table @20000 2
write bytes disk @0 "changed after the clone"

clone device brief "outlives its origin"
delete device brief

create device copied "copied" ""
copy bytes table @0 copied @1M #1M
write bytes copied @1M "its own beginning"
sync
