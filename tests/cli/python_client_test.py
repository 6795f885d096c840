#!/usr/bin/env python3
"""The Python client: its bytes beside the assembler's, every kind of answer, pipelines, connections that end."""

import contextlib
import hashlib
import inspect
import io
import json
import pickle
import signal
import socket
import sys
import threading
import time
import unittest
import uuid

import harness
from harness import ROOT, ChimeraTest

sys.path.insert(0, str(ROOT / "clients" / "python"))
import chimera  # noqa: E402
from chimera import Error, Extent, Program, Status  # noqa: E402

FIRST = uuid.UUID("3f0e7c9a-8a53-4c1c-9d5e-0d8f2f7a1b11")
SECOND = uuid.UUID("00112233-4455-6677-8899-aabbccddeeff")
BLOCK = bytes(range(256)) * 16
MIB = 1 << 20
TIMEOUT = 60.0
WITHOUT_METHOD = {"journal_record"}  # `extension` makes them

# A value of each operand for the client, and as the assembler reads it.
OPERANDS = {
    "device": (FIRST, str(FIRST)),
    "second device": (str(SECOND), str(SECOND)),
    "offset64": (0xFEDCBA9876543210, "@0xFEDCBA9876543210"),
    "second offset64": (5, "@5"),
    "count32": (0xFFFFFFFF, "#0xFFFFFFFF"),
    "count64": (1 << 40, "#0x10000000000"),
    "value8": (200, "200"),
    "token": (bytes(range(16)), f'hex"{bytes(range(16)).hex()}"'),
    "block": (bytearray(BLOCK), f'hex"{BLOCK.hex()}"'),
    "name": ("näme", '"näme"'),
    "prefix": ("pre", '"pre"'),
    "after": ("after", '"after"'),
    "options": ("size=1M", '"size=1M"'),
    "credentials": (b"\0\xff", 'hex"00 ff"'),
    "columns": ("a,b", '"a,b"'),
    "bytes": (memoryview(b"\0bytes\xff"), r'"\0bytes\xff"'),
    "device names": ([(FIRST, "a"), (str(SECOND), "b")], f'{FIRST} "a" {SECOND} "b"'),
    "operands": (b"\1\2", 'hex"0102"'),
}


def append(program, name, operands):
    """Calls the method with what the operands need, whatever is optional by its name."""
    method = getattr(program, name)
    parameters = inspect.signature(method).parameters
    positional, named = [], {}
    for operand in operands:
        parameter = {"device": "device", "offset64": "offset"}.get(operand)
        value = OPERANDS[operand][0]
        if parameter in parameters and parameters[parameter].kind == inspect.Parameter.KEYWORD_ONLY:
            named[parameter] = value
        else:
            positional.append(value)
    return method(*([0x70] if name == "extension" else []), *positional, **named)


