; From version 1.2 on, the last: a commit that the file of `served` has not taken yet when the server is killed.

.device late   00000000-0000-4000-8000-000000000009
.device served 00000000-0000-4000-8000-00000000000a

begin
write bytes served @5000 "committed in place"
write bytes served @8192 file"begin.asm" file"go_on.asm" file"waiting.asm" file"begin.asm"
write bytes served @19990 "over the end of the file"
write bytes late @50 "together with it"
write metadata served @6 8
commit
