; A second record, behind that of waiting.asm. make.py declares `twin`, a clone, whose UUID only the store knows.

.device table  00000000-0000-4000-8000-000000000001
.device locked 00000000-0000-4000-8000-000000000004
.device empty  00000000-0000-4000-8000-000000000007
.device copied 00000000-0000-4000-8000-000000000008
.device late   00000000-0000-4000-8000-000000000009

write bytes late @8192 file"begin.asm" file"go_on.asm" file"begin.asm" file"go_on.asm"
clone device late "late branch"
write bytes late @8192 "behind the clone"
write length late @9000
roll back device table twin
rename device copied "copied and renamed"
protect device locked 0
append bytes locked "written twice\n"
protect device locked 1
copy bytes table @1M late @16K #8K
delete device empty
sync
