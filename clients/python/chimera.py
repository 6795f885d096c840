"""A client for Chimera, the programmable block store: one file, no dependencies, Python 3.9 or later.

    import chimera

    with chimera.connect("unix:socket") as client:
        client.create_device("accounts", options="size=1M")
        client.write_bytes(b"hello", offset=0x40)
        program = chimera.Program().read_bytes(5, offset=0x40).read_length()
        data, length = client.run(program)

Every instruction is a method of `Instructions`, which three classes share: a `Program` collects them, a `Client` runs
each at once, a `Transaction` runs them between begin and commit. Offsets, lengths and counts are in bytes; a block has
4096 of them.
"""

from __future__ import annotations

import collections
import enum
import json
import operator
import random
import secrets
import select
import socket
import struct
import time
import uuid
from typing import Any, Callable, Iterable, Iterator, NamedTuple, Optional

__all__ = ["Client", "ConnectionLost", "Error", "Extent", "Greeting", "Instructions", "ListedDevice", "Outcome",
           "Program", "Status", "Transaction", "connect"]

BLOCK_SIZE = 4096
_RECEIVED_BYTES = 1 << 18  # at most, by one call
_KEPT_BYTES = 1 << 20  # of a transaction before it is sent: a server runs no longer one again by itself


class Status(enum.IntEnum):
    """What an answer begins with; `words` is how Chimera calls it, the comment what it means."""

    def __new__(cls, number, words):
        status = int.__new__(cls, number)
        status._value_ = number
        status.words = words
        return status

    OK = 0, "ok"
    ILLEGAL_INSTRUCTION = 1, "illegal instruction"  # no instruction at all: the server closes the connection
    NO_CURRENT_DEVICE = 2, "no current device"  # none was opened, or the last one named could not be reached
    NOT_FOUND = 3, "not found"  # no device of that name or UUID
    EXISTS = 4, "exists"  # a device of that name or UUID is there already
    OUT_OF_RANGE = 5, "out of range"  # behind the device's length; nothing was moved
    MISALIGNED = 6, "misaligned"  # offsets of blocks are multiples of 4096
    MISMATCH = 7, "mismatch"  # a check found something else
    ABORTED = 8, "aborted"  # not run: something before it in the transaction has failed
    CONFLICT = 9, "conflict"  # another session has changed what the transaction has read: run it again
    BUSY = 10, "busy"  # another session has the device open
    NO_SPACE = 11, "no space"  # the store is full
    INPUT_OUTPUT_ERROR = 12, "input/output error"  # the disk has failed; of a commit: the outcome is unknown
    CORRUPT = 13, "corrupt"  # a checksum does not match: the data is damaged
    TOO_LARGE = 14, "too large"  # more than one instruction, or one transaction, may have
    DENIED = 15, "denied"  # credentials that nobody checks, or a journal's own record
    UNSUPPORTED = 16, "unsupported"  # by this kind of device, or by this version of the server
    READ_ONLY = 17, "read only"  # the device is protected
    BAD_NAME_OR_TEXT = 18, "bad name or text"  # a name of no or over 255 bytes, control characters, unknown options
    SHUTTING_DOWN = 19, "shutting down"  # not run: the server ends
    OUT_OF_SEQUENCE = 20, "out of sequence"  # begin, commit, abort, flush or sync where it does not belong
    TOO_MANY_OPEN_DEVICES = 21, "too many open devices"  # of this session: close some
    NO_CURSOR = 22, "no cursor"  # a write has failed: give the offset


class Outcome(enum.IntEnum):
    """What has become of a commit with a token."""

    UNKNOWN = 0  # none of the last 65,536 that have happened, or it has not come yet
    COMMITTED = 1  # it has happened, and is durable
    FAILED = 2  # it has failed, and none with this token has succeeded since


class Error(Exception):
    """An answer that is not ok. `status` is its number (a `Status` if it is a known one), `name` the status in words,
    `message` what the server said, `instruction` the mnemonic, `number` its place in the program, from 0; in a
    transaction `begin` is number 0. `results` are all answers of the program, this and later errors among them."""

    def __init__(self, status: int, message: str, instruction: str, number: int):
        super().__init__(status, message, instruction, number)  # so it can be pickled
        try:
            self.status = Status(status)
            self.name = self.status.words
        except ValueError:
            self.status, self.name = status, f"status {status}"
        self.message, self.instruction, self.number = message, instruction, number
        self.results: list = []

    def __str__(self):
        return f"instruction {self.number} ({self.instruction}): {self.name}: {self.message}"


