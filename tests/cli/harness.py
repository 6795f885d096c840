"""What the tests of the command line share: the program, servers, and a client that speaks the bytes itself."""

import ctypes
import faulthandler
import fcntl
import json
import os
import pathlib
import pty
import signal
import socket
import struct
import subprocess
import tempfile
import termios
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CHIMERA = os.path.abspath(os.environ.get("CHIMERA", ROOT / "build" / "chimera"))
TIMEOUT_SECONDS = 240  # of one command, on a slow computer under the sanitizers
LONGEST_TEST_SECONDS = 1200  # the same of one test; tests/run.py ends a script after twice that

LIBC, PR_SET_CHILD_SUBREAPER = ctypes.CDLL(None), 36

OK, ILLEGAL, NO_DEVICE, NOT_FOUND, EXISTS, OUT_OF_RANGE, MISALIGNED, MISMATCH = range(8)
BUSY, NO_SPACE, IO_ERROR, CORRUPT, TOO_LARGE, DENIED, UNSUPPORTED, READ_ONLY, BAD_TEXT = range(10, 19)


def wait_until(is_so, what, process=None):
    """Asks again and again until it is so, and gives back what was answered. A failure says what was waited for;
    `process` is one that has to live meanwhile."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not (answer := is_so()):
        if process is not None and process.poll() is not None:
            raise AssertionError(f"waiting for {what}: the process has ended with {process.returncode}")
        if time.monotonic() > deadline:
            raise AssertionError(f"waiting for {what}: not within {TIMEOUT_SECONDS} s")
        time.sleep(0.005)
    return answer


def children():
    """The processes that this one has started, or taken over from one that has ended, and that still run."""
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except OSError:  # it has ended meanwhile
            continue
        if int(parent) == os.getpid() and state not in "ZX":
            found.append(int(stat.parent.name))
    return found


def kill_children():
    """Ends all of them, and those that they leave behind."""
    while running := children():
        for process in running:
            try:
                os.kill(process, signal.SIGKILL)
                os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)  # whoever has started it hears how it ended
            except (ProcessLookupError, ChildProcessError):  # another thread has heard that
                pass


class Server:
    """A running `chimera serve`; `addresses` are where it listens, in order, those for NBD last."""

    def __init__(self, store, listen, *options, nbd=(), prepare=None):
        """`prepare` is called in the process before it becomes the server."""
        command = [CHIMERA, "serve", str(store), *map(str, options)]
        for address in listen:
            command += ["--listen", address]
        for address in nbd:
            command += ["--nbd", address]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        preexec_fn=prepare)
        self.banner = []
        self.addresses = []
        while len(self.addresses) < len(listen) + len(nbd):
            line = self.process.stdout.readline()
            if not line:
                _, errors = self.process.communicate()
                raise AssertionError("the server did not start: " + errors)
            self.banner.append(line)
            if line.startswith("listening "):
                self.addresses.append(line.split()[-1])

    def stop(self, number=signal.SIGTERM):
        """Sends a signal; the exit status and what it said on standard error."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self):
        _, errors = self.process.communicate(timeout=TIMEOUT_SECONDS)
        return self.process.returncode, errors

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def kill_and_let_go(self, store):
        self.kill()
        wait_for_lock(store)
        for address in self.addresses:
            wait_for_silence(address)


def wait_for_lock(store):
    """The kernel gives back what a killed process's ring holds, the store's lock included, a moment later."""
    with open(store, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)


def wait_for_silence(address):
    """The same of a unix socket that it listened at."""
    kind, _, path = address.partition(":")

    def is_silent():
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(path)
            except (ConnectionRefusedError, FileNotFoundError):
                return True
        return False

    if kind == "unix":
        wait_until(is_silent, f"the end of a killed server's socket {path}")


class Connection:
    """A client that makes and reads bytes by the contract alone."""

    def __init__(self, address):
        kind, rest = address.split(":", 1)
        host, _, port = rest.rpartition(":")
        is_unix = kind == "unix"
        self.socket = socket.socket(socket.AF_UNIX if is_unix else socket.AF_INET)
        self.socket.settimeout(TIMEOUT_SECONDS)
        try:
            self.socket.connect(rest if is_unix else (host, int(port)))
        except OSError:
            self.socket.close()
            raise

    def send(self, data):
        self.socket.sendall(data)

    def read(self, size):
        data = bytearray()
        while len(data) < size:
            piece = self.socket.recv(min(size - len(data), 1 << 20))
            if not piece:
                raise EOFError(f"{len(data)} of {size} bytes, then the end")
            data += piece
        return bytes(data)

    def answer(self, size=0):
        """(0, the result of `size` bytes) or (status, message)."""
        status = self.read(1)[0]
        if status == OK:
            return status, self.read(size)
        return status, self.read(struct.unpack("<H", self.read(2))[0]).decode()

    def at_end(self):
        return self.socket.recv(1) == b""

    def close(self):
        self.socket.close()


