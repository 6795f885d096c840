#!/usr/bin/env python3
"""Devices that are files, served in place below a folder that the operator has named."""

import fcntl
import json
import os
import random
import shutil
import socket
import struct
import subprocess
import threading
import unittest

import harness
from harness import BAD_TEXT, BUSY, DENIED, IO_ERROR, NO_SPACE, NOT_FOUND, OK, OUT_OF_RANGE, UNSUPPORTED, ChimeraTest
from nbd_client import ACK, GO, LIST, UNKNOWN, Client, NbdTest, export_query, uri

MIB = 1 << 20
MKFS = shutil.which("mke2fs", path=os.environ["PATH"] + ":/sbin:/usr/sbin")
FSCK = shutil.which("e2fsck", path=os.environ["PATH"] + ":/sbin:/usr/sbin")


class FileTest(ChimeraTest):
    def setUp(self):
        super().setUp()
        self.attached = self.folder / "images"
        self.attached.mkdir()
        self.format()

    def image(self, name, content=b""):
        path = self.attached / name
        path.write_bytes(content)
        return path

    def answers(self, text, *options, attach=True):
        """Of a program that is run on the store: a list of objects, a line each."""
        where = ["--attach", self.attached] if attach else []
        done = self.run_command("run", self.store, "-", "--json", *where, *options, text=text)
        return [json.loads(line) for line in done.stdout.decode().splitlines()]

    def statuses(self, text, **options):
        return [answer["status"] for answer in self.answers(text, **options)]

    def create(self, path, name="disk"):
        """The status, and what was said."""
        answer = self.answers(f'create device "{name}" "" "kind=file,path={path}"\n')[0]
        return answer["status"], answer.get("message", "")