class Encodings(ChimeraTest):
    def setUp(self):
        super().setUp()
        self.reference = json.loads(self.chimera("isa", "--json"))

    def test_every_encoding_is_the_assemblers(self):
        text, chunks = [], []
        for row in self.reference["instructions"]:
            if row["name"] in WITHOUT_METHOD:
                continue
            for encoding in row["encodings"]:
                words = [row["mnemonic"]] + (["0x70"] if row["name"] == "extension" else [])
                text.append(" ".join(words + [OPERANDS[operand][1] for operand in encoding["operands"]]))
                chunks.append(bytes(append(Program(), row["name"], encoding["operands"])))
                self.assertEqual(chunks[-1][0], encoding["opcode"], text[-1][:80])
        self.assertGreater(len(chunks), 110)
        assembled = self.run_command("asm", "-", text="\n".join(text) + "\n").stdout
        at = 0
        for line, chunk in zip(text, chunks):
            self.assertEqual(chunk.hex(), assembled[at : at + len(chunk)].hex(), line[:80])
            at += len(chunk)
        self.assertEqual(at, len(assembled))

    def test_there_is_no_method_without_instruction(self):
        methods = {name for name in vars(chimera.Instructions) if not name.startswith("_")}
        self.assertEqual(methods, {row["name"] for row in self.reference["instructions"]} - WITHOUT_METHOD)
        for name in methods:
            self.assertTrue(getattr(chimera.Program, name).__doc__, name)

    def test_statuses_have_their_words(self):
        self.assertEqual({status["number"]: status["text"] for status in self.reference["statuses"]},
                         {int(status): status.words for status in Status})

    def test_what_may_be_left_out(self):
        text = 'list devices "" "" #65536\nhello\ncreate device "d"\nextension 0x71 ""\n'
        program = Program().list_devices().hello().create_device("d").extension(0x71)
        self.assertEqual(bytes(program), self.run_command("asm", "-", text=text).stdout)
        self.assertEqual(len(program), 4)
        self.assertEqual(bytes(Program().append(program).append(program)), 2 * bytes(program))
        self.assertEqual(bytes(Program().append(program).append(program)), bytes(program.append(program)))

    def test_what_has_no_encoding_is_refused_at_once(self):
        program = Program()
        for call in (lambda: program.write_byte(256), lambda: program.read_byte(offset=-1),
                     lambda: program.read_byte(offset=1 << 64), lambda: program.read_bytes(1 << 32),
                     lambda: program.write_block(b"short"), lambda: program.commit_with_token(b"short"),
                     lambda: program.open_device("n" * 65536), lambda: program.read_length(device="no UUID"),
                     lambda: program.extension(0x10, b""), lambda: program.extension(256)):
            self.assertRaises(ValueError, call)
        for call in (lambda: program.write_bytes("text"), lambda: program.write_bytes(5),
                     lambda: program.write_length(), lambda: program.write_byte(1.5),
                     lambda: program.open_device("d", offset=1)):
            self.assertRaises(TypeError, call)
        self.assertEqual(bytes(program), b"")


class Recorder:
    """Passes calls on and keeps the names of the methods."""

    def __init__(self, client):
        self.client, self.names = client, set()

    def __getattr__(self, name):
        self.names.add(name)
        return getattr(self.client, name)


class ServedTest(ChimeraTest):
    def setUp(self):
        super().setUp()
        self.server = self.serve(":memory:", [f"unix:{self.folder}/socket", "tcp:127.0.0.1:0"])
        self.client = self.connect_client(self.server.addresses[0])

    def connect_client(self, address, **options):
        client = chimera.connect(address, **{"timeout": TIMEOUT, **options})
        self.addCleanup(client.close)
        return client


