#!/usr/bin/env python3
"""chimera serve as a service: sockets that it is handed, and what it tells whoever has started it (sd_notify)."""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import unittest

from harness import CHIMERA, TIMEOUT_SECONDS, ChimeraTest, wait_until

HELLO = "hello\n"


class ServiceTest(ChimeraTest):
    def listening(self, name):
        """A unix socket that listens, and its path."""
        path = self.folder / name
        made = socket.socket(socket.AF_UNIX)
        self.addCleanup(made.close)
        made.bind(str(path))
        made.listen(8)
        return made, path

    def start(self, *options, sockets=(), names=None, environment=None, store=":memory:"):
        """A server to which these sockets are handed, as systemd does it. Nothing has been read from it yet."""

        def hand_over():
            # First out of the way of where they have to be.
            high = [fcntl.fcntl(made.fileno(), fcntl.F_DUPFD, 100) for made in sockets]
            for place, descriptor in enumerate(high, 3):
                os.dup2(descriptor, place)
                os.close(descriptor)

        variables = {**os.environ, **(environment or {})}
        if sockets:
            variables.setdefault("LISTEN_FDS", str(len(sockets)))
        if names is not None:
            variables["LISTEN_FDNAMES"] = names
        # The shell becomes the server and so can tell its number.
        command = ["sh", "-c", 'export LISTEN_PID="${OTHER_PID:-$$}"; exec "$@"', "sh", CHIMERA, "serve", store, *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=self.folder,
                                   env=variables, preexec_fn=hand_over, close_fds=False)
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
        process.communicate()

    def refused(self, *options, status=1, **setup):
        """What a server says that does not start."""
        process = self.start(*options, **setup)
        output, errors = process.communicate(timeout=TIMEOUT_SECONDS)
        self.assertEqual((process.returncode, output), (status, ""), errors)
        return errors

    @staticmethod
    def banner(process, count):
        """Where it says that it listens, so many lines."""
        lines = []
        while len(lines) < count and (line := process.stdout.readline()):
            if line.startswith("listening "):
                lines.append(line.removeprefix("listening ").rstrip())
        return lines


