; From version 1.3 on, in place of waiting_files.asm: the file of `served` is cut as well, and here the journal says so.

.device late   00000000-0000-4000-8000-000000000009
.device served 00000000-0000-4000-8000-00000000000a

begin
write bytes served @5000 "committed in place"
write bytes served @12288 file"begin.asm" file"go_on.asm"
write length served @13000
write bytes served @19990 "behind the new end"
write bytes late @50 "together with it"
write metadata served @6 8
commit
