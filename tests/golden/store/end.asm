; The last program that ends in order: a checkpoint follows while the device's blocks are still being freed.

open device "going"
delete device
