; Changes a disk image that holds an ext4 file system, as `./dev demo` does it. LETTER is the place of a file's content.

.equ SUPERBLOCK 1024
.equ MAGIC SUPERBLOCK + 0x38
.equ LABEL SUPERBLOCK + 0x78

open device "disk"
clone device "disk before"                         ; free, and whatever happens now, there is a way back

check bytes @MAGIC hex"53 ef"                      ; is it ext4?
swap bytes @LABEL "changed\0\0\0\0\0\0\0\0\0"      ; answers the old label
check bytes @LETTER "Dear reader"
write bytes @LETTER "DEAR READER"

.repeat 16
write bytes @($i * 64) "boot sector of no boot "   ; the first KiB of an ext4 image is anybody's
.end

flush device
