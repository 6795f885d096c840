; Every mistake has its answer, and the stream goes on behind it. This program ends with status 1.

read length                     ; of what?
open device "nobody"
create device "small" "" "size=8K"
create device "small"           ; the failed instruction leaves no current device ...
write bytes @0 "lost?"          ; ... so that this cannot end up on the wrong one
open device "small"
write bytes @8190 "too long"
read block @100                 ; blocks stand at multiples of 4096
write byte 7                    ; a failed write leaves no cursor either
read bytes @0 #33M              ; more than one transfer may have
create device "small" "" "size=much"