class InPlace(FileTest):
    def test_bytes_are_read_and_written_in_place(self):
        content = random.Random(1).randbytes(10_000)
        path = self.image("disk.img", content)
        self.assertEqual(self.statuses(
            'create device "disk" "" "kind=file,path=disk.img"\n'
            f'check bytes @0 hex"{content.hex()}"\n'
            'write bytes @5000 "in place"\n'
            'append bytes "the end"\n'
            'begin\nwrite bytes @4090 "across blocks"\nwrite bytes @9999 "x"\ncommit\n'
            'flush device\nread length\n'), [OK] * 10)
        expected = bytearray(content + b"the end")
        expected[5000:5008] = b"in place"
        expected[4090:4103] = b"across blocks"
        expected[9999:10000] = b"x"
        self.assertEqual(path.read_bytes(), bytes(expected))

    def test_lengths_and_holes(self):
        path = self.image("disk.img", b"x" * 100_000)
        answers = self.answers('create device "disk" "" "kind=file,path=disk.img"\n'
                               'clear extents @5000 #80000\nread extents @0 #100000\n'
                               'write length @90001\nread length\nwrite length @200000\nflush device\n')
        self.assertEqual([answer["status"] for answer in answers], [OK] * 7)
        content = path.read_bytes()
        self.assertEqual(content, b"x" * 5000 + bytes(80_000) + b"x" * 5001 + bytes(200_000 - 90_001))
        self.assertLess(path.stat().st_blocks * 512, 100_000)
        self.assertGreater(len(answers[2]["result"]), 1)

    def test_what_a_file_cannot(self):
        self.image("disk.img", bytes(8192))
        self.assertEqual(self.statuses(
            'create device "disk" "" "kind=file,path=disk.img"\n'
            'clone device "other"\ncreate device "pool"\nopen device "disk"\n'
            'begin\ndelete device\ncreate device "two" "" "kind=file,path=disk.img"\nabort\n'
            'begin\nwrite length @9223372036854700000\ncommit\n'
            'write bytes @9223372036854700000 "far"\nselect offset @0\nread byte\n'),
            [OK, UNSUPPORTED, OK, OK, OK, OK, BUSY, OK, OK, OK, NO_SPACE, NO_SPACE, OK, OK])

    def test_a_transaction_takes_it_into_service_and_sets_its_length(self):
        path = self.image("disk.img", b"x" * 100_000)
        self.assertEqual(self.statuses(
            'begin\ncreate device "disk" "" "kind=file,path=disk.img"\ncheck bytes @99998 "xx"\nwrite length @5000\n'
            'write bytes @60000 "behind"\nabort\nopen device "disk"\n'), [OK] * 6 + [NOT_FOUND])
        self.assertEqual(path.read_bytes(), b"x" * 100_000)
        self.assertEqual(self.statuses(
            'begin\ncreate device "disk" "" "kind=file,path=disk.img"\nwrite length @5000\n'
            'write bytes @60000 "behind"\nwrite length @150000\ncommit\nread length\nflush device\n'), [OK] * 8)
        self.assertEqual(path.read_bytes(), b"x" * 5000 + bytes(55_000) + b"behind" + bytes(150_000 - 60_006))
        self.assertLess(path.stat().st_blocks * 512, 50_000)

    def test_it_is_there_after_a_restart_if_its_folder_is(self):
        path = self.image("disk.img", bytes(5000))
        self.statuses('create device "disk" "shape" "kind=file,path=disk.img"\nwrite bytes @0 "kept"\n'
                      'write metadata @7 9\nsync\n')
        again = 'open device "disk"\nread length\nread bytes @0 #4\nread columns\nread metadata @7\n'
        self.assertEqual(self.statuses(again), [OK] * 5)
        self.assertEqual(self.statuses(again, attach=False), [OK, IO_ERROR, IO_ERROR, OK, OK])
        self.assertIn("disk", self.chimera("devices", self.store))
        path.rename(self.attached / "elsewhere")
        self.assertEqual(self.statuses(again), [OK, IO_ERROR, IO_ERROR, OK, OK])
        # Deleting the device leaves the file, and needs none.
        self.assertEqual(self.statuses('open device "disk"\ndelete device\n'), [OK, OK])
        self.assertEqual((self.attached / "elsewhere").read_bytes()[:4], b"kept")
        self.assertIn("No problem", self.chimera("check", self.store))

    def test_a_file_that_somebody_else_shortens_fails_and_nothing_else(self):
        path = self.image("disk.img", b"x" * MIB)
        server = self.serve(options=["--attach", self.attached])
        connection = self.connect(server.addresses[0])
        connection.send(harness.create_device("disk", options="kind=file,path=disk.img"))
        self.assertEqual(connection.answer(16)[0], OK)
        os.truncate(path, 1000)
        connection.send(harness.read_bytes_at(500_000, 10) + harness.read_bytes_at(0, 10))
        self.assertEqual(connection.answer(10)[0], IO_ERROR)
        # Nothing is left of the block that the file ends in as far as it was long.
        self.assertIn(connection.answer(10)[0], (OK, IO_ERROR))
        self.assertEqual(server.stop()[0], 0)

    def test_copies_and_digests_between_kinds(self):
        content = random.Random(2).randbytes(3 * MIB + 77)
        self.image("a.img", content)
        answers = self.answers(
            '.device a a0000000-0000-0000-0000-000000000001\n.device b a0000000-0000-0000-0000-000000000002\n'
            'create device a "a" "" "kind=file,path=a.img"\ncreate device b "b"\n'
            f'copy bytes a @0 b @0 #{len(content)}\nread digest a @0 #{len(content)}\nread digest b @0 #{len(content)}\n'
            f'copy bytes b @100 a @5000 #{MIB}\nread digest a @5000 #{MIB}\nread digest b @100 #{MIB}\nsync\n')
        self.assertEqual([answer["status"] for answer in answers], [OK] * 9)
        self.assertEqual(answers[3]["result"], answers[4]["result"])
        self.assertEqual(answers[6]["result"], answers[7]["result"])


