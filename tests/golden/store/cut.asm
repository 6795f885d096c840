; From version 1.3 on, on a server that is killed when this has been answered: a commit that cuts a file. The store is
; then opened without the file's folder, so that a checkpoint has the cut.

.device shorter 00000000-0000-4000-8000-00000000000b

begin
write length shorter @5000
write bytes shorter @10000 "behind the cut"
write length shorter @30000
commit
