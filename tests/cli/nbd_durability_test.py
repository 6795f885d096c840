#!/usr/bin/env python3
"""What NBD's flush and FUA promise, whoever asks by whichever connection; servers that stop; a file system on top."""

import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import time
import unittest

import harness
import nbd_client as nbd
from nbd_client import NbdTest, uri

MIB = 1 << 20


def block(number):
    return number.to_bytes(8, "little") * 512


class StoreTest(NbdTest):
    """Each server has a socket of its own: the kernel closes those of a killed process's ring a moment later."""

    started = 0

    def start(self, options=()):
        self.started += 1
        self.server = self.serve(self.store, listen=[f"unix:{self.folder}/socket{self.started}"], options=options,
                                 nbd=[f"unix:{self.folder}/nbd{self.started}"])
        self.streams, self.nbd = self.server.addresses

    def setUp(self):
        super().setUp()
        self.format("128M")
        self.start(["--stop-deadline", "4m"])  # a slow computer has all the time it needs
        self.send('create device "disk" "" "size=32M"\n')

    def assert_blocks(self, numbers):
        client = self.attached("disk")
        for number in numbers:
            self.assertEqual(client.call(nbd.READ, number * 4096, 4096).data, block(number), number)


class Killed(StoreTest):
    def kill_and_restart(self):
        self.server.kill_and_let_go(self.store)
        self.assertIn("No problem", self.chimera("check", self.store))
        self.start()

    def test_a_flush_covers_what_other_connections_have_written(self):
        writers = [self.attached("disk") for _ in range(4)]
        flusher = self.attached("disk")
        self.assertTrue(flusher.flags & nbd.MULTI_CONN)
        for number in range(1, 400):
            self.assertEqual(writers[number % 4].error(nbd.WRITE, number * 4096, payload=block(number)), 0)
        self.assertEqual(flusher.error(nbd.FLUSH), 0)
        for number in range(400, 600):  # these may be lost
            writers[0].request(nbd.WRITE, number * 4096, payload=block(number))
        self.kill_and_restart()
        self.assert_blocks(range(1, 400))

    def test_fua_makes_its_write_durable(self):
        client = self.attached("disk")
        for number in range(1, 50):
            self.assertEqual(client.error(nbd.WRITE, number * 4096, flags=nbd.FUA, payload=block(number)), 0)
        self.assertEqual(client.error(nbd.WRITE_ZEROES, 7 * 4096, 4096, nbd.FUA | nbd.NO_HOLE), 0)
        self.assertEqual(client.error(nbd.TRIM, 8 * 4096, 4096, nbd.FUA), 0)
        self.kill_and_restart()
        self.assert_blocks([number for number in range(1, 50) if number not in (7, 8)])
        self.assertEqual(self.attached("disk").call(nbd.READ, 7 * 4096, 8192).data, bytes(8192))

    def test_requests_under_way_are_as_good_as_those_one_by_one(self):
        """Many with FUA at a time: whatever was replied to is there."""
        client = self.attached("disk", extended=True)
        numbers = {client.request(nbd.WRITE, number * 4096, flags=nbd.FUA, payload=block(number)): number
                   for number in range(1, 60)}
        answered = [client.reply() for _ in range(40)]
        self.assertEqual({reply.error for reply in answered}, {0})
        self.kill_and_restart()
        self.assert_blocks([numbers[reply.cookie] for reply in answered])

    def test_many_short_reads_of_what_lies_on_the_disk_alone(self):
        """Their replies are more than leaves at a time, and nothing but reading them makes the server go on."""
        client = self.attached("disk")
        for number in range(1, 400):
            client.request(nbd.WRITE, number * 4096, payload=block(number))
        self.assertEqual({client.reply().error for _ in range(399)}, {0})
        self.assertEqual(client.error(nbd.FLUSH), 0)
        for kind in ({"structured": False}, {}, {"extended": True}):
            self.kill_and_restart()
            client = self.attached("disk", **kind)
            asked = {client.request(nbd.READ, number * 4096 + 8, 3 * 4096): number for number in range(1, 100)}
            for _ in range(len(asked)):
                reply = client.reply()
                number = asked.pop(reply.cookie)
                expected = b"".join(block(number + n) for n in range(4))[8:8 + 3 * 4096]
                self.assertEqual(reply.data, expected, number)

    def test_long_reads_of_the_disk_and_of_memory_by_a_client_that_takes_its_time(self):
        client = self.attached("disk")
        whole = b"".join(map(block, range(32 * MIB // 4096)))
        for offset in range(0, 32 * MIB, MIB):
            client.request(nbd.WRITE, offset, payload=whole[offset:offset + MIB])
        self.assertEqual({client.reply().error for _ in range(32)}, {0})
        self.assertEqual(client.error(nbd.FLUSH), 0)
        for kind in ({"structured": False}, {}, {"extended": True}):
            self.kill_and_restart()
            client = self.attached("disk", **kind)
            # Each place twice: the first time from the disk. More than a socket holds, so most replies leave in pieces.
            ranges = [(n * 5_000_011 % (31 * MIB), 20_000 + n * 77_773 % (MIB - 20_000)) for n in range(60)] * 2
            asked = {client.request(nbd.READ, *place): place for place in ranges[:60]}
            for n, place in enumerate(ranges):
                if n < 60:
                    asked[client.request(nbd.READ, *place)] = place
                if n % 10 == 0:
                    time.sleep(0.01)
                reply = client.reply()
                offset, size = asked.pop(reply.cookie)
                self.assertEqual(reply.data, whole[offset:offset + size], (offset, size))
            self.assertEqual(asked, {})

    def test_a_flush_is_replied_to_amid_a_stream_of_writes(self):
        client = self.attached("disk")
        writes = 10_000
        # The map is in memory before it counts.
        self.assertEqual(client.error(nbd.WRITE, payload=bytes(MIB)), 0)
        requests = [client.header(nbd.WRITE, n % 256 * 4096, 4096, cookie=n) + block(n) for n in range(writes)]
        requests.insert(500, client.header(nbd.FLUSH, cookie=writes))
        sender = threading.Thread(target=client.send, args=(b"".join(requests),))
        sender.start()
        cookies = [client.reply().cookie for _ in range(writes + 1)]
        sender.join()
        self.assertLess(cookies.index(writes), writes - 1000)

    def test_what_a_created_export_was_given_is_there(self):
        self.server.stop()
        self.start(["--nbd-create", "1M"])
        client = self.attached("new")
        self.assertEqual(client.error(nbd.WRITE, 5, flags=nbd.FUA, payload=b"kept"), 0)
        self.kill_and_restart()
        self.assertEqual(self.attached("new").call(nbd.READ, 5, 4).data, b"kept")


class Stopping(StoreTest):
    def write_until_refused(self, client, start, written, errors):
        """Numbered blocks, 32 ahead; notes what was replied to, and the errors."""
        numbers, number = {}, start
        try:
            while True:
                while len(numbers) < 32:
                    numbers[client.request(nbd.WRITE, number % 8192 * 4096, payload=block(number % 8192))] = number % 8192
                    number += 1
                reply = client.reply()
                (errors if reply.error else written).append(reply.error or numbers[reply.cookie])
                del numbers[reply.cookie]
        except (OSError, EOFError):
            return

    def test_sigterm_under_load_keeps_all_that_was_replied_to(self):
        clients = [self.attached("disk", extended=n == 2, structured=n != 1) for n in range(3)]
        written, errors = [[] for _ in clients], [[] for _ in clients]
        writers = [threading.Thread(target=self.write_until_refused, args=(client, 1 + n * 2000, written[n], errors[n]))
                   for n, client in enumerate(clients)]
        for writer in writers:
            writer.start()
        harness.wait_until(lambda: min(map(len, written)) >= 100, "100 replies to each of the writers",
                           self.server.process)
        self.assertEqual(self.server.stop(), (0, ""))
        for writer in writers:
            writer.join()
        self.assertLessEqual({error for each in errors for error in each}, {nbd.ESHUTDOWN})
        self.start()
        self.assert_blocks({number for each in written for number in each})

    def test_what_has_arrived_is_answered_even_if_the_client_is_still_sending(self):
        """Its replies come, each with what became of the request, and the end in an orderly way."""
        client = self.attached("disk")
        cookies = set()
        for _ in range(64):
            cookies.add(client.request(nbd.WRITE_ZEROES, 0, 32 * MIB, nbd.NO_HOLE))
        self.server.process.send_signal(signal.SIGTERM)
        replies = [client.reply() for _ in range(64)]
        self.assertEqual({reply.cookie for reply in replies}, cookies)
        # Of a request that takes several steps, some may have been done: that is EIO.
        self.assertLessEqual({reply.error for reply in replies}, {0, nbd.ESHUTDOWN, nbd.EIO})
        self.assertTrue(client.at_end())
        client.close()
        self.assertEqual(self.server.wait(), (0, ""))

    def test_a_client_that_sends_no_more_gets_all_of_its_replies(self):
        client = self.attached("disk")
        cookies = {client.request(nbd.WRITE, n * 4096, flags=nbd.FUA, payload=block(n)) for n in range(300)}
        client.socket.shutdown(socket.SHUT_WR)
        self.assertEqual({client.reply().cookie for _ in range(300)}, cookies)
        self.assertTrue(client.at_end())

    def test_idle_and_half_said_clients_hold_no_stop_up(self):
        idle, amid, shaking = self.attached("disk"), self.attached("disk"), self.client()
        amid.send(amid.header(nbd.WRITE, 0, 5000) + bytes(4999))
        shaking.send(b"IHAVEOPT\0\0")
        self.server.process.send_signal(signal.SIGTERM)
        for client in (idle, amid, shaking):
            self.assertTrue(client.at_end())
            client.close()
        self.assertEqual(self.server.wait(), (0, ""))
        self.start()
        self.assertEqual(self.attached("disk").call(nbd.READ, 0, 4).data, bytes(4))


@unittest.skipUnless(shutil.which("nbdfuse"), "nbdfuse is not installed")
class FileSystem(NbdTest):
    def run_tool(self, *command, may_skip=False):
        try:
            done = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                                  timeout=harness.TIMEOUT_SECONDS)
        except FileNotFoundError:
            self.skipTest(f"no {command[0]} here")
        if may_skip and done.returncode != 0:
            self.skipTest(f"not on this machine: {' '.join(map(str, command[:1]))}: {done.stderr.strip()}")
        self.assertEqual(done.returncode, 0, f"{command}: {done.stdout}{done.stderr}")
        return done.stdout.strip()

    def fuse_mount(self):
        """The file that is the export, and the process behind it."""
        file = self.folder / "export"
        file.touch()
        process = subprocess.Popen(["nbdfuse", str(file), uri(self.nbd, "disk")], stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.fuse_unmount, file, process)
        harness.wait_until(lambda: file.stat().st_size != 0 or process.poll() is not None, "nbdfuse to show the export")
        if process.poll() is not None:
            self.skipTest(f"no FUSE on this machine: {process.stderr.read().strip()}")
        return file, process

    def fuse_unmount(self, file, process):
        if process.poll() is None:
            tool = shutil.which("fusermount3") or shutil.which("fusermount")
            subprocess.run([tool, "-u", str(file)] if tool else ["umount", str(file)], capture_output=True)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait()
        if not process.stderr.closed:
            process.stderr.close()

    def loop(self, file):
        device = self.run_tool("losetup", "--find", "--show", file, may_skip=True)
        self.addCleanup(subprocess.run, ["losetup", "--detach", device], capture_output=True)
        return device

    def mount(self, device):
        folder = self.folder / "mounted"
        folder.mkdir(exist_ok=True)
        self.run_tool("mount", device, folder, may_skip=True)
        self.addCleanup(subprocess.run, ["umount", str(folder)], capture_output=True)
        return folder

    def fill(self, folder):
        for n in range(100):
            (folder / f"d{n % 7}").mkdir(exist_ok=True)
            (folder / f"d{n % 7}" / f"f{n}").write_bytes(bytes([n]) * (n * 997 + 1))
        for n in range(0, 100, 3):
            (folder / f"d{n % 7}" / f"f{n}").unlink()

    def check(self, folder):
        for n in range(100):
            path = folder / f"d{n % 7}" / f"f{n}"
            self.assertEqual(path.read_bytes() if path.exists() else None, bytes([n]) * (n * 997 + 1) if n % 3 else None)

    def attach(self):
        file, process = self.fuse_mount()
        return file, process, self.loop(file)

    def detach(self, file, process, device):
        self.run_tool("losetup", "--detach", device)
        self.fuse_unmount(file, process)

    def test_ext4_made_filled_checked_and_remounted(self):
        self.format("256M")
        self.serve_nbd(self.store, prepare='create device "disk" "" "size=64M"\n')
        attached = self.attach()
        device = attached[2]
        self.run_tool("mkfs.ext4", "-q", "-E", "discard", device)
        folder = self.mount(device)
        self.fill(folder)
        self.run_tool("umount", folder)
        self.run_tool("e2fsck", "-fn", device)
        self.detach(*attached)
        self.assertEqual(self.server.stop(), (0, ""))
        self.serve_nbd(self.store)
        attached = self.attach()
        folder = self.mount(attached[2])
        self.check(pathlib.Path(folder))
        self.run_tool("umount", folder)
        self.run_tool("e2fsck", "-fn", attached[2])
        self.detach(*attached)
        self.assertEqual(self.server.stop(), (0, ""))
        self.assertIn("No problem", self.chimera("check", self.store))


if __name__ == "__main__":
    unittest.main()
