; From version 1.2 on, after go_on.asm: a device whose data are a file that is served in place.

.device served 00000000-0000-4000-8000-00000000000a

create device served "served" "a file" "kind=file,path=disk.img"
write metadata served @5 7
sync
