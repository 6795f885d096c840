"""Reads a store by docs/store-format.md alone: it shares no code with the program, its checksums included."""

import collections
import struct

BLOCK = 4096
GROUP = 32768
SUPERBLOCKS = (0, 16)

Slot = collections.namedtuple("Slot", "address generation checksum")
Entry = collections.namedtuple("Entry", "checksum free fresh home generation")
Superblock = collections.namedtuple(
    "Superblock",
    "version store generation block_count manifest references space journal shared references_height flags position "
    "done")
Position = collections.namedtuple("Position", "block sequence chain epoch")  # in the journal
Device = collections.namedtuple(
    "Device", "number name uuid family length columns_length share_generation flags heights roots path cut")


def make_crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC_TABLE = make_crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def block_checksum(address, generation, data):
    return crc32c(struct.pack("<QQ", address, generation) + data)


def parse_slot(data):
    """None for a hole."""
    low, high = struct.unpack("<QQ", data)
    if low == high == 0:
        return None
    assert low >> 40 & 0xFF == 0, "flags of a slot on the disk"
    return Slot(low & (1 << 40) - 1, low >> 48 | (high & 0xFFFFFFFF) << 16, high >> 32)


def parse_slots(data):
    return [parse_slot(data[at:at + 16]) for at in range(0, BLOCK, 16)]


def parse_entry(data):
    checksum, free_and_flags, generation = struct.unpack("<IIQ", data)
    return Entry(checksum, free_and_flags >> 2, bool(free_and_flags & 2), free_and_flags & 1, generation)


def parse_superblock(data):
    """None unless it is whole."""
    if data[:8] != b"Chimera\n" or crc32c(data[:4092]) != struct.unpack_from("<I", data, 4092)[0]:
        return None
    assert not any(data[11:16] + data[122:128] + data[160:4092]), "reserved bytes of a superblock"
    assert data[121] & 1 or not any(data[152:160]), "a record that is partly done, and no replay"
    first_block, blocks = struct.unpack_from("<QQ", data, 96)
    if blocks == 0:
        assert first_block == 0 and not any(data[121:160]), "the journal of a store that has none"
    assert data[8] == 1 and (data[9] == 0) == (blocks == 0), "the version of a store with or without a journal"
    generation, block_count = struct.unpack_from("<QQ", data, 32)
    shared, height = struct.unpack_from("<QB", data, 112)
    return Superblock(tuple(data[8:11]), data[16:32], generation, block_count, parse_slot(data[48:64]),
                      parse_slot(data[64:80]), parse_entry(data[80:96]), (first_block, blocks), shared, height,
                      data[121], Position._make(struct.unpack_from("<QQII", data, 128)),
                      struct.unpack_from("<Q", data, 152)[0])


def parse_device(number, data):
    length, columns_length, share_generation = struct.unpack_from("<QQQ", data, 32)
    name_length = data[60]
    assert not any(data[61:64]) and not any(data[112 + name_length:367]), "reserved bytes of a record"
    path_end = 368 + data[367]
    assert not any(data[path_end:496]) and not any(data[504:]), "reserved bytes of a record"
    cut = struct.unpack_from("<Q", data, 496)[0]
    assert (data[367] > 0) == bool(data[56] & 32) >= (cut > 0), "a path or a cut of what is no file"
    roots = [parse_slot(data[at:at + 16]) for at in (64, 80, 96)]
    return Device(number, data[112:112 + name_length].decode(), data[:16], data[16:32], length, columns_length,
                  share_generation, data[56], tuple(data[57:60]), roots, data[368:path_end].decode(), cut)


