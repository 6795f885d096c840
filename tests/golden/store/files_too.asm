; From version 1.3 on, after files.asm: a second file.

.device shorter 00000000-0000-4000-8000-00000000000b

create device shorter "shorter" "a file too" "kind=file,path=cut.img"
sync
