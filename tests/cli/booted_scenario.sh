#!/usr/bin/env bash
# What an operator does with the packages, in a small Debian that has just started: package_test.py puts it there, with the
# packages in /packages. Whatever goes wrong ends it.
set -eux
touch /started
program() { chimera send unix:/run/chimera/disks.socket -; }
main_process() { systemctl show --property MainPID --value chimera@disks.service; }

dpkg --install /packages/libchimera0_*.deb /packages/chimera_*.deb
setpriv --reuid=chimera --regid=chimera --init-groups chimera format /var/lib/chimera/disks.img --size 64M
printf 'store = disks.img\ncache = 128M\n' >/etc/chimera/disks.conf
systemctl enable --now chimera@disks.socket chimera-nbd@disks.socket chimera-metrics@disks.socket
[[ $(stat -c '%a %U %G' /run/chimera/disks.socket) == '660 chimera chimera' ]]

# It starts with its first client, and systemd knows what it does.
[[ $(main_process) == 0 ]]
printf 'create device "disk" "" "size=1M"\nwrite bytes @0 "kept"\nflush device\n' | program
[[ $(systemctl show --property StatusText --value chimera@disks.service) == 'serving disks.img '*'for NBD on unix:/run/chimera/disks.nbd'* ]]
[[ $(systemctl show --property StatusText --value chimera@disks.service) == *'metrics on unix:/run/chimera/disks.metrics'* ]]
[[ $(systemctl show --property WatchdogUSec --value chimera@disks.service) == 1min ]]
[[ $(ps -o user= -p "$(main_process)" 2>/dev/null || stat -c %U "/proc/$(main_process)") == chimera ]]
journalctl --sync
journalctl --unit chimera@disks.service | grep -q 'uring I/O'

# An upgrade restarts it; a kill does not end it. What was durable is there.
before=$(main_process)
dpkg --install /packages/libchimera0_*.deb /packages/chimera_*.deb
[[ $(main_process) != "$before" && $(main_process) != 0 ]]
printf 'open device "disk"\nread bytes @0 #4\n' | program | grep -q '"kept"'
before=$(main_process)
kill -KILL "$before"
# A client that comes before it has died may be its last one.
while [[ $(main_process) == "$before" ]]; do sleep 0.1; done
printf 'open device "disk"\nread bytes @0 #4\n' | program | grep -q '"kept"'
[[ $(main_process) != "$before" ]]

stop() { systemctl stop chimera@disks.socket chimera-nbd@disks.socket chimera-metrics@disks.socket chimera@disks.service; }
drop_in() { mkdir -p "/etc/systemd/system/$1.d" && cat >"/etc/systemd/system/$1.d/$2" && systemctl daemon-reload; }
stop
[[ $(systemctl show --property Result --value chimera@disks.service) == success ]]
chimera check /var/lib/chimera/disks.img

# What docs/operating.md has operators allow. TCP by a socket of systemd's: the server has no network.
printf '[Socket]\nListenStream=127.0.0.1:10809\n' | drop_in chimera-nbd@disks.socket tcp.conf
systemctl start chimera@disks.socket chimera-nbd@disks.socket
exec {nbd}<>/dev/tcp/127.0.0.1/10809
read -r -N 8 -u "$nbd" greeting
[[ $greeting == NBDMAGIC ]]
exec {nbd}>&-
[[ $(systemctl show --property StatusText --value chimera@disks.service) == *'NBD on tcp:127.0.0.1:10809'* ]]
stop

# TCP by the server's own address.
printf 'listen = tcp:4096\n' >>/etc/chimera/disks.conf
printf '[Service]\nPrivateNetwork=no\nRestrictAddressFamilies=AF_UNIX AF_INET AF_INET6\n' |
  drop_in chimera@disks.service more.conf
systemctl start chimera@disks.service
printf 'open device "disk"\nread bytes @0 #4\n' | chimera send tcp:127.0.0.1:4096 - | grep -q '"kept"'
stop

# A store on a block device, if this computer has one to spare.
if [[ -b /dev/spare ]]; then
  printf 'store = /dev/spare\n' >/etc/chimera/disks.conf
  chgrp disk /dev/spare
  chmod 0660 /dev/spare
  setpriv --reuid=chimera --regid=chimera --groups=disk chimera format /dev/spare
  printf '[Service]\nPrivateDevices=no\nDeviceAllow=/dev/spare rw\nSupplementaryGroups=disk\n' |
    drop_in chimera@disks.service more.conf
  systemctl start chimera@disks.socket
  printf 'create device "raw" "" "size=1M"\nwrite bytes @0 "on a disk"\nflush device\n' | program
  stop
  chimera check /dev/spare
  touch /spare_was_used
fi
rm -r /etc/systemd/system/chimera*.d
systemctl daemon-reload
printf 'store = disks.img\n' >/etc/chimera/disks.conf

systemctl start chimera@disks.service
dpkg --purge chimera libchimera0
[[ $(systemctl is-active chimera@disks.service chimera@disks.socket) != *$'\n'active* ]]
[[ -f /var/lib/chimera/disks.img ]]
[[ -z $(find /etc /usr /lib/systemd -name '*chimera*') ]]
