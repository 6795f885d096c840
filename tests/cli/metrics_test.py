#!/usr/bin/env python3
"""The figures of a running server: its metrics page, chimera stats, and that both tell the same."""

import json
import re
import socket
import unittest

import exposition
import harness
from harness import ChimeraTest, create_device, open_device, read_bytes_at, write_bytes_at

FIGURES = harness.ROOT / "docs" / "operating.md"


class Figures(ChimeraTest):
    def serve_with_metrics(self, store=None, metrics="tcp:127.0.0.1:0", options=(), nbd=()):
        # The harness counts the addresses of clients alone: those of metrics come last, on lines of their own.
        server = self.serve(store, options=["--metrics", metrics, *options], nbd=nbd)
        server.metrics = server.process.stdout.readline().split()[-1]
        return server

    def test_who_asks_at_an_address_for_others_is_told(self):
        server = self.serve_with_metrics(self.format(), nbd=[f"unix:{self.folder}/nbd"])
        for command in ("stats", "devices"):
            self.assertIn("is for NBD clients: name an address that the server has been given with --listen",
                          self.fails(command, server.addresses[1]))
            self.assertIn("is for figures over HTTP: ", self.fails(command, server.metrics))

    def http(self, server, request, half_close=False):
        """All that is answered: status, headers, body."""
        connection = self.connect(server.metrics)
        connection.send(request)
        if half_close:
            connection.socket.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.socket.recv(1 << 16):
            answer += piece
        connection.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        line, *lines = head.decode().split("\r\n")
        headers = dict(header.split(": ", 1) for header in lines)
        self.assertEqual(int(headers["Content-Length"]), len(body))
        return int(line.split()[1]), headers, body.decode()

    def page(self, server):
        status, headers, body = self.http(server, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertEqual((status, headers["Content-Type"]), (200, "text/plain; version=0.0.4; charset=utf-8"))
        return exposition.parse(body)

    def value(self, families, name, **labels):
        family = families["chimera_" + name]
        return family.samples[(family.name, tuple(sorted(labels.items())), None)]

    def work(self, server):
        connection = self.connect(server.addresses[0])
        connection.send(create_device("d") + write_bytes_at(0, b"abc") + b"\xcc" + read_bytes_at(0, 3) * 5 +
                        read_bytes_at(9, 9) + open_device("none"))
        for size in (16, 0, 0, 3, 3, 3, 3, 3):
            self.assertEqual(connection.answer(size)[0], harness.OK)
        self.assertEqual([connection.answer()[0] for _ in range(2)], [harness.OUT_OF_RANGE, harness.NOT_FOUND])
        return connection


class Page(Figures):
    def test_what_is_done_is_counted(self):
        server = self.serve_with_metrics(self.format())
        worker = self.work(server)
        page = self.page(server)
        for operation, count in (("create device", 1), ("write bytes", 1), ("flush device", 1), ("read bytes", 6),
                                 ("open device", 1), ("begin", 0)):
            self.assertEqual(self.value(page, "instructions_total", operation=operation), count, operation)
        self.assertEqual(self.value(page, "failures_total", status="out of range"), 1)
        self.assertEqual(self.value(page, "connections", protocol="instructions"), 1)
        self.assertEqual(self.value(page, "connections", protocol="metrics"), 1)
        self.assertEqual(self.value(page, "sessions"), 1)
        self.assertEqual(self.value(page, "store_size_bytes"), 64 << 20)
        self.assertEqual(self.value(page, "devices"), 1)
        self.assertEqual(exposition.histogram(page["chimera_flush_seconds"])[0], 1)
        self.assertGreater(exposition.histogram(page["chimera_disk_seconds"], (("request", "write"),))[0], 0)
        self.assertGreater(self.value(page, "disk_bytes_total", request="write"), 4095)
        worker.close()
        harness.wait_until(lambda: self.value(self.page(server), "connections", protocol="instructions") == 0,
                           "the worker's connection to be no more")
        page = self.page(server)
        self.assertEqual(self.value(page, "connections_total", protocol="instructions"), 1)

    def test_devices_are_told_apart_whatever_they_are_called(self):
        server = self.serve_with_metrics(self.format())
        odd = 'd "\\ {d} ü'
        worker = self.connect(server.addresses[0])
        worker.send(create_device("d") + write_bytes_at(0, b"abc") + read_bytes_at(0, 2) +
                    create_device(odd) + write_bytes_at(0, b"abcd") + write_bytes_at(0, b"abcd"))
        for size in (16, 0, 2, 16, 0, 0):
            self.assertEqual(worker.answer(size)[0], harness.OK)
        page = self.page(server)
        escaped = odd.replace("\\", "\\\\").replace('"', '\\"')
        for device, figures in (("d", (1, 2, 1, 3)), (escaped, (0, 0, 2, 8))):
            self.assertEqual(tuple(self.value(page, f"device_{name}_total", device=device)
                                   for name in ("reads", "read_bytes", "writes", "written_bytes")), figures)
        told = json.loads(self.chimera("stats", server.addresses[0], "--json"))
        self.assertEqual(told["device_written_bytes_total"], {odd: 8, "d": 3})

    def test_stats_tells_the_same(self):
        server = self.serve_with_metrics(self.format())
        self.work(server)
        stats = json.loads(self.chimera("stats", server.addresses[0], "--json"))
        page = self.page(server)
        moving = re.compile(r"uptime|age|processor|sessions|connections|answer_bytes|instruction_bytes|cache_found")
        self.assertEqual([f"chimera_{name}" for name in stats], list(page))
        for name, told in stats.items():
            family = page[f"chimera_{name}"]
            for key, value in self.flat(told):
                labels = ((self.label_of(family), key),) if key else ()
                if family.type == "histogram":
                    count, buckets = exposition.histogram(family, labels)
                    self.assertEqual((value["count"], {float(b): n for b, n in value["buckets"]}), (count, buckets))
                elif not moving.search(name) and key not in ("describe store", "hello"):
                    self.assertEqual(value, family.samples[(family.name, labels, None)], (name, key))

    def flat(self, told):
        if isinstance(told, dict) and "buckets" not in told:
            return list(told.items())
        return [("", told)]

    def label_of(self, family):
        return next(key[1][0][0] for key in family.samples if key[1])

    def test_nbd_requests(self):
        server = self.serve_with_metrics(":memory:", nbd=[f"unix:{self.folder}/nbd"])
        worker = self.connect(server.addresses[0])
        worker.send(create_device("d", options="size=1M"))
        self.assertEqual(worker.answer(16)[0], harness.OK)
        done = harness.subprocess.run(["qemu-io", "-f", "raw", f"nbd+unix:///d?socket={self.folder}/nbd", "-c",
                                       "write 0 4k", "-c", "write -f 64k 8k", "-c", "read 0 8k", "-c", "flush"],
                                      capture_output=True)
        if done.returncode != 0:
            self.skipTest("qemu-io is missing")
        page = self.page(server)
        for command, least in (("read", 1), ("write", 1), ("flush", 1)):
            self.assertGreaterEqual(self.value(page, "nbd_requests_total", command=command), least)
        # One write is done at once, the other, which is to be durable, is not. The tool may read more than it is told.
        self.assertEqual(self.value(page, "nbd_bytes_total", request="write"), 4096 + 8192)
        self.assertGreaterEqual(self.value(page, "nbd_bytes_total", request="read"), 8192)
        # Each has its duration, whether it was done at once or waited for; who goes says so and hears nothing.
        durations = {name: exposition.histogram(page["chimera_nbd_seconds"], (("request", name),))[0]
                     for name in ("read", "write", "flush", "other")}
        counts = {labels[0][1]: value for (_, labels, _), value in page["chimera_nbd_requests_total"].samples.items()}
        self.assertEqual({name: durations[name] for name in ("read", "write", "flush")},
                         {name: counts[name] for name in ("read", "write", "flush")})
        self.assertEqual(durations["other"], sum(counts.values()) - counts["disconnect"] -
                         sum(counts[name] for name in ("read", "write", "flush")))
        self.assertEqual(self.value(page, "connections_total", protocol="nbd"), 1)

    def test_a_store_in_memory_has_no_disk(self):
        page = self.page(self.serve_with_metrics(":memory:"))
        self.assertNotIn("chimera_disk_seconds", page)
        self.assertNotIn("chimera_cache_size_bytes", page)
        self.assertEqual(self.value(page, "devices"), 0)

    def test_the_documentation_lists_every_figure(self):
        listed = dict(re.findall(r"(?m)^\| `(\w+)`[^|]*\| (\w+) \|", FIGURES.read_text()))
        server = self.serve_with_metrics(self.format())
        self.work(server)  # devices that nothing has been done to are not told
        page = self.page(server)
        self.assertEqual({"chimera_" + name: kind for name, kind in listed.items()},
                         {name: family.type for name, family in page.items()})


class Http(Figures):
    def test_anything_else_is_refused(self):
        server = self.serve_with_metrics(":memory:", metrics=f"unix:{self.folder}/metrics")
        for request, status in ((b"GET / HTTP/1.1\r\n\r\n", 404), (b"POST /metrics HTTP/1.1\r\n\r\n", 405),
                                (b"\r\n\r\n", 400), (b"GET /metrics HTTP/1.1\r\n" + b"a: b\r\n" * 2000, 400),
                                (b"\x40\x05\x00disk0\x54\r\n\r\n", 400)):
            self.assertEqual(self.http(server, request)[0], status, request[:40])
        self.assertEqual(self.http(server, b"GET /metrics HTTP/1.0\r\n\r\n", half_close=True)[0], 200)
        self.assertEqual(server.stop(), (0, ""))

    def test_others_than_metrics_keep_their_room(self):
        server = self.serve_with_metrics(":memory:", options=["--connections", "1"])
        worker = self.work(server)
        held = [self.connect(server.metrics) for _ in range(16)]
        waiting = self.connect(server.metrics)
        waiting.send(b"GET /metrics HTTP/1.1\r\n\r\n")
        waiting.socket.settimeout(0.2)
        with self.assertRaises(TimeoutError):
            waiting.socket.recv(1)
        waiting.socket.settimeout(harness.TIMEOUT_SECONDS)
        held[0].close()
        self.assertEqual(waiting.socket.recv(12), b"HTTP/1.1 200")
        worker.close()
        self.assertEqual(server.stop(), (0, ""))

    def test_without_it_nobody_listens(self):
        server = self.serve(":memory:")
        self.assertNotIn("metrics", "".join(server.banner))

    def test_loopback_unless_told(self):
        server = self.serve_with_metrics(":memory:", metrics="tcp:0")
        self.assertTrue(server.metrics.startswith("tcp:127.0.0.1:"))


class Stats(Figures):
    def test_for_people(self):
        server = self.serve(self.format())
        self.work(server)
        text = self.chimera("stats", server.addresses[0])
        self.assertRegex(text, r"(?m)^instructions_total\{read bytes\} +6$")
        self.assertRegex(text, r"(?m)^failures_total\{not found\} +1$")
        self.assertRegex(text, r"(?m)^flush_seconds +1: mean [\d.]+ (us|ms|s), half within ")
        self.assertRegex(text, r"(?m)^store_size_bytes +67,108,864 \(64M\)$")
        self.assertNotIn("{begin}", text)

    def test_only_of_a_server(self):
        self.assertIn("is not an address", self.fails("stats", self.format()))
        self.assertIn("Is a server running there", self.fails("stats", f"unix:{self.folder}/none"))

    def test_info_does_not_repeat_them(self):
        server = self.serve(self.format())
        self.assertNotIn("instructions", self.chimera("info", server.addresses[0]))
        self.assertNotIn("stats", json.loads(self.chimera("info", server.addresses[0], "--json")))


if __name__ == "__main__":
    unittest.main()
