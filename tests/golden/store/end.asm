; Last, on a server that is killed when this has been answered.

open device "going"
delete device
sync
