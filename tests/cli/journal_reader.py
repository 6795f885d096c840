"""Reads a store's journal, and does again what stands in it, by docs/store-format.md and docs/isa.md alone."""

import collections
import struct

from store_reader import BLOCK, block_checksum, crc32c, parse_slot

HEADER = struct.Struct("<8sQQIIQ12xIII")  # the reserved bytes before the last checksum as a number
Record = collections.namedtuple("Record", "sequence durable block blocks instructions")

DATA, METADATA, COLUMNS = range(3)


class DamagedJournal(Exception):
    """Records that had been made durable cannot be read."""


class JournalReader:
    """The records that follow the state of a superblock, as `records`. `reader` is a StoreReader that has loaded."""

    def __init__(self, reader):
        self.reader = reader
        self.first, self.count = reader.superblock.journal
        self.position = reader.superblock.position
        self.records = self.read_records() if self.count else []

    def place(self, block):
        return self.first + block % self.count

    def read_header(self, place):
        """The fields of a header of this epoch, None where there is none."""
        data = self.reader.read(place)[:64]
        magic, sequence, durable, epoch, chain, length, content, reserved, checksum = HEADER.unpack(data)
        if magic != b"ChJourn\n" or checksum != crc32c(struct.pack("<Q", place) + data[:60]):
            return None
        assert reserved == 0 and not any(data[40:52]), "reserved bytes of a header"
        return (sequence, durable, chain, length, content, checksum) if epoch == self.position.epoch else None

    def read_records(self):
        records = []
        block, sequence, chain, _ = self.position
        while header := self.read_header(self.place(block)):
            found, durable, found_chain, length, content, checksum = header
            blocks = (HEADER.size + length + BLOCK - 1) // BLOCK
            if (found, found_chain) != (sequence, chain) or block + blocks - self.position.block > self.count:
                break
            data = b"".join(self.reader.read(self.place(block + n)) for n in range(blocks))[HEADER.size:]
            if crc32c(data[:length]) != content:
                break
            assert not any(data[length:]), "what is behind the instructions of a record"
            records.append(Record(sequence, durable, block, blocks, data[:length]))
            block, sequence, chain = block + blocks, sequence + 1, checksum
        durable = max([record.durable for record in records], default=self.position.sequence - 1)
        if self.said_behind(block, sequence) >= sequence:
            raise DamagedJournal(f"record {sequence}")
        if records:
            # Amid a replay the state may have the beginning of the first record already.
            records[0] = records[0]._replace(instructions=records[0].instructions[self.reader.superblock.done:])
        for n, record in enumerate(records):
            if record.sequence > durable and not self.data_is_there(record):
                return records[:n]
        return records

    def said_behind(self, block, sequence):
        """The greatest sequence that later records than this one say was durable."""
        headers = [self.read_header(self.place(block + n)) for n in range(1, self.count)]
        return max([header[1] for header in headers if header and header[0] > sequence], default=0)

    def data_is_there(self, record):
        for opcode, operands in instructions(record.instructions):
            if opcode == (0x7F, 0x80):
                for _, slot in placed_blocks(operands)[2]:
                    if block_checksum(slot.address, slot.generation, self.reader.read(slot.address)) != slot.checksum:
                        return False
        return True


def instructions(data):
    """(opcode, operands as bytes) for each; the opcode of an extension is a pair."""
    found, at = [], 0
    while at < len(data):
        opcode, begin = data[at], at + 1
        if opcode == 0x7F:
            length = struct.unpack_from("<I", data, at + 2)[0]
            opcode, begin, end = (0x7F, data[at + 1]), at + 6, at + 6 + length
        elif opcode in (0x90, 0xE8):  # write bytes, write metadata bytes
            end = begin + 28 + struct.unpack_from("<I", data, begin + 24)[0]
        elif opcode == 0xD0:  # write length
            end = begin + 24
        elif opcode == 0xB8:  # clear extents
            end = begin + 32
        elif opcode in (0x71, 0x73):  # create device
            end = begin + 18 + struct.unpack_from("<H", data, begin + 16)[0]
            end += 4 + struct.unpack_from("<I", data, end)[0]
            if opcode == 0x73:
                end += 2 + struct.unpack_from("<H", data, end)[0]
        elif opcode == 0xFC:  # copy bytes
            end = begin + 56
        else:
            raise AssertionError(f"{opcode:02X} in a journal")
        assert end <= len(data), "an instruction goes on behind its record"
        found.append((opcode, data[begin:end]))
        at = end
    return found


def placed_blocks(operands):
    """Device, plane and [(index, slot)] of 7F 80."""
    assert len(operands) > 17 and (len(operands) - 17) % 24 == 0
    blocks = [(struct.unpack_from("<Q", operands, at)[0], parse_slot(operands[at + 8:at + 24]))
              for at in range(17, len(operands), 24)]
    return operands[:16], operands[16], blocks