class Paths(FileTest):
    def test_what_is_no_path(self):
        for options in ("kind=file", "path=x", "kind=file,path=", "kind=file,path=../x", "kind=file,path=/etc/passwd",
                        "kind=file,path=a/../b", "kind=file,path=./a", "kind=file,path=a//b", "kind=file,path=a/",
                        "kind=file,path=a,size=5", "kind=file,path=" + "x" * 129, "kind=file,path=a,path=b"):
            with self.subTest(options):
                self.assertEqual(self.statuses(f'create device "d" "" "{options}"\n'), [BAD_TEXT])

    def test_nothing_outside_is_reached(self):
        outside = self.folder / "outside"
        outside.mkdir()
        secret = outside / "secret"
        secret.write_bytes(b"secret")
        (self.attached / "link").symlink_to(secret)
        (self.attached / "folder").symlink_to(outside)
        (self.attached / "inner").mkdir()
        (self.attached / "inner" / "up").symlink_to("..")
        (self.attached / "self").symlink_to("self")
        self.image("real")
        for path in ("link", "folder/secret", "self", "inner/up/real", "inner/up/link"):
            with self.subTest(path):
                status, said = self.create(path)
                self.assertEqual(status, DENIED, said)
                self.assertIn("link", said)
        self.assertEqual(self.create("missing")[0], NOT_FOUND)
        self.assertEqual(self.create("real/below")[0], DENIED)
        self.assertEqual(self.statuses('create device "d" "" "kind=file,path=real"\n', attach=False), [DENIED])
        self.assertEqual(secret.read_bytes(), b"secret")

    def test_only_files_and_block_devices_are_opened(self):
        (self.attached / "folder").mkdir()
        os.mkfifo(self.attached / "fifo")
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(self.attached / "socket"))
            special = ["folder", "fifo", "socket"]
            try:
                os.mknod(self.attached / "null", 0o600 | 0o020000, os.makedev(1, 3))
                special.append("null")
            except PermissionError:
                pass
            for path in special:
                with self.subTest(path):
                    self.assertEqual(self.create(path)[0], DENIED)

    def test_the_store_itself_and_a_file_twice(self):
        inside = self.attached / "store.img"
        self.chimera("format", inside, "--size", "32M")
        self.store = inside
        status, said = self.create("store.img")
        self.assertEqual(status, BUSY, said)
        os.link(inside, self.attached / "same")
        self.assertEqual(self.create("same")[0], BUSY)
        # A hard link to a file that has another name outside is a file here.
        (self.folder / "outside").write_bytes(b"outside")
        os.link(self.folder / "outside", self.attached / "a")
        os.link(self.folder / "outside", self.attached / "b")
        self.assertEqual(self.statuses('create device "a" "" "kind=file,path=a"\n'
                                       'create device "b" "" "kind=file,path=b"\nopen device "a"\n'
                                       'create device "c" "" "kind=file,path=a"\n'), [OK, BUSY, OK, BUSY])

    def test_a_file_that_another_process_has(self):
        path = self.image("disk.img")
        with open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            status, said = self.create("disk.img")
        self.assertEqual(status, BUSY)
        self.assertIn(str(os.getpid()), said)

    def test_folders_that_are_swapped_meanwhile(self):
        """Whatever is found, it lies below the folder."""
        outside = self.folder / "outside"
        outside.mkdir()
        (outside / "disk").write_bytes(b"outside")
        inside = self.attached / "folder"
        inside.mkdir()
        (inside / "disk").write_bytes(b"inside!")
        link = self.attached / "link"
        link.symlink_to(outside)
        server = self.serve(options=["--attach", self.attached])
        connection = self.connect(server.addresses[0])
        stopped = threading.Event()

        def swap():
            spare = self.attached / "spare"
            while not stopped.is_set():
                os.rename(inside, spare)
                os.rename(link, inside)
                os.rename(inside, link)
                os.rename(spare, inside)

        swapping = threading.Thread(target=swap)
        swapping.start()
        seen = set()
        try:
            for _ in range(400):
                connection.send(harness.create_device("disk", options="kind=file,path=folder/disk"))
                status, _ = connection.answer(16)
                seen.add(status)
                if status != OK:
                    continue
                connection.send(harness.read_bytes_at(0, 7) + harness.write_bytes_at(0, b"inside!") + b"\xf4")
                self.assertEqual(connection.answer(7), (OK, b"inside!"))
                self.assertEqual(connection.answer()[0], OK)
                self.assertEqual(connection.answer()[0], OK)
        finally:
            stopped.set()
            swapping.join()
        self.assertLessEqual(seen, {OK, DENIED, NOT_FOUND})
        self.assertEqual((outside / "disk").read_bytes(), b"outside")


