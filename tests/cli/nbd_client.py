"""A client of NBD that makes and reads bytes by the protocol alone, well-behaved or not, and a server for it."""

import dataclasses
import pathlib
import struct

import harness

GREETING = b"NBDMAGICIHAVEOPT" + struct.pack(">H", 3)
EXPORT_NAME, ABORT, LIST, STARTTLS, INFO, GO, STRUCTURED_REPLY, LIST_META, SET_META, EXTENDED_HEADERS = (
    1, 2, 3, 5, 6, 7, 8, 9, 10, 11)
ACK, SERVER, INFO_REPLY, META_CONTEXT = 1, 2, 3, 4
UNSUP, INVALID, UNKNOWN, SHUTDOWN, TOO_BIG, EXT_HEADER_REQD = (
    (1 << 31) + n for n in (1, 3, 6, 7, 9, 10))
READ, WRITE, DISCONNECT, FLUSH, TRIM, CACHE, WRITE_ZEROES, BLOCK_STATUS = range(8)
FUA, NO_HOLE, DF, REQ_ONE, FAST_ZERO, PAYLOAD_LEN = 1, 2, 4, 8, 16, 32
EPERM, EIO, EINVAL, ENOSPC, ENOTSUP, ESHUTDOWN = 1, 5, 22, 28, 95, 108

HAS_FLAGS, READ_ONLY, CAN_FLUSH, CAN_FUA, ROTATIONAL, CAN_TRIM, CAN_ZERO, CAN_DF = (1 << n for n in range(8))
MULTI_CONN, RESIZE, CAN_CACHE, CAN_FAST_ZERO, STATUS_PAYLOAD = (1 << n for n in range(8, 13))


def string(text):
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack(">I", len(data)) + data


def export_query(name, *infos):
    """The data of INFO and GO."""
    return string(name) + struct.pack(f">H{len(infos)}H", len(infos), *infos)


def context_query(name, *contexts):
    """The data of LIST_META and SET_META."""
    return string(name) + struct.pack(">I", len(contexts)) + b"".join(map(string, contexts))


@dataclasses.dataclass
class Reply:
    """All that has come for one request: an error, bytes, or extents as pairs of length and flags."""

    cookie: int
    error: int = 0
    data: bytes = b""
    extents: list = dataclasses.field(default_factory=list)
    message: str = ""
    is_simple: bool = False