class Sockets(ServiceTest):
    def serve_on(self, *sockets, names=None, options=()):
        process = self.start(*options, sockets=sockets, names=names)
        return process, self.banner(process, len(sockets) + len(options) // 2)

    def test_sockets_are_served_under_their_names(self):
        (nbd, nbd_path), (stream, stream_path) = self.listening("nbd.socket"), self.listening("socket")
        metrics, metrics_path = self.listening("metrics.socket")
        process, listening = self.serve_on(nbd, stream, metrics, names="nbd:instructions:metrics")
        self.assertEqual(listening, [f"for NBD on unix:{nbd_path}", f"on unix:{stream_path}",
                                     f"for metrics on unix:{metrics_path}"])
        asking = socket.socket(socket.AF_UNIX)
        self.addCleanup(asking.close)
        asking.connect(str(metrics_path))
        asking.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        self.assertIn(b" 200 ", asking.recv(4096))
        self.chimera("send", f"unix:{stream_path}", "-", text='create device "d" "" "size=1M"\n')
        client = socket.socket(socket.AF_UNIX)
        self.addCleanup(client.close)
        client.connect(str(nbd_path))
        self.assertEqual(client.recv(8), b"NBDMAGIC")
        # The files belong to whoever has made them.
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(TIMEOUT_SECONDS), 0)
        self.assertTrue(stream_path.exists())
        # Nor does it look who listens there: whoever holds the socket would start the next server for that.
        stream.setblocking(False)
        self.assertRaises(BlockingIOError, stream.accept)
        stream.setblocking(True)
        # So a client that comes between two servers waits for the second.
        early = socket.socket(socket.AF_UNIX)
        self.addCleanup(early.close)
        early.connect(str(stream_path))
        process, _ = self.serve_on(stream)
        early.sendall(b"\x54")  # no device is current
        self.assertEqual(early.recv(1), b"\x02")

    def test_addresses_are_served_beside_them(self):
        stream, path = self.listening("socket")
        _, listening = self.serve_on(stream, names="instructions", options=["--listen", f"unix:{self.folder}/other"])
        self.assertEqual(listening, [f"on unix:{path}", f"on unix:{self.folder}/other"])
        for address in listening:
            self.chimera("send", address.removeprefix("on "), "-", text=HELLO)

    def test_a_tcp_socket_that_does_not_wait_is_made_to(self):
        made = socket.socket()
        self.addCleanup(made.close)
        made.bind(("127.0.0.1", 0))
        made.listen(8)
        made.setblocking(False)
        _, listening = self.serve_on(made)
        self.assertEqual(listening, [f"on tcp:127.0.0.1:{made.getsockname()[1]}"])
        self.assertFalse(fcntl.fcntl(made, fcntl.F_GETFL) & os.O_NONBLOCK)
        self.chimera("send", listening[0].removeprefix("on "), "-", text=HELLO)

    def test_what_is_meant_for_another_process_is_left_alone(self):
        stream, _ = self.listening("socket")
        said = self.refused(sockets=[stream], environment={"OTHER_PID": "1"}, status=2)
        self.assertIn("--listen or --nbd", said)
        self.assertIn("--listen or --nbd", self.refused(environment={"LISTEN_FDS": "0"}, status=2))

    def test_what_cannot_be_listened_on_is_refused_with_a_reason(self):
        stream, _ = self.listening("socket")
        datagrams = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        ours, theirs = socket.socketpair()
        for made in (datagrams, ours, theirs):
            self.addCleanup(made.close)
        file = open(self.write_file("file", "text"), "rb")
        self.addCleanup(file.close)
        self.assertIn("Accept=no", self.refused(sockets=[stream, theirs], names="instructions:nbd"))
        self.assertIn("Descriptor 3", self.refused(sockets=[datagrams]))
        self.assertIn("not a stream socket", self.refused(sockets=[file]))
        self.assertIn("is not open", self.refused(sockets=[stream], environment={"LISTEN_FDS": "90"}))

    def test_names_and_numbers_that_say_nothing_are_refused(self):
        stream, _ = self.listening("socket")
        said = self.refused(sockets=[stream], names="chimera@disks.socket")
        self.assertIn('"chimera@disks.socket"', said)
        self.assertIn("FileDescriptorName=instructions, =nbd or =metrics", said)
        self.assertIn("names 2 sockets", self.refused(sockets=[stream], names="nbd:instructions"))
        for number in ("-1", "many", "1x", "", "99999", "99999999999999999999"):
            with self.subTest(number):
                self.assertIn("LISTEN_FDS", self.refused(sockets=[stream], environment={"LISTEN_FDS": number}))

    @unittest.skipUnless(shutil.which("systemd-socket-activate"), "there is no systemd-socket-activate")
    def test_systemd_hands_over_what_we_understand(self):
        paths = [self.folder / "socket", self.folder / "nbd.socket"]
        command = ["systemd-socket-activate", *(f"--listen={path}" for path in paths),
                   "--fdname=instructions:nbd", CHIMERA, "serve", ":memory:"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.end, process)
        wait_until(paths[1].exists, "the last of the sockets", process)

        def say_hello():
            done = self.run_command("send", f"unix:{paths[0]}", "-", text=HELLO)
            is_early = done.returncode != 0 and b"refused" in done.stderr  # bound, and does not listen yet
            return None if is_early else done

        # The first client is what it is started for.
        done = wait_until(say_hello, "somebody to listen", process)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.banner(process, 2), [f"on unix:{paths[0]}", f"for NBD on unix:{paths[1]}"])


