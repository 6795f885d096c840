"""What is measured: processes that prepare themselves, and then do their work once each time that they are asked."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading
import time


LONGEST_WAIT_SECONDS = 180


class Failure(Exception):
    """A measurement could not be made; the words say why."""


def run_tool(*command):
    """Runs a program to its end and gives back what it printed."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure(f"{' '.join(words)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


class Process:
    """A child that says a line when it is ready, and goes when it is closed."""

    def __init__(self, *command):
        self.errors = tempfile.TemporaryFile()
        self.child = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )

    def line(self):
        watchdog = threading.Timer(LONGEST_WAIT_SECONDS, self.child.kill)
        watchdog.start()
        line = self.child.stdout.readline()
        watchdog.cancel()
        if not line:
            if self.child.wait() == -signal.SIGKILL:
                raise Failure(f"nothing came for {LONGEST_WAIT_SECONDS} s: {' '.join(self.child.args)}")
            self.errors.seek(0)
            raise Failure(self.errors.read().decode().strip() or f"{self.child.args[0]} ended")
        return line.strip()

    def ask(self):
        with contextlib.suppress(BrokenPipeError):  # `line` says why it has gone
            self.child.stdin.write("sample\n")
            self.child.stdin.flush()
        return float(self.line())

    def wait_for(self, start):
        while not self.line().startswith(start):
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(BrokenPipeError):
            self.child.stdin.close()
        try:
            self.child.wait(LONGEST_WAIT_SECONDS)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        self.child.stdout.close()
        self.errors.close()


class Server(Process):
    """Takes no samples; ends by a signal, SIGTERM unless it is killed before."""

    def __init__(self, *command):
        super().__init__(*command)
        self.wait_for("listening")

    def kill(self):
        self.child.kill()
        self.child.wait()

    def __exit__(self, *details):
        self.child.terminate()
        super().__exit__(*details)


class Subject(Process):
    """A subject of the program bench_subject, by its name and arguments."""

    def __init__(self, build, name, **arguments):
        words = [f"{argument}={value}" for argument, value in arguments.items()]
        super().__init__(build / "bench" / "bench_subject", name, *words)
        self.wait_for("ready")

    def sample(self):
        return self.ask()


class OnCopies:
    """A subject whose samples change its file: each is taken on a copy of `master` at `copy`."""

    def __init__(self, make_subject, master, copy):
        self.make_subject = make_subject
        self.master = master
        self.copy = copy

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pathlib.Path(self.copy).unlink(missing_ok=True)

    def sample(self):
        shutil.copyfile(self.master, self.copy)
        settle()
        with self.make_subject() as subject:
            return subject.sample()


class Command:
    """A program from its start to its end, in seconds."""

    def __init__(self, *command):
        self.command = command

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def sample(self):
        started = time.perf_counter()
        run_tool(*self.command)
        return time.perf_counter() - started


class Fio:
    """fio on one file: operations or bytes a second."""

    ALWAYS = {"name": "reference", "ioengine": "io_uring", "direct": 1, "thread": 1, "fallocate": "none"}

    def __init__(self, file, figure, **options):
        self.file = pathlib.Path(file)
        self.figure = figure
        self.options = {**self.ALWAYS, "filename": file, **options}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def sample(self):
        words = [f"--{name}={value}" for name, value in self.options.items()]
        output = run_tool("fio", "--output-format=json", *words)
        # Warnings may stand in front of the JSON.
        job = json.loads(output[output.index("{") :])["jobs"][0]
        if job["error"]:
            raise Failure(f"fio: error {job['error']}")
        way = job["read"] if "read" in self.options["rw"] else job["write"]
        return way["iops"] if self.figure == "operations" else way["bw_bytes"]


class FioTail:
    """fio writes 4 KiB at a time with fdatasync, and beside it random blocks at a rate: a percentile of the seconds
    that fdatasync takes."""

    def __init__(self, file, background, rate, percentile, seconds):
        both = {"ioengine": "io_uring", "direct": 1, "thread": 1, "fallocate": "none", "runtime": seconds,
                "time_based": 1}
        self.percentile = f"{percentile:f}"
        self.words = [f"--{name}={value}" for name, value in both.items()]
        self.words += [f"--percentile_list={percentile}"]
        self.words += ["--name=commits", f"--filename={file}", "--rw=write", "--bs=4k", "--fdatasync=1"]
        self.words += ["--name=background", f"--filename={background}", "--rw=randwrite", "--bs=4k", "--iodepth=64",
                       f"--rate_iops={rate}", "--fdatasync=0"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def sample(self):
        output = run_tool("fio", "--output-format=json", *self.words)
        jobs = json.loads(output[output.index("{") :])["jobs"]
        if any(job["error"] for job in jobs):
            raise Failure("fio: an error")
        return jobs[0]["sync"]["lat_ns"]["percentile"][self.percentile] * 1e-9


def write_file(path, size):
    """A file whose every block has been written."""
    Fio(path, "bytes", rw="write", bs="1M", iodepth=8, size=size, end_fsync=1).sample()


def settle():
    """What others have left to be written is written now, not during the next sample."""
    os.sync()
