"""The NBD servers that are compared: Chimera, and peers over one file, each with its settings."""

import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time

from subjects import Failure

TICKS = os.sysconf("SC_CLK_TCK")
EXPORT = "disk"


class NbdServer:
    """A server on a unix socket, in a context: running."""

    def __init__(self, name, settings, command, folder, export=EXPORT):
        self.name = name
        self.settings = settings
        self.export = export
        self.socket = pathlib.Path(folder) / name
        self.command = [str(word) for word in command(self.socket)]
        self.child = None

    @property
    def uri(self):
        return f"nbd+unix:///{self.export}?socket={self.socket}"

    def __enter__(self):
        self.errors = tempfile.TemporaryFile()
        self.child = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                      stderr=self.errors)
        deadline = time.monotonic() + 30
        while not self.takes_clients():
            if self.child.poll() is not None or time.monotonic() > deadline:
                self.errors.seek(0)
                raise Failure(f"{self.name} does not serve: {self.errors.read().decode().strip()}")
            time.sleep(0.01)
        return self

    def takes_clients(self):
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.socket))
                return probe.recv(8) == b"NBDMAGIC"
            except OSError:
                return False

    def __exit__(self, *_):
        self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(60)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        self.errors.close()
        self.socket.unlink(missing_ok=True)

    def processor_seconds(self):
        """Of all its threads, in the kernel too; but what the kernel writes back for it later is nobody's."""
        fields = pathlib.Path(f"/proc/{self.child.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


def chimera(program, store, cache, size, folder):
    """Makes the device when a client first asks for it."""
    return NbdServer(
        "chimera", f"cache {cache >> 20} MiB",
        lambda path: [program, "serve", store, "--nbd", f"unix:{path}", "--cache", cache, "--nbd-create", size],
        folder)


def qemu(file, folder, cache, aio):
    return NbdServer(
        "qemu-nbd", f"cache={cache} aio={aio}",
        lambda path: ["qemu-nbd", "--format=raw", f"--socket={path}", "--persistent", "--shared=8", "--discard=unmap",
                      f"--cache={cache}", f"--aio={aio}", f"--export-name={EXPORT}", file],
        folder)


def nbdkit(file, folder, threads, advice):
    return NbdServer(
        "nbdkit", f"threads={threads} fadvise={advice}",
        lambda path: ["nbdkit", "--foreground", f"--unix={path}", f"--threads={threads}", "file", f"file={file}",
                      f"fadvise={advice}"],
        folder, export="")


def peer_settings(row, file, folder):
    """For each peer all settings that might be its best for this row."""
    buffered = [("writeback", "threads"), ("writeback", "io_uring")]
    direct = [("none", "native"), ("none", "io_uring")]
    modes = direct if row.is_direct else buffered if row.is_hot else buffered + direct
    settings = {"qemu-nbd": [qemu(file, folder, cache, aio) for cache, aio in modes]}
    if not row.is_direct:  # its file plugin always goes through the page cache
        advice = "random" if row.order == "random" and row.way == "read" else "normal"
        settings["nbdkit"] = [nbdkit(file, folder, threads, advice) for threads in (1, 4, 16, 64)]
    return settings