class Telling(ServiceTest):
    def manager(self, name=None):
        """A socket that hears what services tell, and what NOTIFY_SOCKET has to say."""
        hears = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(hears.close)
        hears.settimeout(TIMEOUT_SECONDS)
        path = name or str(self.folder / "notify")
        hears.bind("\0" + path[1:] if path.startswith("@") else path)
        return hears, path

    @staticmethod
    def hear(hears, wanted):
        """All messages up to the first with that line; the last one's lines as pairs."""
        heard = []
        while True:
            heard.append(hears.recv(4096).decode())
            if wanted in heard[-1].split("\n"):
                return heard, dict(line.split("=", 1) for line in heard[-1].split("\n"))

    def start_told(self, path, *options, store=":memory:", **variables):
        return self.start("--listen", f"unix:{self.folder}/socket", *options, store=store,
                          environment={"NOTIFY_SOCKET": path, **variables})

    def test_it_tells_when_clients_may_come_and_when_it_stops(self):
        self.format()
        for io in ("uring", "posix"):
            for name in (None, f"@chimera-test-{os.getpid()}-{io}"):
                with self.subTest(io=io, name=name):
                    hears, path = self.manager(name)
                    process = self.start_told(path, "--io", io, store=str(self.store))
                    heard, last = self.hear(hears, "READY=1")
                    self.assertEqual(heard[0], f"STATUS=opening {self.store}")
                    self.assertEqual(last["STATUS"], f"serving {self.store} on unix:{self.folder}/socket")
                    self.chimera("send", f"unix:{self.folder}/socket", "-", text=HELLO)
                    process.send_signal(signal.SIGTERM)
                    heard, last = self.hear(hears, "STOPPING=1")
                    self.assertIn("finishing", last["STATUS"])
                    self.assertFalse([message for message in heard if "WATCHDOG" in message])
                    self.assertEqual(process.wait(TIMEOUT_SECONDS), 0)
                    hears.close()
                    if name is None:
                        os.unlink(path)

    def test_who_cannot_serve_is_never_ready(self):
        hears, path = self.manager()
        process = self.start_told(path, store="no-such-store")
        process.communicate(timeout=TIMEOUT_SECONDS)
        self.assertEqual(process.returncode, 1)
        hears.setblocking(False)
        self.assertEqual(hears.recv(4096), b"STATUS=opening no-such-store")
        self.assertRaises(BlockingIOError, hears.recv, 4096)

    def test_heartbeats_come_as_long_as_it_serves_and_the_last_thing_is_that_they_end(self):
        for io in ("uring", "posix"):
            with self.subTest(io):
                hears, path = self.manager(f"@chimera-test-{os.getpid()}-beats-{io}")
                process = self.start_told(path, "--io", io, WATCHDOG_USEC="20000")
                self.hear(hears, "READY=1")
                for _ in range(3):
                    self.hear(hears, "WATCHDOG=1")
                process.send_signal(signal.SIGTERM)
                self.hear(hears, "STOPPING=1")
                self.hear(hears, "WATCHDOG_USEC=600000000")
                self.assertEqual(process.wait(TIMEOUT_SECONDS), 0)
                hears.setblocking(False)
                rest = []
                try:
                    while True:
                        rest.append(hears.recv(4096))
                except BlockingIOError:
                    pass
                self.assertEqual(rest, [b"STATUS=making everything durable"])

    def test_heartbeats_of_another_process_are_not_ours(self):
        hears, path = self.manager()
        process = self.start_told(path, WATCHDOG_USEC="2000", WATCHDOG_PID="1")
        self.hear(hears, "READY=1")
        self.chimera("send", f"unix:{self.folder}/socket", "-", text=HELLO)
        process.send_signal(signal.SIGTERM)
        heard, _ = self.hear(hears, "STATUS=making everything durable")
        self.assertFalse([message for message in heard if "WATCHDOG" in message])

    def test_variables_that_cannot_be_understood_stop_it(self):
        _, path = self.manager()
        listen = ["--listen", f"unix:{self.folder}/socket"]
        for variables in ({"NOTIFY_SOCKET": "notify"}, {"NOTIFY_SOCKET": "/" + 200 * "x"},
                          {"NOTIFY_SOCKET": "/no/such/socket"}, {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "soon"},
                          {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "1", "WATCHDOG_PID": "me"}):
            with self.subTest(variables):
                self.assertIn(list(variables)[-1], self.refused(*listen, environment=variables))

    def test_a_manager_that_has_gone_keeps_nothing_up(self):
        hears, path = self.manager()
        process = self.start_told(path, WATCHDOG_USEC="2000")
        self.hear(hears, "READY=1")
        hears.close()
        self.chimera("send", f"unix:{self.folder}/socket", "-", text=HELLO)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(TIMEOUT_SECONDS), 0)


if __name__ == "__main__":
    unittest.main()