class BlockDevices(FileTest):
    def test_a_block_device_has_its_length(self):
        backing = self.folder / "backing"
        backing.write_bytes(bytes(4 * MIB))
        try:
            done = subprocess.run(["losetup", "--find", "--show", backing], capture_output=True, text=True)
        except FileNotFoundError:
            self.skipTest("no losetup here")
        if done.returncode != 0:
            self.skipTest("no loop devices here: " + done.stderr.strip())
        device = done.stdout.strip()
        self.addCleanup(subprocess.run, ["losetup", "--detach", device], check=True)
        answers = self.answers('create device "disk" "" "kind=file,path=%s"\nread length\nwrite bytes @4194303 "xy"\n'
                               'write length @5\nwrite bytes @1000 "on a device"\nbegin\nwrite bytes @4194300 "end!"\n'
                               'commit\nclear extents @100 #100000\nread bytes @1000 #11\nsync\n'
                               % os.path.basename(device), "--attach", os.path.dirname(device))
        self.assertEqual([answer["status"] for answer in answers],
                         [OK, OK, OUT_OF_RANGE, OUT_OF_RANGE, OK, OK, OK, OK, OK, OK, OK])
        subprocess.run(["sync"], check=True)
        self.assertEqual(backing.read_bytes()[-4:], b"end!")

    def answers(self, text, *options, attach=False):
        return super().answers(text, *options, attach=attach)


class Images(NbdTest):
    @unittest.skipUnless(MKFS and FSCK and shutil.which("qemu-img"), "no e2fsprogs or no qemu-img")
    def test_a_file_system_in_an_image(self):
        self.format()
        attached = self.folder / "images"
        attached.mkdir()
        image = attached / "root.img"
        tree = self.folder / "tree"
        tree.mkdir()
        (tree / "hello").write_bytes(b"hello")
        with open(image, "wb") as file:
            file.truncate(16 * MIB)
        subprocess.run([MKFS, "-q", "-F", "-t", "ext4", "-d", tree, image], check=True, capture_output=True)
        before = image.read_bytes()
        server = self.serve(options=["--attach", attached], nbd=[f"unix:{self.folder}/nbd"])
        connection = self.connect(server.addresses[0])
        connection.send(harness.create_device("root", options="kind=file,path=root.img"))
        self.assertEqual(connection.answer(16)[0], OK)
        self.chimera("export", server.addresses[0], "copy", "root")
        self.assertEqual((self.folder / "copy").read_bytes(), before)
        address = uri(server.addresses[1], "root")
        subprocess.run(["qemu-img", "compare", "-f", "raw", address, self.folder / "copy"], check=True,
                       capture_output=True)
        # What NBD clients write stands in the file when it is flushed.
        written = subprocess.run(["qemu-io", "-f", "raw", address, "-c", "write -P 7 15m 64k", "-c", "flush"],
                                 capture_output=True, text=True)
        self.assertEqual(written.returncode, 0, written.stderr)
        self.assertEqual(image.read_bytes()[15 * MIB:15 * MIB + 65536], b"\7" * 65536)
        self.assertEqual(server.stop()[0], 0)


    def test_an_image_that_is_missing_is_told_and_not_offered(self):
        self.format()
        attached = self.folder / "images"
        attached.mkdir()
        image = attached / "root.img"
        image.write_bytes(bytes(MIB))
        self.chimera("run", self.store, "-", "--attach", attached,
                     text='create device "root" "" "kind=file,path=root.img"\n')
        image.rename(attached / "away")
        address = f"unix:{self.folder}/nbd"
        for folder, said in ((None, "name it by --attach"), (attached, f"root.img below {attached} is not there")):
            server = self.serve(options=["--attach", folder] if folder else [], nbd=[address])
            self.assertRegex(self.chimera("devices", server.addresses[0]), r'"root" +0 .* file  missing\n')
            client = Client(address)
            self.addCleanup(client.close)
            refusals = client.option(GO, export_query("root"))
            self.assertEqual([kind for kind, _ in refusals], [UNKNOWN])
            self.assertIn(b'"root"', refusals[0][1])
            self.assertEqual([kind for kind, _ in client.option(LIST)], [ACK])
            if folder:  # it is looked for each time
                (attached / "away").rename(image)
                self.assertEqual(client.option(GO, export_query("root"))[-1][0], ACK)
            client.close()
            status, errors = server.stop()
            self.assertEqual(status, 0)
            self.assertEqual((errors.count('"root"'), errors.count("\n"), said in errors), (1, 1, True), errors)


