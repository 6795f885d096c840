; A table of fixed rows, written by a loop, with a byte of state for each row in the device's metadata: a second array of
; bytes beside the data, as large as the whole range of offsets, that takes no space where nothing is written.

.equ ROW 16
.equ LIVE 1
.equ DELETED 2

create device "rows" "id u8, name 15 bytes"

.repeat 5
write byte @($i * ROW) ($i + 1)                    ; the id: 1 to 5
write bytes "one row of many"                      ; at the cursor, behind it
write metadata @($i * ROW) LIVE
.end

read bytes @(2 * ROW) #ROW
write metadata @(2 * ROW) DELETED                  ; the row's data stays as it is
read metadata bytes @0 #(5 * ROW)
read length
close device