def name_operand(name):
    data = name.encode() if isinstance(name, str) else name
    return struct.pack("<H", len(data)) + data


def create_device(name, columns="", options=None):
    data = columns.encode()
    tail = name_operand(options) if options else b""
    return bytes([0x72 if options else 0x70]) + name_operand(name) + struct.pack("<I", len(data)) + data + tail


def open_device(name):
    return b"\x40" + name_operand(name)


def write_bytes_at(offset, data):
    return b"\x92" + struct.pack("<QI", offset, len(data)) + data


def read_bytes_at(offset, count):
    return b"\x12" + struct.pack("<QI", offset, count)


class BoundedTest(unittest.TestCase):
    """A test that ends: one that hangs, wherever it does, fails there, and nothing that it has started outlives it."""

    longest_seconds = LONGEST_TEST_SECONDS

    def setUp(self):
        LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # what a process has started and leaves behind becomes ours
        before = signal.signal(signal.SIGALRM, self.take_too_long)
        self.addCleanup(signal.signal, signal.SIGALRM, before)
        self.addCleanup(signal.setitimer, signal.ITIMER_REAL, 0)
        signal.setitimer(signal.ITIMER_REAL, self.longest_seconds, 60)  # again, if it is the cleaning up that hangs
        self.addCleanup(kill_children)

    def take_too_long(self, *_):
        faulthandler.dump_traceback()  # of every thread
        kill_children()
        raise AssertionError(f"this test has not ended within {self.longest_seconds} s; it has come to here")


class ChimeraTest(BoundedTest):
    """A test with a folder of its own, in which commands run and servers end with it."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="chimera-test-")
        self.addCleanup(folder.cleanup)
        super().setUp()
        self.folder = pathlib.Path(folder.name)
        self.store = self.folder / "store.img"

    def run_command(self, *arguments, text=None, data=None):
        """Whatever comes of it: a CompletedProcess with bytes."""
        return subprocess.run(
            [CHIMERA, *map(str, arguments)],
            input=text.encode() if text is not None else data,
            stdin=subprocess.DEVNULL if text is None and data is None else None,
            capture_output=True,
            cwd=self.folder,
            timeout=TIMEOUT_SECONDS,
        )

    def chimera(self, *arguments, text=None, data=None):
        """Has to succeed; its standard output as text."""
        done = self.run_command(*arguments, text=text, data=data)
        self.assertEqual(done.returncode, 0, f"{arguments}: {done.stdout.decode()}{done.stderr.decode()}")
        return done.stdout.decode()

    def fails(self, *arguments, text=None, data=None, status=1):
        """Has to end with that status; all that it said."""
        done = self.run_command(*arguments, text=text, data=data)
        said = done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")
        self.assertEqual(done.returncode, status, f"{arguments}: {said}")
        return said

    def run_on_terminal(self, *arguments, columns=100, stdin=subprocess.DEVNULL):
        """All that a person would see: standard output and error are a terminal of so many columns."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        environment = {**os.environ, "TERM": "xterm"}
        environment.pop("NO_COLOR", None)
        process = subprocess.Popen([CHIMERA, *map(str, arguments)], stdin=stdin, stdout=theirs,
                                   stderr=theirs, cwd=self.folder, env=environment)
        os.close(theirs)
        seen = b""
        with os.fdopen(ours, "rb", buffering=0) as terminal:
            try:
                while piece := terminal.read(65536):
                    seen += piece
            except OSError:  # the other end is closed
                pass
        process.wait(TIMEOUT_SECONDS)
        return seen.decode().replace("\r\n", "\n")

    def format(self, size="64M"):
        self.chimera("format", self.store, "--size", size)
        return self.store

    def serve(self, store=None, listen=None, options=(), nbd=(), prepare=None):
        listen = listen or [f"unix:{self.folder}/socket"]
        server = Server(store or self.store, listen, *options, nbd=nbd, prepare=prepare)
        self.addCleanup(server.kill)
        return server

    def targets(self, size="64M"):
        """A label and what commands take: a store, and the address of `self.server`, which is on another one."""
        self.format(size)
        served = self.folder / "served.img"
        self.chimera("format", served, "--size", size)
        yield "store", self.store
        self.server = self.serve(served)
        yield "address", self.server.addresses[0]

    def connect(self, address):
        connection = Connection(address)
        self.addCleanup(connection.close)
        return connection

    def wait_for_other_sessions(self, address):
        """The server notices that a client has been killed when it looks at its socket; our own session is one."""
        wait_until(lambda: json.loads(self.chimera("stats", address, "--json"))["sessions"] <= 1,
                   "the sessions of others to end")

    def write_file(self, name, content):
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path