class Answers(ServedTest):
    def test_every_instruction_has_its_result(self):
        c = Recorder(self.client)
        same = self.assertEqual
        same(c.create_device("d", "columns", "size=1M", device=FIRST), FIRST)
        same(c.open_device("d"), FIRST)
        same(c.read_columns(), "columns")
        same(c.write_columns("ä\udcff"), None)  # whatever bytes come back the same
        same(c.read_columns(), "ä\udcff")
        same((c.describe_device()["name"], c.read_length()), ("d", MIB))

        same((c.write_byte(7, offset=0), c.read_byte(offset=0), c.check_byte(7, offset=0)), (None, 7, None))
        same((c.swap_byte(8, offset=0), c.read_byte(device=FIRST, offset=0)), (7, 8))
        same((c.write_bytes(b"hello", offset=16), c.check_bytes(b"hello", offset=16)), (None, None))
        same(c.swap_bytes(memoryview(b"HELLO"), offset=16), b"hello")
        same((c.read_bytes(0), c.read_bytes(2)), (b"", b"\0\0"))
        same((c.select_offset(16), c.read_bytes(5)), (None, b"HELLO"))
        same((c.write_block(BLOCK, offset=8192), c.check_block(BLOCK, offset=8192)), (None, None))
        same((c.swap_block(bytes(4096), offset=8192), c.read_block(offset=8192)), (BLOCK, bytes(4096)))
        extents = c.read_extents(16384, offset=0)
        same(sum(extent.length for extent in extents), 16384)
        same(extents[0], Extent(4096, 0))
        self.assertTrue(extents[1].is_hole and extents[1].is_zero and not extents[1].differs)
        same((c.clear_extents(4096, offset=8192), c.read_digest(FIRST, 0, 0)), (None, hashlib.sha256(b"").digest()))

        same((c.write_metadata(5, 9), c.read_metadata(5), c.write_metadata_bytes(100, b"abc")), (None, 9, None))
        same((c.read_metadata_bytes(100, 3), c.check_metadata_bytes(FIRST, 100, b"abc")), (b"abc", None))
        same(c.read_metadata_extents(FIRST, 0, 8192), [Extent(4096, 0), Extent(4096, 3)])
        same((c.clear_metadata(FIRST, 0, 8192), c.read_metadata(5)), (None, 0))

        clone = c.clone_device("clone")
        self.assertIsInstance(clone, uuid.UUID)
        same((c.write_byte(1, device=clone, offset=4096), c.select_device(FIRST)), (None, None))
        differing = [extent.differs for extent in c.compare_devices(FIRST, clone, 0, 8192)]
        same(differing, [False, True])
        same((c.roll_back_device(FIRST, clone), c.read_byte(device=FIRST, offset=4096)), (None, 1))
        same((c.protect_device(clone, True), c.protect_device(clone, False)), (None, None))
        same((c.rename_device(clone, "klön"), c.copy_bytes(FIRST, 16, clone, 0, 5)), (None, None))
        same((c.read_bytes(5, offset=0), c.flush_device(), c.close_device(device=clone)), (b"HELLO", None, None))
        snapshots = c.snapshot([(FIRST, "s1"), (clone, "s2")])
        same(c.list_devices("s"), [(snapshots[0], "s1"), (snapshots[1], "s2")])
        same([device.name for device in c.list_devices("", "d", 1)], ["klön"])
        same((c.delete_device(device=snapshots[0]), c.delete_device_by_force(snapshots[1])), (None, None))
        same(c.list_devices("s"), [])
        same((c.create_device("log", device=SECOND), c.append_bytes(b"12345"), c.append_bytes(b"6")), (SECOND, 0, 5))
        same((c.write_length(3), c.read_length(), c.sync()), (None, 3, None))

        token = bytes(range(16))
        same((c.begin(), c.abort(), c.begin(), c.commit()), (None, None, None, None))
        same((c.begin(), c.commit_with_token(token)), (None, None))
        same(c.outcome_of_token(token), chimera.Outcome.COMMITTED)
        same(c.describe_store()["devices"], 3)
        greeting = c.hello()
        same((greeting.block_size, greeting.largest_transfer, greeting.has_transactions), (4096, 32 * MIB, True))
        same(".".join(map(str, greeting.version)), self.chimera("--version").split()[-1])
        with self.assertRaises(Error) as caught:
            c.extension(0x70, b"123")
        same(caught.exception.status, Status.UNSUPPORTED)
        rows = json.loads(self.chimera("isa", "--json"))["instructions"]
        same(c.names, {row["name"] for row in rows} - WITHOUT_METHOD)

    def test_tcp_is_the_same(self):
        with self.connect_client(self.server.addresses[1]) as client:
            self.assertEqual(client.create_device("d", device=FIRST), FIRST)
            self.assertEqual(client.run(Program().write_bytes(b"abc").read_length()), [None, 3])
        self.assertRaises(chimera.ConnectionLost, client.sync)
        client.reconnect()
        self.assertEqual(client.run(Program().open_device("d").read_bytes(3)), [FIRST, b"abc"])

    def test_an_error_says_what_and_where(self):
        program = Program().create_device("d", device=FIRST).write_bytes(b"abc").read_bytes(9, offset=0).read_length()
        with self.assertRaises(Error) as caught:
            self.client.run(program)
        error = caught.exception
        self.assertEqual((error.status, error.name, error.number, error.instruction),
                         (Status.OUT_OF_RANGE, "out of range", 2, "read bytes"))
        self.assertRegex(str(error), r"^instruction 2 \(read bytes\): out of range: .+")
        self.assertEqual((error.results[0], error.results[2], error.results[3]), (FIRST, error, 3))
        self.assertEqual(str(pickle.loads(pickle.dumps(error))), str(error))

    def test_the_readmes_example(self):
        lines = (ROOT / "clients" / "python" / "README.md").read_text().splitlines()
        source = "\n".join(line[4:] for line in lines if line.startswith("    ") or not line)
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(source.replace("unix:socket", self.server.addresses[0], 1), {})
        self.assertEqual(said.getvalue(), "b'Hello, world!\\n'\n")
        self.client.open_device("disk0")
        self.assertEqual(self.client.read_byte(), 1)  # the transaction has counted up

    def test_errors_as_values(self):
        results = self.client.run(Program().read_length().open_device("nobody").sync(), raise_errors=False)
        self.assertEqual([getattr(each, "status", None) for each in results],
                         [Status.NO_CURRENT_DEVICE, Status.NOT_FOUND, None])
        self.assertEqual(self.client.run(Program()), [])