class Content:
    """A device as a model: blocks by their index in three planes; what is not there is zeros."""

    def __init__(self, name, length=0, fixed=False):
        self.name, self.length, self.fixed = name, length, fixed
        self.columns_length = 0
        self.read_only = False
        self.planes = [{}, {}, {}]

    def take(self, other):
        """Everything but the name and whether it is read only."""
        self.length, self.fixed, self.columns_length = other.length, other.fixed, other.columns_length
        self.planes = [dict(plane) for plane in other.planes]

    def read(self, plane, offset, count):
        data = b"".join(self.planes[plane].get(n, bytes(BLOCK))
                        for n in range(offset // BLOCK, (offset + count + BLOCK - 1) // BLOCK))
        return data[offset % BLOCK:offset % BLOCK + count]

    def write(self, plane, offset, data):
        for index in range(offset // BLOCK, (offset + len(data) + BLOCK - 1) // BLOCK):
            block = bytearray(self.planes[plane].get(index, bytes(BLOCK)))
            begin = max(offset - index * BLOCK, 0)
            piece = data[max(index * BLOCK - offset, 0):(index + 1) * BLOCK - offset]
            block[begin:begin + len(piece)] = piece
            self.planes[plane][index] = bytes(block)
        if plane == DATA and data:
            self.length = max(self.length, offset + len(data))

    def clear(self, plane, offset, count):
        end = offset + count
        for index in list(self.planes[plane]):
            begin, stop = max(offset, index * BLOCK), min(end, (index + 1) * BLOCK)
            if begin < stop:
                block = bytearray(self.planes[plane][index])
                block[begin - index * BLOCK:stop - index * BLOCK] = bytes(stop - begin)
                self.planes[plane][index] = bytes(block)


def copy_of(content):
    copy = Content(content.name)
    copy.take(content)
    return copy


def contents(reader):
    """The living devices of the state that a StoreReader has loaded, by UUID, and what copies hold, by number."""
    found = {}
    for device in reader.devices:
        if device.flags & 8:
            if device.length:
                held = found[device.length] = Content("held")
                gather(reader, device.roots[0], device.heights[0], 0, held.planes[DATA])
            continue
        content = found[device.uuid] = Content(device.name, device.length, bool(device.flags & 2))
        content.columns_length = device.columns_length
        content.read_only = bool(device.flags & 4)
        for plane, blocks in enumerate(content.planes):
            gather(reader, device.roots[plane], device.heights[plane], 0, blocks)
    return found


def gather(reader, slot, level, index, blocks):
    if slot is None:
        return
    data = reader.read_slot(slot)
    if level == 0:
        blocks[index] = data
        return
    for n in range(256):
        gather(reader, parse_slot(data[n * 16:n * 16 + 16]), level - 1, index * 256 + n, blocks)


def replay(reader, devices, record):
    """Changes `devices`, as `contents` gives them, by what a record says. What copies hold stands among them, by number.
    """
    for opcode, operands in instructions(record.instructions):
        if opcode in (0x71, 0x73):
            create(devices, opcode, operands)
        elif opcode == (0x7F, 0x43):
            del devices[operands]
        elif opcode == (0x7F, 0x81):
            clone = devices[operands[16:32]] = Content(operands[34:].decode())
            clone.take(devices[operands[:16]])
        elif opcode == (0x7F, 0x42):
            devices[operands[:16]].take(devices[operands[16:]])
        elif opcode == (0x7F, 0x85):
            pairs = [(operands[at:at + 16], operands[at + 16:at + 32]) for at in range(0, len(operands), 32)]
            before = [copy_of(devices[content]) for _, content in pairs]
            for (device, _), content in zip(pairs, before):
                devices[device].take(content)
        elif opcode == (0x7F, 0x86):
            devices[struct.unpack("<16xQ", operands)[0]] = copy_of(devices[operands[:16]])
        elif opcode == (0x7F, 0x87):
            offset, number, from_offset, count = struct.unpack("<16xQQQQ", operands)
            devices[operands[:16]].write(DATA, offset, devices.pop(number).read(DATA, from_offset, count))
        elif opcode == (0x7F, 0x88):
            devices.pop(struct.unpack("<Q", operands)[0], None)
        elif opcode == 0xFC:
            offset, second_offset, count = struct.unpack("<16xQ16xQQ", operands)
            data = devices[operands[:16]].read(DATA, offset, count)
            devices[operands[24:40]].write(DATA, second_offset, data)
        else:
            change(reader, devices[operands[:16]], opcode, operands)


def create(devices, opcode, operands):
    name_length = struct.unpack_from("<H", operands, 16)[0]
    columns_length, = struct.unpack_from("<I", operands, 18 + name_length)
    assert columns_length == 0, "columns are written behind it"
    device = devices[operands[:16]] = Content(operands[18:18 + name_length].decode())
    if opcode == 0x73:
        options = operands[18 + name_length + 6:].decode()
        if not options.startswith("kind=file,path="):
            assert options.startswith("size=")
            device.length, device.fixed = int(options[5:]), True


def change(reader, device, opcode, operands):
    number = struct.unpack_from("<Q", operands, 16)[0] if len(operands) >= 24 else None
    if opcode == 0x90:
        device.write(DATA, number, operands[28:])
    elif opcode == 0xE8:
        device.write(METADATA, number, operands[28:])
    elif opcode == 0xD0:
        device.clear(DATA, number, 1 << 63)
        device.length = number
    elif opcode == 0xB8:
        device.clear(DATA, number, struct.unpack_from("<Q", operands, 24)[0])
    elif opcode == (0x7F, 0x21):
        device.clear(METADATA, number, struct.unpack_from("<Q", operands, 24)[0])
    elif opcode == (0x7F, 0x40):
        device.name = operands[18:].decode()
    elif opcode == (0x7F, 0x41):
        device.read_only = operands[16] == 1
    elif opcode == (0x7F, 0x80):
        _, plane, blocks = placed_blocks(operands)
        for index, slot in blocks:
            data = reader.read(slot.address)
            assert block_checksum(slot.address, slot.generation, data) == slot.checksum, f"{slot}: bad checksum"
            device.planes[plane][index] = data
    elif opcode == (0x7F, 0x82):
        device.write(COLUMNS, number, operands[24:])
    elif opcode == (0x7F, 0x89):
        assert len(operands) == 24  # of a file outside of the store
    elif opcode == (0x7F, 0x83):
        device.length, device.columns_length = struct.unpack_from("<QQ", operands, 16)
    else:
        raise AssertionError(f"{opcode} in a journal")
