#!/usr/bin/env python3
"""NBD with the clients that people use: libnbd's, QEMU's and fio's."""

import json
import os
import random
import shutil
import subprocess
import unittest

import harness
from nbd_client import NbdTest, uri

MIB = 1 << 20
UUID = "3f0e7c9a-8a53-4c1c-9d5e-0d8f2f7a1b11"
NBD_CLIENT = shutil.which("nbd-client", path=os.environ["PATH"] + ":/usr/sbin")
SYSTEM_PYTHON = "/usr/bin/python3"  # the one that has Debian's python3-libnbd


def has_libnbd():
    try:
        return subprocess.run([SYSTEM_PYTHON, "-c", "import nbd"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def needs(program):
    return unittest.skipUnless(shutil.which(program), f"{program} is not installed")


class ClientTest(NbdTest):
    def tool(self, *command, status=0):
        """Has to end with that status; its standard output, or all that it said if that is not 0."""
        done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              cwd=self.folder, timeout=harness.TIMEOUT_SECONDS)
        self.assertEqual(done.returncode, status, f"{command}: {done.stdout}{done.stderr}")
        return done.stdout if status == 0 else done.stdout + done.stderr

    def uri(self, name=""):
        return uri(self.nbd, name)

    def random_file(self, name, size, seed=1):
        """With holes between."""
        content = bytearray(size)
        chosen = random.Random(seed)
        for _ in range(12):
            at, length = chosen.randrange(size), chosen.randrange(1, size // 20)
            content[at:at + length] = chosen.randbytes(len(content[at:at + length]))
        return self.write_file(name, bytes(content))


@needs("nbdinfo")
class Nbdinfo(ClientTest):
    def setUp(self):
        super().setUp()
        self.format()
        self.serve_nbd(self.store, prepare=f'create device {UUID} "disk" "" "size=1M"\n')

    def info(self, name="", *options):
        return json.loads(self.tool("nbdinfo", "--json", *options, self.uri(name)))

    def test_flags(self):
        export = self.info("disk")["exports"][0]
        expected = {"export-size": MIB, "is_read_only": False, "can_cache": True, "can_df": True, "can_fast_zero": True,
                    "can_flush": True, "can_fua": True, "can_multi_conn": True, "can_trim": True, "can_zero": True,
                    "is_rotational": False, "contexts": ["base:allocation"], "block_size_minimum": 1,
                    "block_size_preferred": 4096, "block_size_maximum": 32 * MIB}
        self.assertEqual({key: export[key] for key in expected}, expected)
        self.assertIn(UUID, export["description"])

    def test_every_device_is_listed(self):
        self.send('create device "other"\ncreate device "third" "" "size=5"\n')
        exports = self.info("", "--list")["exports"]
        self.assertEqual([(export["export-name"], export["export-size"]) for export in exports],
                         [("disk", MIB), ("other", 0), ("third", 5)])

    def test_by_uuid(self):
        self.assertEqual(self.info(UUID)["exports"][0]["export-size"], MIB)
        self.assertIn("disk", self.tool("nbdinfo", self.uri(UUID.upper())))

    def test_names_that_there_are_not(self):
        self.assertIn("nbdinfo", self.tool("nbdinfo", self.uri("nobody"), status=1))

    def test_the_only_device_needs_no_name(self):
        self.assertEqual(self.info()["exports"][0]["export-size"], MIB)
        self.send('create device "other"\n')
        self.tool("nbdinfo", self.uri(), status=1)

    def test_a_snapshot_is_read_only(self):
        self.send('open device "disk"\nwrite bytes @5 "before"\nclone device "disk@monday"\n')
        export = self.info("disk@monday")["exports"][0]
        self.assertTrue(export["is_read_only"])
        self.send('open device "disk"\nwrite bytes @5 "behind"\n')
        self.tool("nbdcopy", self.uri("disk@monday"), "then")
        self.assertEqual((self.folder / "then").read_bytes()[5:11], b"before")

    def test_allocation(self):
        self.send('open device "disk"\nwrite bytes @64K "x"\n')
        entries = json.loads(self.tool("nbdinfo", "--json", "--map", self.uri("disk")))
        self.assertEqual([(entry["offset"], entry["length"], entry["type"]) for entry in entries],
                         [(0, 65536, 3), (65536, 4096, 0), (69632, MIB - 69632, 3)])


@needs("nbdcopy")
class Nbdcopy(ClientTest):
    def copy_both_ways(self, size):
        image = self.random_file("image", size)
        self.tool("nbdcopy", image, self.uri("disk"))
        self.tool("nbdcopy", self.uri("disk"), "back")
        self.assertEqual((self.folder / "back").read_bytes(), image.read_bytes())

    def test_both_ways_by_a_unix_socket(self):
        self.format()
        self.serve_nbd(self.store, prepare='create device "disk" "" "size=20M"\n')
        self.copy_both_ways(20 * MIB)

    def test_both_ways_by_tcp(self):
        self.format()
        self.serve_nbd(self.store, nbd=["tcp:127.0.0.1:0"], prepare='create device "disk" "" "size=9999999"\n')
        self.copy_both_ways(9_999_999)

    def test_from_one_device_to_another(self):
        self.serve_nbd(prepare='create device "disk" "" "size=5M"\ncreate device "other" "" "size=5M"\n')
        image = self.random_file("image", 5 * MIB)
        self.tool("nbdcopy", image, self.uri("disk"))
        self.tool("nbdcopy", self.uri("disk"), self.uri("other"))
        self.chimera("export", self.streams, "back", "other")
        self.assertEqual((self.folder / "back").read_bytes(), image.read_bytes())

    def test_what_streams_import_is_copied_out(self):
        self.serve_nbd()
        image = self.random_file("image", 3_333_333)
        self.chimera("import", self.streams, image, "disk")
        self.tool("nbdcopy", self.uri("disk"), "back")
        self.assertEqual((self.folder / "back").read_bytes(), image.read_bytes())

    def test_created_by_its_name(self):
        self.serve_nbd(options=["--nbd-create", "2M"])
        image = self.random_file("image", 2 * MIB)
        self.tool("nbdcopy", image, self.uri("new"))
        self.assertEqual(json.loads(self.chimera("devices", self.streams, "--json"))[0]["name"], "new")

    def test_read_only(self):
        self.format()
        self.chimera("run", self.store, "-", text='create device "disk" "" "size=1M"\n')
        self.serve_nbd(self.store, options=["--read-only"])
        self.tool("nbdcopy", self.uri("disk"), "back")
        self.assertIn("read-only", self.tool("nbdcopy", "back", self.uri("disk"), status=1))


@unittest.skipUnless(has_libnbd(), "python3-libnbd is not installed")
class Nbdsh(ClientTest):
    PROLOGUE = """
import errno, nbd, sys
h = nbd.NBD()
h.add_meta_context("base:allocation")
h.set_strict_mode(0)
h.connect_uri(sys.argv[1])
def fails(expected, function, *arguments, **named):
    try:
        function(*arguments, **named)
    except nbd.Error as error:
        assert error.errnum == expected, (error.errnum, error.string)
    else:
        raise AssertionError("it did not fail")
def status(offset, length, flags=0):
    found = []
    h.block_status(length, offset, lambda context, at, entries, error: found.extend(entries) or 0, flags)
    return list(zip(found[::2], found[1::2]))
"""

    def setUp(self):
        super().setUp()
        self.format()
        self.serve_nbd(self.store, prepare=f'create device {UUID} "disk" "" "size=1M"\n')

    def nbdsh(self, script, name="disk"):
        script = self.write_file("script.py", self.PROLOGUE + script)
        return self.tool(SYSTEM_PYTHON, script, self.uri(name))

    def test_reads_and_writes_of_any_size_at_any_offset(self):
        self.nbdsh("""
import random
choose = random.Random(5)
expected = bytearray(1 << 20)
for _ in range(300):
    size = choose.choice((1, 511, 4095, 4096, 4097, 70001))
    at = choose.randrange((1 << 20) - size)
    data = choose.randbytes(size)
    h.pwrite(data, at, choose.choice((0, nbd.CMD_FLAG_FUA)) if size < 600 else 0)
    expected[at:at + size] = data
    assert h.pread(size, at) == data
assert h.pread(1 << 20, 0) == expected
h.flush()
""")

    def test_trim_and_zero(self):
        self.nbdsh("""
h.pwrite(b"x" * 65536, 0)
h.trim(16384, 0)
h.zero(16384, 16384)
h.zero(16384, 32768, nbd.CMD_FLAG_NO_HOLE)
h.zero(4096, 49152, nbd.CMD_FLAG_FAST_ZERO | nbd.CMD_FLAG_FUA)
h.trim(4096, 53248, nbd.CMD_FLAG_FUA)
h.cache(65536, 0)
assert h.pread(65536, 0) == bytes(57344) + b"x" * 8192
assert status(0, 65536) == [(32768, 3), (16384, 0), (8192, 3), (8192, 0)], status(0, 65536)
assert status(0, 65536, nbd.CMD_FLAG_REQ_ONE) == [(32768, 3)]
assert status(100, 65000) == [(32668, 3), (16384, 0), (8192, 3), (7756, 0)], status(100, 65000)
h.zero(1, 60000)
h.trim(3, 60002)
assert h.pread(10, 59998) == b"xx\\0x\\0\\0\\0xxx"
fails(errno.ENOTSUP, h.zero, 4096, 0, nbd.CMD_FLAG_FAST_ZERO | nbd.CMD_FLAG_NO_HOLE)
""")

    def test_structured_reads(self):
        self.nbdsh("""
h.pwrite(b"hello", 1000)
pieces = []
def piece(data, offset, status, error):
    pieces.append((offset, bytes(data), status))
assert h.pread_structured(5000, 100, piece, nbd.CMD_FLAG_DF)[900:905] == b"hello"
assert len(pieces) == 1 and pieces[0][0] == 100 and pieces[0][2] == nbd.READ_DATA
h.pread_structured(1 << 20, 0, piece, nbd.CMD_FLAG_DF)
""")

    def test_out_of_range(self):
        self.nbdsh("""
end = h.get_size()
fails(errno.EINVAL, h.pread, 2, end - 1)
fails(errno.EINVAL, h.trim, 2, end - 1)
fails(errno.EINVAL, status, end - 1, 2)
fails(errno.EINVAL, h.cache, 2, end - 1)
fails(errno.ENOSPC, h.pwrite, b"xy", end - 1)
fails(errno.ENOSPC, h.zero, 2, end - 1)
fails(errno.ENOSPC, h.pwrite, b"x", 1 << 62)
assert h.pread(1, end - 1) == b"\\0"
""")

    def test_read_only(self):
        self.send('open device "disk"\nclone device "disk@now"\n')
        self.nbdsh("""
assert h.is_read_only()
fails(errno.EPERM, h.pwrite, b"x" * 5000, 0)
fails(errno.EPERM, h.trim, 1, 0)
fails(errno.EPERM, h.zero, 1, 0)
assert h.pread(2, 0) == b"\\0\\0"
h.flush()
""", "disk@now")

    def test_the_largest_requests_of_many_take_turns(self):
        self.assertEqual(self.server.stop()[0], 0)
        self.serve_nbd(":memory:", options=["--transfer-memory", "100M"],
                       prepare='create device "large" "" "size=32M"\n')
        self.nbdsh("""
largest = 32 << 20
handles = [nbd.NBD() for _ in range(8)]
for one in handles:
    one.connect_uri(sys.argv[1])
def go_on():
    while any(one.aio_in_flight() for one in handles):
        for one in handles:
            one.poll(1)
def well(error):
    assert error.value == 0
    return 1
for n, one in enumerate(handles):
    one.aio_pwrite(nbd.Buffer.from_bytearray(bytearray([n]) * largest), 0, well)
go_on()
buffers = [nbd.Buffer(largest) for _ in handles for _ in range(2)]
for n, buffer in enumerate(buffers):
    handles[n % 8].aio_pread(buffer, 0, well)
go_on()
assert len({bytes(buffer.to_bytearray()) for buffer in buffers}) == 1
""", "large")

    def test_many_in_flight(self):
        self.nbdsh("""
ended = []
def note(n):
    def ends(error):
        assert error.value == 0
        ended.append(n)
        return 1
    return ends
def wait_for_all():
    while h.aio_in_flight() > 0:
        h.poll(-1)
for n in range(500):
    h.aio_pwrite(nbd.Buffer.from_bytearray(bytearray([n % 256]) * 2000), n * 2000, note(n))
wait_for_all()
buffers = [nbd.Buffer(2000) for _ in range(500)]
h.aio_zero(1 << 19, 1 << 19, note(-1), nbd.CMD_FLAG_NO_HOLE)  # takes longer than what comes behind it
for n in range(200):
    h.aio_pread(buffers[n], n * 2000, note(n))
wait_for_all()
h.aio_zero(1, (1 << 20) - 1, note(-2))
wait_for_all()
assert sorted(ended) == [-2, -1] + sorted(list(range(500)) + list(range(200)))
for n in range(200):
    assert buffers[n].to_bytearray() == bytearray([n % 256]) * 2000
""")

    def test_streams_see_what_nbd_writes_and_the_other_way(self):
        self.nbdsh('h.pwrite(b"from outside", 70000)')
        self.assertIn('"from outside"', self.send('open device "disk"\nread bytes @70000 #12\n'))
        self.send('open device "disk"\nwrite bytes @123 "from inside"\n')
        self.nbdsh('assert h.pread(11, 123) == b"from inside"')

    def test_deleted_by_force_meanwhile(self):
        self.nbdsh(f"""
import subprocess
h.pwrite(b"x", 0)
subprocess.run([{harness.CHIMERA!r}, "send", {self.streams!r}, "-"], check=True,
               input=b"delete device by force {UUID}\\n", stdout=subprocess.DEVNULL)
fails(errno.EIO, h.pread, 1, 0)
fails(errno.EIO, h.pwrite, b"x", 0)
h.shutdown()
""")
        self.assertEqual(self.server.stop()[0], 0)


class Qemu(ClientTest):
    def setUp(self):
        super().setUp()
        self.format("128M")
        self.serve_nbd(self.store, prepare='create device "disk" "" "size=20M"\n')

    @needs("qemu-img")
    def test_convert_and_compare(self):
        image = self.random_file("image", 20 * MIB)
        self.tool("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", image, self.uri("disk"))
        self.assertIn("identical", self.tool("qemu-img", "compare", "-f", "raw", "-F", "raw", image, self.uri("disk")))
        self.tool("qemu-img", "convert", "-f", "raw", "-O", "qcow2", self.uri("disk"), "copy.qcow2")
        self.assertIn("identical", self.tool("qemu-img", "compare", "copy.qcow2", self.uri("disk")))
        self.chimera("export", self.streams, "back", "disk")
        self.assertEqual((self.folder / "back").read_bytes(), image.read_bytes())

    @needs("qemu-img")
    def test_map(self):
        self.send('open device "disk"\nwrite bytes @1M "x"\n')
        entries = json.loads(self.tool("qemu-img", "map", "--output=json", "-f", "raw", self.uri("disk")))
        self.assertEqual([(entry["start"], entry["length"], entry["data"]) for entry in entries],
                         [(0, MIB, False), (MIB, 4096, True), (MIB + 4096, 19 * MIB - 4096, False)])

    @needs("qemu-img")
    def test_bench(self):
        for options in ([], ["-w"], ["-w", "--flush-interval=64"]):
            self.tool("qemu-img", "bench", "-f", "raw", "-c", 2000, "-d", 64, "-s", 4096, *options, self.uri("disk"))

    @needs("qemu-io")
    def test_io(self):
        said = self.tool("qemu-io", "-f", "raw", "-c", "write -P 0x5a 1001 70003", "-c", "read -P 0x5a 1001 70003",
                         "-c", "read -P 0 0 1001", "-c", "write -z 4096 8192", "-c", "read -P 0 4096 8192",
                         "-c", "discard 16384 16384", "-c", "write -f -P 7 65536 512", "-c", "flush",
                         "-c", "aio_write -P 1 1M 1M", "-c", "aio_write -P 2 2M 1M", "-c", "aio_flush",
                         "-c", "read -P 1 1M 1M", "-c", "read -P 2 2M 1M", self.uri("disk"))
        self.assertNotIn("failed", said)
        self.assertNotIn("error", said)

    @needs("qemu-io")
    def test_a_qcow2_image_on_an_export(self):
        self.tool("qemu-img", "create", "-f", "qcow2", self.uri("disk"), "50M")
        self.tool("qemu-io", "-f", "qcow2", "-c", "write -P 9 10M 3M", self.uri("disk"))
        self.assertNotIn("failed", self.tool("qemu-io", "-f", "qcow2", "-c", "read -P 9 10M 3M", self.uri("disk")))
        self.assertIn("No errors", self.tool("qemu-img", "check", "-f", "qcow2", self.uri("disk")))


class Others(ClientTest):
    @needs("nbdkit")
    def test_nbdkit_in_between(self):
        """Its filter fails every write that would change something."""
        self.serve_nbd(prepare='create device "disk" "" "size=5M"\n')
        image = self.random_file("image", 5 * MIB)
        self.tool("nbdcopy", image, self.uri("disk"))
        checked = ("nbdkit", "-U", "-", "--filter=checkwrite", "nbd", f"uri={self.uri('disk')}", "--run")
        self.tool(*checked, f"nbdcopy {image} $uri")
        image.write_bytes(b"x" + image.read_bytes()[1:])
        self.tool(*checked, f"nbdcopy {image} $uri", status=1)

    @unittest.skipUnless(NBD_CLIENT, "nbd-client is not installed")
    def test_nbd_client_lists(self):
        self.serve_nbd(nbd=["tcp:127.0.0.1:0"], prepare='create device "disk"\ncreate device "other"\n')
        host, port = self.nbd.removeprefix("tcp:").split(":")
        done = subprocess.run([NBD_CLIENT, "-l", host, port], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.stdout.split()[-2:], ["disk", "other"], done)


@needs("fio")
class Fio(ClientTest):
    def fio(self, name, *options):
        said = self.tool("fio", "--name=job", "--ioengine=nbd", f"--uri={self.uri(name)}", "--verify_fatal=1",
                         "--randseed=7", "--output-format=json", *options)
        job = json.loads(said[said.index("{"):])["jobs"][0]
        self.assertEqual(job["error"], 0)

    def test_verified(self):
        self.format("128M")
        self.serve_nbd(self.store, prepare='create device "disk" "" "size=16M"\ncreate device "odd" "" "size=7000001"\n')
        self.fio("disk", "--rw=randwrite", "--bs=4k", "--iodepth=64", "--size=16M", "--verify=crc32c", "--fsync=512")
        self.fio("odd", "--rw=randwrite", "--bsrange=512-9000", "--bs_unaligned", "--iodepth=32", "--size=6M",
                 "--offset=777", "--verify=crc32c")
        self.fio("disk", "--rw=randrw", "--bs=64k", "--iodepth=16", "--size=16M", "--verify=md5", "--trim_percentage=10")
        self.assertEqual(self.server.stop()[0], 0)
        self.assertIn("No problem", self.chimera("check", self.store))


if __name__ == "__main__":
    unittest.main()
