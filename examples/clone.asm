; A clone has all of a device's content at one moment and costs no copy: both share their blocks until one of them
; changes something.

.device original 0b9f3f86-8a2d-4f0e-a3c7-5d1e60b2c914
.device second   c27a4e18-5b60-49d3-8e1f-97a0d3b46c2e

create device original "original"
write bytes @0 "chapter one"
write bytes @1M "chapter two"
clone device "frozen"

write bytes original @1M "CHAPTER"                 ; the clone does not see it
open device "frozen"
read bytes @1M #11
close device
read bytes original @1M #11

; Whole blocks are shared by copies as well, and comparing looks only at what is not.
create device second "second"
copy bytes original @0 second @0 #1M
write bytes second @8K "different"
compare devices original second @0 #1M
read digest original @0 #8K
read digest second @0 #8K
