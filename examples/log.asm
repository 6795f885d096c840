; An append answers where its bytes have landed, so any number of sessions can write one log, and each knows its records.

create device "log"

append bytes "one\n"
append bytes "two\n"
append bytes "three\n"
read bytes @4 #4                ; where "two" has landed
select offset @0                ; the cursor, moved without touching data
read bytes #4
read bytes #4                   ; each read goes on where the last has ended
close device