class Pipelines(ServedTest):
    def setUp(self):
        super().setUp()
        self.client.create_device("d", options="size=64M", device=FIRST)

    def test_megabytes_both_ways_in_one_program(self):
        program = Program().write_bytes(bytes(MIB), offset=0)
        for number in range(48):
            program.swap_bytes(bytes([number]) * MIB, offset=0)
        results = self.client.run(program)
        self.assertEqual([result[:1] + result[-1:] for result in results[1:]],
                         [bytes(2)] + [bytes([number] * 2) for number in range(47)])

    def test_sending_without_receiving(self):
        for number in range(32):
            self.client.send(Program().write_bytes(bytes([number]) * MIB, offset=0).read_bytes(MIB, offset=0))
        self.assertEqual(self.client.read_length(), 64 * MIB)  # in between, and in step
        for number in range(32):
            self.assertEqual(self.client.receive()[1][:2], bytes([number] * 2))
        self.assertRaises(ValueError, self.client.receive)

    def test_a_pipeline_is_bounded(self):
        taken = []

        def programs(count, size):
            for number in range(count):
                taken.append(number)
                yield Program().write_byte(number % 256, offset=0).read_bytes(size, offset=0)

        for count, size, window, most in ((500, 1, MIB, 10), (40, MIB, 4 * MIB, 4)):
            taken.clear()
            for number, (_, data) in enumerate(self.client.pipeline(programs(count, size), depth=10, window=window)):
                self.assertEqual(data[0], number % 256)
                self.assertLessEqual(len(taken) - number, most + 1)
            self.assertEqual(number, count - 1)

    def test_a_pipeline_that_fails_leaves_the_stream_in_step(self):
        programs = [Program().read_bytes(1, offset=0), Program().read_byte(offset=64 * MIB), Program().sync()]
        for raise_errors in (True, False):
            results = self.client.pipeline(programs, raise_errors=raise_errors)
            self.assertEqual(next(results), [b"\0"])
            if raise_errors:
                self.assertRaises(Error, next, results)
            else:
                self.assertEqual([each[0] and each[0].status for each in results], [Status.OUT_OF_RANGE, None])
            self.assertEqual(self.client.read_length(), 64 * MIB)

    def test_many_small_ones(self):
        program = Program().select_offset(0)
        for number in range(10_000):
            program.write_byte(number % 251)
        program.select_offset(0)
        for _ in range(10_000):
            program.read_byte()
        self.assertEqual(self.client.run(program)[-10_000:], [number % 251 for number in range(10_000)])


