; What the golden store of a version is made of; make.py runs this, go_on.asm and end.asm, one after the other.

.device table  00000000-0000-4000-8000-000000000001
.device disk   00000000-0000-4000-8000-000000000002
.device far    00000000-0000-4000-8000-000000000003
.device locked 00000000-0000-4000-8000-000000000004
.device brief  00000000-0000-4000-8000-000000000005
.device going  00000000-0000-4000-8000-000000000006
.device empty  00000000-0000-4000-8000-000000000007

; Grows, with holes, columns and metadata near both ends of its range.
create device table "table" "id u64, name text"
.repeat 120
write bytes @$i * 10000 "row of the table\n"
write metadata table @$i * 10000 1
.end
write bytes @3M "Unaligned, over the end of a block." "x"
write metadata bytes table @0xFFFFFFFFFFFFFFF0 "the last bytes.\n"

; A disk: its length is fixed, and its last block is not a whole one.
create device disk "disk" "" "size=5000000"
write bytes @0 file"begin.asm"
write bytes @4999990 "0123456789"
.repeat 40
write byte @1M + $i * 4097 $i + 1
.end

; 16 TiB with bytes at its end and here and there.
create device far "far away" "" "size=16T"
write bytes @0 "first"
write bytes @1G "after a gigabyte"
write bytes @16T - 5000 "over a boundary of blocks, near the end"
write bytes @16T - 4 "last"

create device locked "locked é \"quoted\"" "kept"
append bytes "written once\n"
protect device locked 1

create device brief "brief" "gone soon"
.repeat 30
write bytes @$i * 100000 "what is deleted before the end"
.end

create device going "going" ""
.repeat 300
write bytes @$i * 1M "a leaf for each of these"
.end

create device empty "empty" ""
sync
