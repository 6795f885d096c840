; A transaction: a sum goes from one account to another, and the journal says so. All of it happens, or nothing.

.device accounts 2f7d3c1e-6a45-4d0b-9c88-51be0f6a7d23
.device journal 8a1b5e60-0c7f-4a29-b3d4-7e92c6f01a58

create device accounts "accounts" "balance u8" "size=1K"
create device journal "journal"
write byte accounts @1 100
write byte accounts @2 20

begin
check byte accounts @1 100        ; as it was when the sum was worked out, or nothing of this happens
check byte accounts @2 20
write byte accounts @1 70
write byte accounts @2 50
append bytes journal "30 from 1 to 2\n"
commit                            ; ok: all of it is on the medium

begin
write byte accounts @1 0
clone device accounts "before"    ; devices are made within a transaction too
abort                             ; nothing of this has happened

read bytes accounts @1 #2         ; "F2": 70 and 50
read bytes journal @0 #15
