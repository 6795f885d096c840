#pragma once
// Chapters of the manual pages that the command line's table does not hold, as Markdown.

#include <string_view>

namespace chimera::cli::manual_prose {

inline constexpr std::string_view description =
    R"(Chimera is a programmable block store. Devices are arrays of bytes named by UUIDs, sparse and cloneable, in one file or
on one block device. Everything that is done to them is a program of 8-bit instructions, which chimera-isa(7) lists;
the stream of instructions is the wire protocol as well. What stands between `begin` and `commit` happens as a whole or
not at all.

A **STORE** is a file or a block device, or `:memory:` for one that is gone at the end. One process at a time has it open.
An **ADDRESS** is `unix:PATH` or `tcp:HOST:PORT`, of a running `chimera serve`. A **SIZE** is a whole number of bytes,
with K, M, G or T behind it for powers of 1024; a **TIME** is written as `500ms`, `10s`, `5m` or `2h`.
)";

inline constexpr std::string_view common = R"(
## Exit status

| | |
|---|---|
| 0 | done |
| 1 | it failed; standard error says what and why, and what to do |
| 2 | wrong usage |
)";

inline constexpr std::string_view program = R"(
## Environment

| | |
|---|---|
| NO_COLOR | if it is not empty nothing is coloured |
| NOTIFY_SOCKET, WATCHDOG_USEC, LISTEN_FDS | of `chimera serve` under a service manager: see chimera-serve(1) |

## Examples

    chimera format store.img --size 64G
    chimera serve store.img --listen unix:chimera.socket --nbd unix:nbd.socket &
    echo 'create device "disk0" "" "size=10G"' | chimera send unix:chimera.socket -
    qemu-img convert -n -O raw debian.qcow2 nbd+unix:///disk0?socket=nbd.socket
    chimera snapshot unix:chimera.socket disk0
    chimera devices unix:chimera.socket
)";

inline constexpr std::string_view serve = R"(
## Signals

SIGTERM and SIGINT stop it: nothing more is accepted or read, what has arrived whole is run and answered within
`--stop-deadline`, then everything is made durable. A second one ends the waiting for clients.

A server that is killed loses nothing that was answered as durable; the next one goes on from the journal.

## As a service

The server speaks the protocol of systemd. It takes the sockets that are handed to it (sd_listen_fds(3)), beside those of
`--listen`, `--nbd` and `--metrics`; their names (`FileDescriptorName=`) say what is spoken there, `instructions`, `nbd` or
`metrics`. It tells when clients may come, what it does and when it stops (sd_notify(3)), and gives the watchdog a sign of life with its loop.

The units `chimera@.service`, `chimera@.socket`, `chimera-nbd@.socket` and `chimera-metrics@.socket` run one server for a
store:

    sudo -u chimera chimera format /var/lib/chimera/disks.img --size 64G
    echo 'store = disks.img' > /etc/chimera/disks.conf
    systemctl enable --now chimera@disks.socket
    systemctl enable --now chimera-nbd@disks.socket

## Files

| | |
|---|---|
| /etc/chimera/NAME.conf | the options of the unit `chimera@NAME`, its store first of all |
| /var/lib/chimera | where stores are, unless the file says otherwise |
| /run/chimera/NAME.socket | where it takes instructions; for the group `chimera` |
| /run/chimera/NAME.nbd | where it speaks NBD |
)";

}  // namespace chimera::cli::manual_prose
