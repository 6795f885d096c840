; A device of 16 TiB that holds two blocks. What was never written is a hole: it reads as zeros and takes no space.

create device "vast" "" "size=16T"

write bytes @5G "far out"
write bytes @12T file"sparse.asm"      ; this text itself
read bytes @(5G + 4) #3
read extents @0 #16T            ; data and holes, from the maps alone

clear extents @5G #4K           ; given back
read bytes @5G #7
read extents @4G #2G
close device
