"""Processes whose system calls fail as a disk would make them. One has fdatasync fail when a test says so: the kernel asks us about each call (seccomp's user
notification), so nothing has to be mounted and nobody has to be root. io_uring passes this by; it needs `--io posix`."""

import ctypes
import errno
import fcntl
import os
import platform
import select
import socket
import struct
import threading
import unittest

from harness import TIMEOUT_SECONDS

LIBC = ctypes.CDLL(None, use_errno=True)
NUMBERS = {"x86_64": (317, 75), "aarch64": (277, 83)}  # of seccomp and of fdatasync
PR_SET_NO_NEW_PRIVS, SET_MODE_FILTER, FLAG_NEW_LISTENER = 38, 1, 1 << 3
ALLOW, USER_NOTIFICATION = 0x7FFF0000, 0x7FC00000
RECEIVE, RESPOND, GO_ON = 0xC0502100, 0xC0182101, 1
LOAD_WORD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06


class Program(ctypes.Structure):
    _fields_ = [("count", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


def program_of(instructions):
    filter_bytes = b"".join(struct.pack("<HBBI", *instruction) for instruction in instructions)
    return Program(len(instructions), filter_bytes)


PR_SET_SECCOMP, MODE_FILTER, RETURN_ERRNO = 22, 2, 0x00050000
FALLOCATE_AND_IOCTL = {"x86_64": (285, 16), "aarch64": (47, 29)}
BLKDISCARD, SECOND_ARGUMENT = 0x1277, 24


def refuse_discards(all_of_them):
    """In the process to be: it can punch no holes (and, if all are refused, discard nothing of a block device either).
    """
    fallocate, ioctl = FALLOCATE_AND_IOCTL[platform.machine()]
    refused = ctypes.c_uint32(RETURN_ERRNO | errno.EOPNOTSUPP).value
    asked = [(LOAD_WORD, 0, 0, 0), (JUMP_IF_EQUAL, 0, 1, fallocate), (RETURN, 0, 0, refused)]
    if all_of_them:
        asked += [(JUMP_IF_EQUAL, 0, 3, ioctl), (LOAD_WORD, 0, 0, SECOND_ARGUMENT), (JUMP_IF_EQUAL, 0, 1, BLKDISCARD),
                  (RETURN, 0, 0, refused)]
    LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if LIBC.prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(program_of([*asked, (RETURN, 0, 0, ALLOW)])), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "seccomp")


class FailingFlushes:
    def __init__(self):
        if platform.machine() not in NUMBERS:
            raise unittest.SkipTest(f"the numbers of the system calls on {platform.machine()} are not known here")
        self.ours, self.theirs = socket.socketpair()
        self.listener, self.is_heard = None, threading.Event()
        self.fails = False
        self.failed = 0  # so many have
        self.ending, self.end = os.pipe()
        self.thread = threading.Thread(target=self.answer)
        self.thread.start()

    def install(self):
        """In the process to be, before it becomes another program (Popen's preexec_fn)."""
        seccomp, fdatasync = NUMBERS[platform.machine()]
        program = program_of(((LOAD_WORD, 0, 0, 0), (JUMP_IF_EQUAL, 0, 1, fdatasync), (RETURN, 0, 0, USER_NOTIFICATION),
                              (RETURN, 0, 0, ALLOW)))
        LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        listener = LIBC.syscall(seccomp, SET_MODE_FILTER, FLAG_NEW_LISTENER, ctypes.byref(program))
        if listener >= 0:
            socket.send_fds(self.theirs, [b"y"], [listener])
            os.close(listener)
        else:
            self.theirs.send(b"n")

    def check(self):
        """In the test, when the process does something."""
        if not self.is_heard.wait(TIMEOUT_SECONDS) or self.listener is None:
            raise unittest.SkipTest("the kernel does not ask about system calls here (seccomp)")

    def answer(self):
        word, descriptors, _, _ = socket.recv_fds(self.ours, 1, 1)
        self.listener = descriptors[0] if word == b"y" else None
        self.is_heard.set()
        if self.listener is None:
            return
        poll = select.poll()
        poll.register(self.listener, select.POLLIN)
        poll.register(self.ending, select.POLLIN)
        while True:
            events = dict(poll.poll())
            if self.ending in events or events.get(self.listener, 0) & select.POLLHUP:
                return
            question = bytearray(80)
            try:
                fcntl.ioctl(self.listener, RECEIVE, question, True)
                identity, = struct.unpack_from("<Q", question)
                self.failed += self.fails
                fcntl.ioctl(self.listener, RESPOND,
                            struct.pack("<QqiI", identity, 0, -errno.EIO if self.fails else 0,
                                        0 if self.fails else GO_ON))
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.EINTR):  # it has been killed meanwhile
                    raise

    def close(self):
        self.ours.shutdown(socket.SHUT_RDWR)
        os.write(self.end, b"x")
        self.thread.join()
        if self.listener is not None:
            os.close(self.listener)
        for descriptor in (self.ending, self.end):
            os.close(descriptor)
        self.ours.close()
        self.theirs.close()