class Kills(FileTest):
    """A server that is killed amid commits to a file, its length too, and to a device of the pool."""

    PLACES = (100, 4092, 65536 + 3, 199_990)

    def program(self, number):
        data = struct.pack("<Q", number)
        writes = b"".join(b"\x90" + self.disk + struct.pack("<QI", at, 8) + data for at in self.PLACES)
        cut = b"\xd0" + self.disk + struct.pack("<Q", 100_000 + number % 7 * 999)
        length = b"\xd0" + self.disk + struct.pack("<Q", self.length_with(number))
        return (b"\xf8" + cut + writes + length + b"\x90" + self.pool + struct.pack("<QI", 0, 8) + data + b"\xf9")

    @staticmethod
    def length_with(number):
        return 200_000 + number % 5 * 3000

    def judge(self, acknowledged, sent):
        text = "".join(f'read bytes disk @{at} #8\n' for at in self.PLACES)
        devices = "".join(f".device {name} {value.hex()[:8]}-{value.hex()[8:12]}-{value.hex()[12:16]}-"
                          f"{value.hex()[16:20]}-{value.hex()[20:]}\n"
                          for name, value in (("disk", self.disk), ("pool", self.pool)))
        done = self.run_command("run", self.store, "-", "--raw", "--attach", self.attached,
                                text=devices + text + "read bytes pool @0 #8\nsync\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        numbers = {struct.unpack("<Q", done.stdout[9 * n + 1:9 * n + 9])[0] for n in range(len(self.PLACES) + 1)}
        self.assertEqual(len(numbers), 1, f"{numbers} where {acknowledged} was acknowledged")
        number = numbers.pop()
        self.assertTrue(acknowledged <= number <= sent, f"{acknowledged} <= {number} <= {sent}")
        raw = self.path.read_bytes()
        self.assertEqual({struct.unpack("<Q", raw[at:at + 8])[0] for at in self.PLACES}, {number})
        if number > 0:
            self.assertEqual(len(raw), self.length_with(number))
            self.assertFalse(any(raw[100_000 + number % 7 * 999:199_990] + raw[199_998:]), "what was cut off is zeros")
        return number

    def test_commits_are_whole_in_file_and_pool(self):
        # Every place holds number 0 before the first commit, which a kill may be ahead of.
        self.path = self.image("disk.img", bytes(100_000) + b"x" * (199_990 - 100_000) + bytes(10))
        self.disk, self.pool = b"\xa1" * 16, b"\xb1" * 16
        seed = int(os.environ.get("KILL_SEED", random.SystemRandom().randrange(1 << 32)))
        print(f"KILL_SEED={seed}", flush=True)
        chosen = random.Random(seed)
        number = 0
        for turn in range(int(os.environ.get("KILLS", 25))):
            server = self.serve(options=["--attach", self.attached])
            connection = self.connect(server.addresses[0])
            if turn == 0:
                connection.send(b"\x73" + self.disk + harness.name_operand("disk") + struct.pack("<I", 0)
                                + harness.name_operand("kind=file,path=disk.img"))
                connection.send(b"\x71" + self.pool + harness.name_operand("pool") + struct.pack("<I", 0)
                                + b"\x90" + self.pool + struct.pack("<QI", 0, 8) + bytes(8) + b"\xfb")
                for size in (16, 16, 0, 0):
                    self.assertEqual(connection.answer(size)[0], OK)
            acknowledged = sent = number
            for _ in range(chosen.randrange(1, 40)):
                sent += 1
                connection.send(self.program(sent))
                if chosen.random() < 0.1:
                    break
                for _ in range(len(self.PLACES) + 5):
                    self.assertEqual(connection.answer()[0], OK)
                acknowledged = sent
            server.kill_and_let_go(self.store)
            with open(self.path, "rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
            connection.close()
            number = self.judge(acknowledged, sent)


if __name__ == "__main__":
    unittest.main()
