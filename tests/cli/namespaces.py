"""A mount or network namespace for the whole test process and all that it starts, as root or as anybody: then file
systems can be mounted, and the network taken down, without anyone noticing."""

import ctypes
import fcntl
import os
import socket
import struct
import unittest

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET = 0x00020000, 0x10000000, 0x40000000
MS_REMOUNT, MS_REC, MS_PRIVATE = 32, 1 << 14, 1 << 18
SIOCSIFFLAGS, IFF_UP = 0x8914, 1


def check(result, what):
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def unshare(kind):
    """Into a new namespace of that kind; by way of one of users, where only root may. Skips the test where nobody
    may."""
    user, group = os.geteuid(), os.getegid()
    try:
        if LIBC.unshare(kind) == 0:
            return
        check(LIBC.unshare(kind | CLONE_NEWUSER), "unshare")
        for file, line in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
            with open(f"/proc/self/{file}", "w") as out:
                out.write(line)
    except OSError as error:
        raise unittest.SkipTest(f"no namespace of our own: {error}") from error


def enter_mount_namespace():
    unshare(CLONE_NEWNS)
    check(LIBC.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "mount /")


def mount_memory(folder, size, flags=0):
    """A file system in memory of that many bytes."""
    check(LIBC.mount(b"none", os.fsencode(folder), b"tmpfs", flags, f"size={size}".encode()), f"mount {folder}")


def unmount(folder):
    check(LIBC.umount2(os.fsencode(folder), 2), f"umount {folder}")  # 2: even if it is in use


def enter_network_namespace():
    unshare(CLONE_NEWNET)
    set_loopback(True)


def set_loopback(is_up):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP if is_up else 0))