class StoreReader:
    """Everything that one superblock leads to, verified on the way."""

    def __init__(self, path):
        self.file = open(path, "rb")

    def load(self, superblock=None):
        found = [(parse_superblock(self.read(place)), place) for place in SUPERBLOCKS]
        good = sorted((pair for pair in found if pair[0] is not None), key=lambda pair: pair[0].generation)
        self.superblocks, self.places = zip(*good)  # the older one first
        self.superblock = superblock or self.superblocks[-1]
        self.used = set()
        self.references = collections.Counter()  # beyond the first
        self.booked_references = {}
        self.counts = collections.Counter()
        self.group_count = self.count_groups()
        self.mark_fixed()
        self.mark_journal()
        self.devices = self.read_manifest()
        for device in self.devices:
            for root, height in zip(device.roots, device.heights):
                self.walk(root, height)
        self.walk(self.superblock.references, self.superblock.references_height, is_references=True)
        self.groups = self.read_space()

    def close(self):
        self.file.close()

    def read(self, address):
        self.file.seek(address * BLOCK)
        return self.file.read(BLOCK)

    def read_slot(self, slot):
        data = self.read(slot.address)
        assert slot.generation <= self.superblock.generation, f"{slot}: born after the superblock"
        assert block_checksum(slot.address, slot.generation, data) == slot.checksum, f"{slot}: bad checksum"
        return data

    def mark(self, slot):
        """True the first time."""
        if slot.address in self.used:
            self.references[slot.address] += 1
            return False
        self.used.add(slot.address)
        return True

    # Free space.

    def count_groups(self):
        return (self.superblock.block_count + GROUP - 1) // GROUP

    @staticmethod
    def fixed_blocks(group):
        return (32 if group == 0 else 0) + (8 if group % 256 == 0 else 2)

    @staticmethod
    def home(level, page, which):
        group = page * 256**level
        return group * GROUP + (32 if group == 0 else 0) + 2 * level + which

    def mark_fixed(self):
        for group in range(self.group_count):
            self.used.update(group * GROUP + block for block in range(self.fixed_blocks(group)))
        self.counts["other_blocks"] += len(self.used)

    def mark_journal(self):
        first, blocks = self.superblock.journal
        assert blocks == 0 or self.fixed_blocks(0) <= first < first + blocks <= GROUP, "the place of the journal"
        self.used.update(range(first, first + blocks))
        self.counts["other_blocks"] += blocks

    def read_space(self):
        sizes = [self.group_count]
        while len(sizes) == 1 or sizes[-1] > 1:
            sizes.append((sizes[-1] + 255) // 256)
        entries = [self.superblock.space]
        for level in range(len(sizes) - 1, 0, -1):
            below = []
            for page, entry in enumerate(entries):
                assert not entry.fresh and entry.free == 0, "an entry of a page"
                data = self.read_home(level, page, entry)
                below += [parse_entry(data[at:at + 16]) for at in range(0, BLOCK, 16)]
            entries = below[:sizes[level - 1]]
        return entries

    def read_home(self, level, page, entry):
        address = self.home(level, page, entry.home)
        data = self.read(address)
        assert block_checksum(address, entry.generation, data) == entry.checksum, f"page {level}/{page}: bad checksum"
        return data

    def booked_as_used(self, group):
        """The blocks of a group that its bitmap marks, those beyond the end of the store left out."""
        entry = self.groups[group]
        first = group * GROUP
        size = min(GROUP, self.superblock.block_count - first)
        if entry.fresh:
            return set(range(first, first + self.fixed_blocks(group)))
        bits = int.from_bytes(self.read_home(0, group, entry), "little")
        assert bits >> size == (1 << GROUP - size) - 1, "blocks beyond the end are marked"
        return {first + n for n in range(size) if bits >> n & 1}

    # Devices and trees.

    def read_manifest(self):
        devices = []
        if self.superblock.manifest is None:
            return devices
        pages = []
        for index_page in self.read_manifest_page(self.superblock.manifest):
            if index_page is not None:
                pages += parse_slots(self.read_manifest_block(index_page))
        for page, slot in enumerate(pages):
            if slot is None:
                continue
            data = self.read_manifest_block(slot)
            for n in range(8):
                record = data[n * 512:n * 512 + 512]
                if record[56] & 1:
                    devices.append(parse_device(page * 8 + n, record))
                else:
                    assert not any(record), "a record that is not in use"
        return devices

    def read_manifest_page(self, slot):
        return parse_slots(self.read_manifest_block(slot))

    def read_manifest_block(self, slot):
        assert self.mark(slot), "a page of the manifest is in one place only"
        self.counts["other_blocks"] += 1
        return self.read_slot(slot)

    def walk(self, slot, level, is_references=False, index=0):
        if slot is None or not self.mark(slot):
            return
        data = self.read_slot(slot)
        if level > 0:
            self.counts["map_blocks"] += 1
            for n, child in enumerate(parse_slots(data)):
                self.walk(child, level - 1, is_references, index * 256 + n)
        elif is_references:
            self.counts["other_blocks"] += 1
            for n, count in enumerate(struct.unpack("<1024I", data)):
                if count:
                    self.booked_references[index * 1024 + n] = count
        else:
            self.counts["data_blocks"] += 1

    def read_plane(self, device, plane, offset, count):
        result = b""
        while count > 0:
            size = min(count, BLOCK - offset % BLOCK)
            data = self.read_tree(device.roots[plane], device.heights[plane], offset // BLOCK)
            result += data[offset % BLOCK:offset % BLOCK + size]
            offset, count = offset + size, count - size
        return result

    def read_tree(self, slot, height, index):
        if height < 7 and index >= 256**height:
            return bytes(BLOCK)
        for level in range(height, 0, -1):
            if slot is None:
                break
            slot = parse_slots(self.read_slot(slot))[index >> 8 * (level - 1) & 255]
        return bytes(BLOCK) if slot is None else self.read_slot(slot)