class ConnectionLost(ConnectionError):
    """The connection could not be made or has ended. What was sent and not answered may have happened or not."""


class Extent(NamedTuple):
    length: int  # bytes
    flags: int  # 1 hole, 2 reads as zeros, 4 differs (compare devices)

    is_hole = property(lambda self: bool(self.flags & 1))
    is_zero = property(lambda self: bool(self.flags & 2))
    differs = property(lambda self: bool(self.flags & 4))


class ListedDevice(NamedTuple):
    uuid: uuid.UUID
    name: str


class Greeting(NamedTuple):
    version: tuple  # three numbers
    block_size: int  # bytes
    largest_transfer: int  # bytes of one instruction's payload or result
    most_open_devices: int  # of a session
    session: int
    features: int  # bit 0: transactions

    has_transactions = property(lambda self: bool(self.features & 1))


# Operands. Each function makes the bytes in the stream; what has no encoding is a ValueError or TypeError.


def _unsigned(bits):
    def encode(value):
        value = operator.index(value)
        if not 0 <= value < 1 << bits:
            raise ValueError(f"{value} is not an unsigned integer of {bits} bits")
        return value.to_bytes(bits // 8, "little")
    return encode


_u8, _u16, _u32, _u64 = map(_unsigned, (8, 16, 32, 64))


def _raw(data):
    return data if type(data) is bytes else bytes(memoryview(data))  # not bytes(data), which takes 5 for five zeros


def _sized(length, what):
    def encode(data):
        data = _raw(data)
        if len(data) != length:
            raise ValueError(f"{what} is {length} bytes, not {len(data)}")
        return data
    return encode


def _counted(integer):
    def encode(data):
        data = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else _raw(data)
        return integer(len(data)) + data
    return encode


def _device(device):
    return (device if isinstance(device, uuid.UUID) else uuid.UUID(device)).bytes


_string16, _string32 = _counted(_u16), _counted(_u32)
_ENCODERS = {
    "device": _device, "u8": _u8, "u32": _u32, "u64": _u64, "string16": _string16, "string32": _string32,
    "bytes": lambda data: _string32(_raw(data)), "block": _sized(BLOCK_SIZE, "a block"), "token": _sized(16, "a token"),
    "devices": lambda pairs: _u32(len(pairs)) + b"".join(_device(device) + _string16(name) for device, name in pairs),
}


# Results. A generator each, which yields how many bytes it needs next, is sent them, and returns the value. `size` is
# the count that the instruction itself has told.


def _integer_of(size):
    return int.from_bytes((yield size), "little")


def _text_of(_):
    return (yield (yield from _integer_of(4))).decode("utf-8", "surrogateescape")  # columns are not interpreted


def _uuid_of(_):
    return uuid.UUID(bytes=(yield 16))


def _uuids_of(size):
    data = yield 16 * size
    return [uuid.UUID(bytes=data[at : at + 16]) for at in range(0, len(data), 16)]


def _extents_of(_):
    data = yield 12 * (yield from _integer_of(4))
    return [Extent(*each) for each in struct.iter_unpack("<QI", data)]


def _devices_of(_):
    listed = []
    for _ in range((yield from _integer_of(4))):
        device = yield from _uuid_of(0)
        listed.append(ListedDevice(device, (yield (yield from _integer_of(2))).decode()))
    return listed


def _greeting_of(_):
    major, minor, patch, *others = struct.unpack("<3BIIIQQ", (yield 31))
    return Greeting((major, minor, patch), *others)


def _bytes_of(size):
    return (yield size)


def _nothing_of(_):
    yield from ()


def _json_of(_):
    return json.loads((yield from _text_of(0)))


_DECODERS = {
    "none": _nothing_of, "byte": lambda _: _integer_of(1), "u64": lambda _: _integer_of(8), "bytes": _bytes_of,
    "block": lambda _: _bytes_of(BLOCK_SIZE), "digest": lambda _: _bytes_of(32), "text": _text_of, "json": _json_of,
    "UUID": _uuid_of, "UUIDs": _uuids_of, "extents": _extents_of, "devices": _devices_of, "greeting": _greeting_of,
}


def _answer_of(row, size, number):
    status = yield from _integer_of(1)
    if status == Status.OK:
        return (yield from _DECODERS[row.result](size))
    message = (yield (yield from _integer_of(2))).decode("utf-8", "replace")
    return Error(status, message, row.mnemonic, number)


# The low bits of the opcode for what is given: bit 0 the device, bit 1 the offset (create device: the options).
_MODES = {
    "bits": {0: 0, 1: 1, 2: 2, 3: 3},
    "full": {3: 0, 1: 1, 2: 2, 0: 4},
    "device": {1: 0, 0: 4},
    "placed": {3: 0, 2: 2},
}


class _Row(NamedTuple):
    mnemonic: str
    number: int  # the row's opcode; of an extension the second one
    addressing: str  # a key of _MODES; "single" has one opcode; "extension" stands behind 7F
    operands: str  # parameter:kind=default, in the order of the stream, behind device and offset
    result: str
    meaning: str


_ROWS = [_Row(*row) for row in (
    ("read byte", 0x00, "bits", "", "byte", "One byte."),
    ("check byte", 0x08, "bits", "value:u8", "none", "MISMATCH unless the byte is `value`."),
    ("read bytes", 0x10, "bits", "count:u32", "bytes", "`count` bytes."),
    ("check bytes", 0x18, "bits", "data:bytes", "none", "MISMATCH unless exactly these bytes stand there."),
    ("read block", 0x20, "full", "", "block", "4096 bytes; zeros behind the length."),
    ("check block", 0x28, "full", "data:block", "none", "MISMATCH unless the block is this one."),
    ("read columns", 0x30, "device", "", "text", "The device's columns: text that the machine does not interpret."),
    ("read extents", 0x38, "full", "count:u64", "extents",
     "Where the range of `count` bytes holds data and where holes; perhaps less far than asked."),
    ("open device", 0x40, "single", "name:string16", "UUID", "Opens the device of that name; it becomes current."),
    ("list devices", 0x48, "single", "prefix:string16='' after:string16='' count:u32=65536", "devices",
     "At most `count` devices whose name begins with `prefix` and comes behind `after`, sorted by name."),
    ("read length", 0x50, "device", "", "u64", "The length in bytes."),
    ("describe device", 0x58, "device", "", "json", "All about the device."),
    ("read metadata", 0x60, "placed", "offset:u64", "byte", "One byte of the metadata."),
    ("read metadata bytes", 0x68, "placed", "offset:u64 count:u32", "bytes", "`count` bytes of the metadata."),
    ("clone device", 0x78, "device", "name:string16", "UUID", "A device of that name with the same content; its UUID."),
    ("write byte", 0x80, "full", "value:u8", "none", "Writes one byte."),
    ("swap byte", 0x88, "full", "value:u8", "byte", "Writes one byte and answers the old one."),
    ("write bytes", 0x90, "full", "data:bytes", "none", "Writes bytes. Behind the length the device grows."),
    ("swap bytes", 0x98, "full", "data:bytes", "bytes", "Writes bytes and answers the old ones."),
    ("write block", 0xA0, "full", "data:block", "none", "Writes 4096 bytes."),
    ("swap block", 0xA8, "full", "data:block", "block", "Writes 4096 bytes and answers the old ones."),
    ("write columns", 0xB0, "device", "columns:string32", "none", "Replaces the device's columns."),
    ("clear extents", 0xB8, "full", "count:u64", "none", "Gives `count` bytes back: they read as zeros."),
    ("close device", 0xC0, "device", "", "none", "Closes the device."),
    ("flush device", 0xC8, "device", "", "none", "What was answered before on this device is durable."),
    ("write length", 0xD0, "placed", "length:u64", "none", "Shrinks the device, or grows it with zeros."),
    ("append bytes", 0xD8, "device", "data:bytes", "u64", "Writes bytes at the end and answers the offset there."),
    ("write metadata", 0xE0, "placed", "offset:u64 value:u8", "none", "Writes one byte of the metadata."),
    ("write metadata bytes", 0xE8, "placed", "offset:u64 data:bytes", "none", "Writes bytes of the metadata."),
    ("delete device", 0xF0, "device", "", "none", "Deletes it; BUSY while another session has it open."),
    ("begin", 0xF8, "single", "", "none", "Begins a transaction; `Client.transaction` does all of it."),
    ("commit", 0xF9, "single", "", "none", "All of the transaction has happened and is durable, or nothing."),
    ("abort", 0xFA, "single", "", "none", "Nothing of the transaction happens."),
    ("sync", 0xFB, "single", "", "none", "Every device is durable."),
    ("copy bytes", 0xFC, "single", "source:device source_offset:u64 target:device target_offset:u64 count:u64", "none",
     "Copies `count` bytes as if all were read first; the target becomes current, its cursor at the end."),
    ("hello", 0xFD, "single", "credentials:string16=''", "greeting", "Who is there; any credentials are DENIED."),
    ("select device", 0xFE, "single", "device:device", "none", "Makes the device current."),
    ("select offset", 0xFF, "single", "offset:u64", "none", "Sets the current device's cursor."),
    ("read digest", 0x10, "extension", "device:device offset:u64 count:u64", "digest", "The SHA-256 of the range."),
    ("compare devices", 0x11, "extension", "device:device other:device offset:u64 count:u64", "extents",
     "Where the two differ in the range of `count` bytes."),
    ("read metadata extents", 0x20, "extension", "device:device offset:u64 count:u64", "extents",
     "Where the range of the metadata holds data and where holes."),
    ("clear metadata", 0x21, "extension", "device:device offset:u64 count:u64", "none",
     "Gives `count` bytes of the metadata back: they read as zeros."),
    ("check metadata bytes", 0x22, "extension", "device:device offset:u64 data:bytes", "none",
     "MISMATCH unless exactly these bytes stand in the metadata."),
    ("rename device", 0x40, "extension", "device:device name:string16", "none", "Gives the device another name."),
    ("protect device", 0x41, "extension", "device:device read_only:u8", "none", "READ_ONLY from now on, or no longer."),
    ("roll back device", 0x42, "extension", "device:device other:device", "none",
     "The first takes the content of the second, its clone or origin."),
    ("delete device by force", 0x43, "extension", "device:device", "none",
     "Deletes the device; to other sessions that have it open it is NOT_FOUND from then on."),
    ("snapshot", 0x44, "extension", "devices:devices", "UUIDs",
     "Clones all at one moment: `devices` are pairs of a device and the name of its clone. The clones' UUIDs."),
    ("describe store", 0x50, "extension", "", "json", "All about the store."),
    ("commit with token", 0x60, "extension", "token:token", "none", "Commits, and the outcome can be asked for."),
    ("outcome of token", 0x61, "extension", "token:token", "byte", "What became of that commit: see `Outcome`."),
)]
_CREATE = _Row("create device", 0x70, "creation", "", "UUID", "")
_EXTENSION = _Row("extension", 0x7F, "single", "", "none", "")


class Instructions:
    """A method for each instruction. `device` (a uuid.UUID, or a str with one) and `offset` (in bytes) may be left out:
    they are the session's current device and that device's cursor then, which an access leaves at its end. A device
    that is given becomes current, and is opened. Data is bytes, or anything that has a buffer of them; names are str of
    1 to 255 bytes. A value that has no encoding is a ValueError or a TypeError, before anything is sent."""

    def _take(self, row: _Row, encoded: bytes, size: int) -> Any:
        """Collects or runs an instruction. `size`: of the result, in bytes or items, as far as that is not in it."""
        raise NotImplementedError

    def create_device(self, name: str, columns: str = "", options: str = "", *, device=None):
        """Makes a device and opens it; it becomes current. Answers its UUID: `device`, or a new one. `options` are
        pairs key=value with commas between: size=N[K|M|G|T] for a fixed length in bytes, kind=pool, kind=memory,
        or kind=file and path=PATH for a file that the server may serve in place; or clone=UUID alone, for a clone of
        that device."""
        mode = (device is not None) | (2 if options else 0)
        head = bytes([_CREATE.number | mode]) + (_device(device) if device is not None else b"")
        tail = _string16(options) if options else b""
        return self._take(_CREATE, head + _string16(name) + _string32(columns) + tail, 0)

    def extension(self, second_opcode: int, operands: bytes = b""):
        """An extension that this client does not know, and whose answer has no result: UNSUPPORTED, or DENIED from 0x80
        on, where a journal's own records are."""
        if any(row.addressing == "extension" and row.number == second_opcode for row in _ROWS):
            raise ValueError(f"extension {second_opcode:#x} has a method of its own")
        return self._take(_EXTENSION, b"\x7f" + _u8(second_opcode) + _string32(_raw(operands)), 0)


def _head(row, device, offset):
    """The opcode, and device and offset as far as they are given: the one encoding that carries just these."""
    mode = (device is not None) | (offset is not None) << 1
    head = bytes([row.number | _MODES[row.addressing][mode]])
    if device is not None:
        head += _device(device)
    return head if offset is None else head + _u64(offset)


def _method(row):
    """The row's function, made from text so that its signature is a real one."""
    operands = [operand.partition(":")[::2] for operand in row.operands.split()]
    parameters = ["self"] + [name + kind[kind.find("="):] * ("=" in kind) for name, kind in operands]
    size = {"count": "count", "data": "memoryview(data).nbytes", "devices": "len(devices)"}
    sizes = [size[name] for name, _ in operands if name in size and row.result in ("bytes", "UUIDs")]
    head = f"{bytes([row.number])}"
    if row.addressing in _MODES:
        where = operands.pop(0)[0] if row.addressing == "placed" else "offset" if row.addressing != "device" else None
        parameters += ["*", "device=None"] + (["offset=None"] if where and row.addressing != "placed" else [])
        head = f"_head(row, device, {where})"
    parts = [f"_ENCODERS['{kind.partition('=')[0]}']({name})" for name, kind in operands]
    encoded = " + ".join(([] if row.addressing == "extension" else [head]) + parts) or "b''"
    if row.addressing == "extension":
        encoded = f"b'\\x7f' + {head} + _string32({encoded})"
    name = row.mnemonic.replace(" ", "_")
    source = f"def {name}({', '.join(parameters)}): return self._take(row, {encoded}, {sizes[0] if sizes else 0})"
    made: dict = {}
    exec(source, {**globals(), "row": row}, made)
    made[name].__qualname__ = f"Instructions.{name}"
    made[name].__doc__ = f"{row.meaning} Result: {row.result}."
    return made[name]


for _row in _ROWS:
    setattr(Instructions, _row.mnemonic.replace(" ", "_"), _method(_row))


class Program(Instructions):
    """Instructions, one behind the other. Each method appends one and returns the program. `bytes(program)` is the
    stream; a program may be run any number of times."""

    def __init__(self):
        self._stream = bytearray()
        self._expected: list = []  # (row, size) of each answer
        self._answer_bytes = 0  # about; extents and lists count little

    def _take(self, row, encoded, size):
        self._stream += encoded
        self._expected.append((row, size))
        self._answer_bytes += size + 1
        return self

    def append(self, program: Program) -> Program:
        """Appends all instructions of another one."""
        self._stream += bytes(program._stream)  # it may be this one
        self._expected += program._expected
        self._answer_bytes += program._answer_bytes
        return self

    def __bytes__(self):
        return bytes(self._stream)

    def __len__(self):
        """The number of instructions."""
        return len(self._expected)


class _Ticket:
    """A program that was sent, and its answers as far as they have come."""

    def __init__(self, program):
        self.expected = tuple(program._expected)
        self.results: list = []
        self.bytes = len(program._stream) + program._answer_bytes

    def is_done(self):
        return len(self.results) == len(self.expected)


def connect(address: str, *, timeout: Optional[float] = None) -> Client:
    """A session with the server at "unix:PATH" or "tcp:HOST:PORT". `timeout` is in seconds: how long the connection
    may stand still while an answer is due (for ever, if None). Raises ConnectionLost where nobody listens."""
    return Client(address, timeout=timeout)


def _is_port(text):
    return text.isascii() and text.isdigit() and int(text) <= 65535


def _connected_socket(address, timeout):
    kind, _, rest = address.partition(":")
    host, _, port = rest.rpartition(":")
    if kind not in ("unix", "tcp") or not rest or (kind == "tcp" and not _is_port(port)):
        raise ValueError(f'{address!r} is neither "unix:PATH" nor "tcp:HOST:PORT"')
    try:
        if kind == "tcp":
            made = socket.create_connection((host.strip("[]") or "127.0.0.1", int(port)), timeout)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        else:
            made = socket.socket(socket.AF_UNIX)
            try:
                made.settimeout(timeout)
                made.connect(rest)
            except BaseException:
                made.close()
                raise
    except OSError as error:
        raise ConnectionLost(f"cannot connect to {address}: {error}") from error
    made.setblocking(False)
    return made


def _pause(turn):
    """Longer on average from turn to turn, up to a quarter of a second; by chance, so that rivals part."""
    time.sleep(random.uniform(0, min(0.25, 0.001 * 2 ** min(turn, 8))))


class Client(Instructions):
    """A connection, which is a session of its own: a current device, cursors, open devices. Its methods run one
    instruction, wait, and return the result or raise Error. For one thread at a time. A context manager: it closes."""

    def __init__(self, address: str, *, timeout: Optional[float] = None):
        self.address, self.timeout = address, timeout
        self._socket: Any = None
        self._lost: Optional[str] = None  # why there is no connection any more
        self._is_in_transaction = False  # of `transaction`
        self.reconnect()

    def reconnect(self) -> None:
        """Ends the session, if it has not ended, and begins a new one, without current device and open devices. What
        was sent and not received is forgotten."""
        self.close()
        self._socket = _connected_socket(self.address, self.timeout)
        self._lost = None
        self._send_failure: Optional[OSError] = None
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        self._buffer = bytearray()
        self._decoder: Any = None  # of the answer that is arriving
        self._needed = 0  # bytes, for it to go on
        self._flight: collections.deque = collections.deque()  # tickets with answers to come
        self._sent: collections.deque = collections.deque()  # tickets to be received

    def close(self) -> None:
        """Ends the session. A transaction that has not ended is aborted by that."""
        if self._socket is not None:
            self._socket.close()
            self._lost = self._lost or f"{self.address}: the connection was closed"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def run(self, program: Program, *, raise_errors: bool = True) -> list:
        """Sends the program and returns the results of its instructions (None where there is none). Answers that are
        not ok: the first is raised once all have come; with `raise_errors=False` each stands in its place in the list,
        as an Error. Outside of a transaction what stands behind a failed instruction is run all the same."""
        return self._wait(self._submit(program), raise_errors)

    def send(self, program: Program) -> None:
        """Sends a program without waiting for its answers; `receive` returns them, or raises what went wrong. Answers
        that come meanwhile are taken and kept, so no amount of programs blocks: they need memory until received."""
        self._sent.append(self._submit(program))

    def receive(self, *, raise_errors: bool = True) -> list:
        """The results, as of `run`, of the first program that was sent and not received yet."""
        if not self._sent:
            raise ValueError("nothing was sent that has not been received")
        return self._wait(self._sent.popleft(), raise_errors)

    def pipeline(self, programs: Iterable[Program], *, depth: int = 64, window: int = 8 << 20,
                 raise_errors: bool = True) -> Iterator[list]:
        """Runs many programs without waiting between them, and yields the results of each, in order. At most `depth`
        programs, and about `window` bytes of them and of their answers, are under way (one program at least). Where an
        error is raised the programs behind it may have been run; what they answered is dropped."""
        waiting: collections.deque = collections.deque()
        for program in programs:
            size = len(program._stream) + program._answer_bytes
            while waiting and (len(waiting) >= depth or sum(ticket.bytes for ticket in waiting) + size > window):
                yield self._wait(waiting.popleft(), raise_errors)
            waiting.append(self._submit(program))
        while waiting:
            yield self._wait(waiting.popleft(), raise_errors)

    def transaction(self, function: Callable[[Transaction], Any], *, attempts: int = 64) -> Any:
        """Runs function(transaction) between begin and commit and returns what it returns, once that is durable. If
        another session has got in between (CONFLICT) all of it is run again, after a pause, up to `attempts` times in
        all. Whatever the function raises aborts the transaction. ConnectionLost at the commit leaves open whether it
        has happened; `transaction_with_token` does not."""
        for turn in range(attempts):
            try:
                return Transaction(self)._run(function)
            except Error as error:
                if error.status != Status.CONFLICT or turn + 1 == attempts:
                    raise
            _pause(turn)
        raise ValueError("there has to be one attempt")

    def transaction_with_token(self, function: Callable[[Transaction], Any], token: Optional[bytes] = None, *,
                               attempts: int = 64, reconnect_seconds: float = 30.0) -> Any:
        """As `transaction`, and happens once, even if the connection is lost. The commit carries the token: 16 bytes
        that nothing else uses, random ones if left out. On a lost connection it connects again, for so many seconds at
        most, and asks; what has not happened is run again with the same token, which takes effect once at most. The
        function has to name its devices or open them, as a new connection has no current one. If ConnectionLost is
        raised, INPUT_OUTPUT_ERROR by the commit, or anything after a connection was lost at the commit, then that one
        may have happened, or still come: `outcome_of_token(token)` tells it later.
        """
        token = secrets.token_bytes(16) if token is None else token
        unsure = None  # the transaction whose commit was sent and not answered
        for turn in range(attempts):
            transaction = Transaction(self, token)
            try:
                return transaction._run(function)
            except Exception as failure:
                status = failure.status if isinstance(failure, Error) else None
                is_lost = status == Status.SHUTTING_DOWN or isinstance(failure, ConnectionLost) and bool(self._lost)
                if is_lost:
                    self.close()
                    unsure = transaction if transaction._is_ended else unsure
                if (is_lost or unsure) and self._has_happened(token, reconnect_seconds) and unsure:
                    return unsure.value
                if not (is_lost or status == Status.CONFLICT) or turn + 1 == attempts:
                    raise
            _pause(turn)
        raise ValueError("there has to be one attempt")

    def _has_happened(self, token, seconds):
        """Asks for the outcome, on a new connection where this one is lost."""
        deadline = time.monotonic() + seconds
        turn = 0
        while True:
            try:
                if self._lost:
                    self.reconnect()
                return self.outcome_of_token(token) == Outcome.COMMITTED
            except (ConnectionLost, Error) as failure:
                if isinstance(failure, Error) and failure.status != Status.SHUTTING_DOWN:
                    raise
                if time.monotonic() > deadline:
                    raise ConnectionLost(f"the outcome of the commit with token {token.hex()} is unknown: "
                                         f"{failure}") from failure
                self.close()
            _pause(turn)
            turn += 1

    def _take(self, row, encoded, size):
        return self.run(Program()._take(row, encoded, size))[0]

    def _submit(self, program):
        if not isinstance(program, Program):
            raise TypeError(f"a Program is what runs, not {type(program).__name__}")
        if self._lost:
            raise ConnectionLost(self._lost)
        ticket = _Ticket(program)
        if not ticket.is_done():
            self._flight.append(ticket)
            try:
                self._exchange(bytes(program._stream), None)
            except ConnectionLost:
                pass  # who waits for the ticket hears of it, or has its answers
        return ticket

    def _wait(self, ticket, raise_errors):
        try:
            if not ticket.is_done():
                self._exchange(b"", ticket)
        except ConnectionLost as lost:  # after a failure that ends the stream: that says more
            self._raise_first_error(ticket, raise_errors, lost)
            raise
        self._raise_first_error(ticket, raise_errors, None)
        return ticket.results

    @staticmethod
    def _raise_first_error(ticket, raise_errors, cause):
        error = next((each for each in ticket.results if isinstance(each, Error)), None) if raise_errors else None
        if error is not None:
            error.results = ticket.results
            raise error from cause

    def _exchange(self, data, ticket):
        """Sends all of `data` and takes answers, until the ticket has all of its own. Never waits for one of the two
        directions alone: a server stops reading while answers wait to be taken."""
        left = memoryview(data)
        try:
            while True:
                if len(left):
                    left = left[self._send_some(left):]
                if not len(left) and not self._send_failure and (ticket is None or ticket.is_done()):
                    return
                if self._lost:
                    raise ConnectionLost(self._lost)
                self._poll.modify(self._socket, select.POLLIN | (select.POLLOUT if len(left) else 0))
                ready = self._poll.poll(None if self.timeout is None else self.timeout * 1000)
                if not ready:
                    self._lose(f"nothing has moved for {self.timeout:g} seconds")
                if ready[0][1] & ~select.POLLOUT:
                    self._receive_some()
        except BaseException:
            if len(left):  # an interrupt: half an instruction may have been sent
                self.close()
            raise

    def _send_some(self, data):
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:  # there may be answers left to read, which say why
            self._send_failure = error
            return len(data)

    def _receive_some(self):
        try:
            piece = self._socket.recv(_RECEIVED_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(str(error), error)
        if not piece:
            self._lose("the server has closed the connection", self._send_failure)
        self._buffer += piece
        try:
            self._decode()
        except (ValueError, struct.error) as error:
            self._lose(f"an answer makes no sense: {error}", error)

    def _decode(self):
        """Takes answers off the buffer as far as they are there."""
        at = 0
        while self._flight:
            ticket = self._flight[0]
            try:
                if self._decoder is None:
                    number = len(ticket.results)
                    self._decoder = _answer_of(*ticket.expected[number], number)
                    self._needed = next(self._decoder)
                while len(self._buffer) - at >= self._needed:
                    end = at + self._needed
                    piece = bytes(memoryview(self._buffer)[at:end])
                    at = end
                    self._needed = self._decoder.send(piece)
                break
            except StopIteration as answer:
                self._decoder = None
                ticket.results.append(answer.value)
                if ticket.is_done():
                    self._flight.popleft()
        del self._buffer[:at]
        if self._buffer and not self._flight:
            raise ValueError("nobody has asked for it")

    def _lose(self, reason, cause=None):
        missing = sum(len(ticket.expected) - len(ticket.results) for ticket in self._flight)
        self._lost = f"{self.address}: {reason}; {missing} answers had not come"
        self.close()
        raise ConnectionLost(self._lost) from cause


class Transaction(Instructions):
    """What `Client.transaction` gives to its function. An instruction with a result is run at once. The others are kept
    and go with the next one that has a result, or with the commit: their errors, MISMATCH of a check too, are raised
    there. A transaction of writes and checks alone so arrives in one go, and the server runs it again by itself where
    it conflicts. After an error nothing more of it runs. It begins and ends by itself: begin, commit and abort are
    refused; to give it up, raise an exception."""

    def __init__(self, client: Client, token: Optional[bytes] = None):
        self.value: Any = None  # what the function has returned
        self._client = client
        self._kept = Program().begin()
        self._end = Program().commit() if token is None else Program().commit_with_token(token)
        self._answered = 0  # instructions
        self._failure: Optional[Error] = None
        self._is_ended = False  # or the end was sent at least

    def run(self, program: Program) -> list:
        """Runs a program as part of the transaction; its results. An empty one sends what was kept."""
        for row, _ in program._expected:
            self._refuse_control(row)
        self._kept.append(program)
        results = self._settle()
        return results[len(results) - len(program):]

    def _refuse_control(self, row):
        if self._is_ended:
            raise ValueError("the transaction has ended")
        if row.mnemonic in ("begin", "commit", "commit with token", "abort"):
            raise ValueError(f"{row.mnemonic} within Client.transaction, which does that itself")

    def _take(self, row, encoded, size):
        self._refuse_control(row)
        self._kept._take(row, encoded, size)
        if row.result != "none" or len(self._kept._stream) > _KEPT_BYTES:
            return self._settle()[-1]
        return None

    def _settle(self):
        """Runs what was kept. After a failure all else is ABORTED: then it is that failure which is raised."""
        program, self._kept = self._kept, Program()
        results = self._client.run(program, raise_errors=False)
        errors = [each for each in results if isinstance(each, Error)]
        for error in errors:
            error.number += self._answered
            error.results = results
        self._answered += len(program)
        if errors:
            self._failure = self._failure or errors[0]
            raise self._failure
        return results

    def _run(self, function):
        if self._client._is_in_transaction:
            raise ValueError("a transaction within a transaction")
        self._client._is_in_transaction = True
        try:
            self.value = function(self)
            self._kept.append(self._end)
            self._is_ended = True
            self._settle()
        except BaseException as failure:
            self._give_up(failure)
            raise
        finally:
            self._client._is_in_transaction = False
        return self.value

    def _give_up(self, failure):
        client = self._client
        was_sent = self._answered or client._flight
        if self._is_ended and isinstance(failure, Error) or client._lost or not was_sent:
            return
        self._is_ended = True
        if isinstance(failure, Exception):
            try:
                client.run(Program().abort(), raise_errors=False)
            except ConnectionLost:
                pass
        else:  # an interrupt does not wait; the end of the connection aborts too
            client.close()
