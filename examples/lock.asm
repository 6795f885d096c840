; Locks in shared bytes: a swap answers what was there before, in one step that no other session can get between.

.device locks 6d1f0c52-43a7-4b19-8f3e-2b7c90d1e5a4
.equ FREE 0
.equ TAKEN 1

create device locks "locks" "state u8" "size=1K"

swap byte @7 TAKEN              ; 0x00: lock 7 was free, and is ours
swap byte @7 TAKEN              ; 0x01: taken already, by us as it happens
check byte @7 TAKEN             ; a check answers ok or mismatch
write byte @7 FREE              ; given back
check byte locks @7 FREE        ; the device by its name above, or the current one where it is left out
close device