class Connections(ServedTest):
    def play_server(self, *answers, then=None):
        """A server that, when something comes, sends each of `answers` a moment after the other, calls `then`, and
        closes."""
        listening = socket.socket(socket.AF_UNIX)
        self.addCleanup(listening.close)
        listening.bind(f"{self.folder}/played")
        listening.listen()

        def play():
            with listening.accept()[0] as session:
                session.recv(100)
                for answer in answers:
                    session.sendall(answer)
                    time.sleep(0.001)
                if then:
                    then(session)

        if answers or then:
            thread = threading.Thread(target=play)
            thread.start()
            self.addCleanup(thread.join)
        return f"unix:{self.folder}/played"

    def test_addresses(self):
        for address in ("socket", "unix:", "tcp:host", "tcp:host:port", "tcp:host:65536", "tcp:host:\u00b2",
                        "http://there"):
            self.assertRaises(ValueError, chimera.connect, address)
        for address in (f"unix:{self.folder}/none", "tcp:127.0.0.1:1"):
            with self.assertRaisesRegex(chimera.ConnectionLost, "cannot connect to " + address):
                chimera.connect(address)

    def test_a_server_that_is_killed(self):
        self.client.create_device("d")
        self.client.send(Program().read_length())
        self.assertEqual(self.client.read_length(), 0)
        self.server.process.send_signal(signal.SIGSTOP)
        self.client.send(Program().sync().sync())
        self.server.kill()
        self.assertEqual(self.client.receive(), [0])  # it had come
        with self.assertRaisesRegex(chimera.ConnectionLost, "2 answers had not come"):
            self.client.receive()
        for call in (self.client.sync, lambda: self.client.send(Program().sync())):
            self.assertRaises(chimera.ConnectionLost, call)

    def test_a_server_that_is_killed_while_much_is_sent(self):
        program = Program().create_device("d", options="size=32M")
        for _ in range(20):
            program.swap_bytes(bytes(MIB), offset=0)
        threading.Timer(0.05, self.server.process.kill).start()
        with self.assertRaises(chimera.ConnectionLost):
            for _ in range(1000):
                self.client.run(program, raise_errors=False)

    def test_an_answer_before_the_end_says_more(self):
        client = self.connect_client(self.play_server(b"\0\x01\x03\0bad"))
        with self.assertRaises(Error) as caught:
            client.run(Program().sync().sync().sync())
        self.assertEqual((caught.exception.status, caught.exception.number, caught.exception.message), (1, 1, "bad"))

    def test_a_status_of_a_later_version(self):
        client = self.connect_client(self.play_server(b"\x63\0\0"))
        with self.assertRaisesRegex(Error, "status 99"):
            client.sync()

    def test_an_answer_byte_by_byte(self):
        expected = b"\0\x01\0\0\0" + FIRST.bytes + b"\x02\0ab"
        client = self.connect_client(self.play_server(*(bytes([byte]) for byte in expected)))
        self.assertEqual(client.list_devices(), [(FIRST, "ab")])

    def test_answers_that_nobody_has_asked_for(self):
        client = self.connect_client(self.play_server(b"\0\0"))
        with self.assertRaisesRegex(chimera.ConnectionLost, "nobody has asked"):
            client.sync()

    def test_a_server_that_says_nothing_is_left_after_the_timeout(self):
        client = self.connect_client(self.play_server(), timeout=0.05)
        with self.assertRaisesRegex(chimera.ConnectionLost, "nothing has moved for 0.05 seconds; 1 answers"):
            client.sync()

    def test_an_interrupt_within_an_instruction_ends_the_connection(self):
        def interrupt(*_):
            raise KeyboardInterrupt

        before = signal.signal(signal.SIGUSR1, interrupt)
        self.addCleanup(signal.signal, signal.SIGUSR1, before)

        def interrupt_who_sends(_session):
            signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
            over.wait()

        over = threading.Event()
        client = self.connect_client(self.play_server(then=interrupt_who_sends))
        self.addCleanup(over.set)
        self.assertRaises(KeyboardInterrupt, client.run, Program().write_bytes(bytes(8 * MIB)))
        self.assertRaises(chimera.ConnectionLost, client.sync)


if __name__ == "__main__":
    unittest.main()
