; A device is made, written, read. One instruction a line; every one of them has an answer.

create device "greetings" "text"

write bytes @0 "Hello, "        ; at offset 0
write bytes "world!\n"          ; no offset: at the cursor, right behind the write before
read bytes @0 #14
read length

flush device                    ; everything answered so far is on the disk now
close device