class Client(harness.Connection):
    def __init__(self, address, flags=3):
        """`flags`: the client's; None sends nothing yet."""
        super().__init__(address)
        self.is_structured = self.is_extended = False
        self.cookie = 0
        self.asked = {}  # the requests under way, by their cookies
        greeting = self.read(len(GREETING))
        assert greeting == GREETING, greeting
        if flags is not None:
            self.send(struct.pack(">I", flags))

    # The handshake.

    def send_option(self, option, data=b"", size=None):
        self.send(b"IHAVEOPT" + struct.pack(">II", option, len(data) if size is None else size) + data)

    def option_reply(self, option):
        magic, echoed, kind, size = struct.unpack(">QIII", self.read(20))
        assert magic == 0x3E889045565A9 and echoed == option, (hex(magic), echoed)
        return kind, self.read(size)

    def option(self, option, data=b""):
        """All the replies, as pairs of their type and data; the last one is an ACK or an error."""
        self.send_option(option, data)
        replies = [self.option_reply(option)]
        while replies[-1][0] in (SERVER, INFO_REPLY, META_CONTEXT):
            replies.append(self.option_reply(option))
        return replies

    def result(self, option, data=b""):
        """The type of the last reply."""
        return self.option(option, data)[-1][0]

    def agree_on(self, option):
        assert self.result(option) == ACK
        self.is_structured = True
        self.is_extended = self.is_extended or option == EXTENDED_HEADERS

    def set_contexts(self, name, *contexts):
        """The ids of those that the server has selected."""
        replies = self.option(SET_META, context_query(name, *contexts))
        assert replies[-1][0] == ACK, replies
        return {data[4:].decode(): struct.unpack(">I", data[:4])[0] for kind, data in replies if kind == META_CONTEXT}

    def go(self, name):
        """The export's size and flags."""
        replies = self.option(GO, export_query(name))
        assert replies[-1][0] == ACK, replies
        exports = [data for kind, data in replies if kind == INFO_REPLY and data[:2] == b"\0\0"]
        assert len(exports) == 1, replies
        return struct.unpack(">QH", exports[0][2:])

    # The transmission.

    def header(self, command, offset=0, length=0, flags=0, cookie=None):
        if cookie is None:
            self.cookie += 1
            cookie = self.cookie
        self.asked[cookie] = command, offset, length
        magic, form = (0x21E41C71, ">IHHQQQ") if self.is_extended else (0x25609513, ">IHHQQI")
        return struct.pack(form, magic, flags, command, cookie, offset, length)

    def request(self, command, offset=0, length=0, flags=0, payload=b""):
        """Sends it; its cookie."""
        if command == WRITE:
            length = length or len(payload)
            flags |= PAYLOAD_LEN if self.is_extended else 0
        self.send(self.header(command, offset, length, flags) + payload)
        return self.cookie

    def reply(self):
        """The next one that is complete."""
        while True:
            magic, = struct.unpack(">I", self.read(4))
            if magic == 0x67446698:
                assert not self.is_extended
                return self.simple_reply()
            assert self.is_structured and magic == (0x6E8A278C if self.is_extended else 0x668E33EF), hex(magic)
            reply, is_done = self.chunk()
            assert is_done  # this server never sends more than one
            return reply

    def simple_reply(self):
        error, cookie = struct.unpack(">IQ", self.read(12))
        command, _, length = self.asked.pop(cookie)
        assert not (self.is_structured and command == READ)
        data = self.read(length) if command == READ and error == 0 else b""
        return Reply(cookie, error, data, is_simple=True)

    def chunk(self):
        flags, kind, cookie = struct.unpack(">HHQ", self.read(12))
        command, offset, length = self.asked.pop(cookie)
        if self.is_extended:
            echoed, size = struct.unpack(">QQ", self.read(16))
            assert echoed == offset, (echoed, offset)
        else:
            size, = struct.unpack(">I", self.read(4))
        payload = self.read(size)
        reply = Reply(cookie)
        if kind == 0:
            assert size == 0 and command != READ
        elif kind == 1:
            assert command == READ and struct.unpack(">Q", payload[:8])[0] == offset
            reply.data = payload[8:]
            assert len(reply.data) == length
        elif kind == (6 if self.is_extended else 5):
            reply.extents = self.extents(payload)
        else:
            assert kind == 0x8001, hex(kind)
            reply.error, message_size = struct.unpack(">IH", payload[:6])
            reply.message = payload[6:].decode()
            assert reply.error != 0 and len(payload) == 6 + message_size
        return reply, flags == 1

    def extents(self, payload):
        head, form = (8, ">QQ") if self.is_extended else (4, ">II")
        assert struct.unpack(">I", payload[:4])[0] == 1  # the context's id
        extents = list(struct.iter_unpack(form, payload[head:]))
        assert extents and all(length > 0 for length, _ in extents)
        assert not self.is_extended or struct.unpack(">I", payload[4:8])[0] == len(extents)
        return extents

    def call(self, command, offset=0, length=0, flags=0, payload=b""):
        """The reply to one request, none other being under way."""
        cookie = self.request(command, offset, length, flags, payload)
        reply = self.reply()
        assert reply.cookie == cookie
        return reply

    def error(self, *arguments, **named):
        return self.call(*arguments, **named).error


def uri(address, name=""):
    """As libnbd, qemu and fio understand it."""
    kind, rest = address.split(":", 1)
    return f"nbd+unix:///{name}?socket={rest}" if kind == "unix" else f"nbd://{rest}/{name}"


class NbdTest(harness.ChimeraTest):
    """A server that speaks NBD and, to whoever has to prepare or look, instructions."""

    def serve_nbd(self, store=":memory:", options=(), nbd=None, prepare=""):
        """`prepare`: a program for it, as assembly text."""
        nbd = nbd or [f"unix:{self.folder}/nbd"]
        self.server = self.serve(store, options=options, nbd=nbd)
        self.streams, self.nbd = self.server.addresses[0], self.server.addresses[1]
        if prepare:
            self.send(prepare)
        return self.server

    def send(self, text):
        """Runs it by an instruction stream; all of it has to succeed."""
        return self.chimera("send", self.streams, "-", text=text)

    def client(self, flags=3):
        client = Client(self.nbd, flags)
        self.addCleanup(client.close)
        return client

    def attached(self, name, *, structured=True, extended=False, contexts=()):
        """A client that has agreed upon the export."""
        client = self.client()
        if extended or structured:
            client.agree_on(EXTENDED_HEADERS if extended else STRUCTURED_REPLY)
        if contexts:
            self.assertEqual(list(client.set_contexts(name, *contexts)), list(contexts))
        client.size, client.flags = client.go(name)
        return client

    def memory_bytes(self, line="VmRSS:"):
        status = pathlib.Path(f"/proc/{self.server.process.pid}/status").read_text()
        return int(status.split(line)[1].split()[0]) << 10

    def peak_bytes(self):
        return self.memory_bytes("VmHWM:")
