"""Stores packed small enough to be kept, and all that a store says of itself, for comparing."""

import hashlib
import json
import lzma
import struct

BLOCK = 4096
SHAPE = ("name", "uuid", "family", "length", "fixed_length", "read_only")
LAST_OFFSET = (1 << 64) - 1  # of metadata
WAITING_RECORDS = 4  # in the journal of the newest one


def pack(store, packed):
    """xz of: the size of the file in bytes (u64), then each block that is not all zeros behind its number (u64)."""
    with open(store, "rb") as source, lzma.open(packed, "wb", preset=9) as target:
        target.write(struct.pack("<Q", source.seek(0, 2)))
        source.seek(0)
        number = 0
        while block := source.read(BLOCK):
            if any(block):
                target.write(struct.pack("<Q", number) + block)
            number += 1


def unpack(packed, store):
    with lzma.open(packed) as source, open(store, "wb") as target:
        target.truncate(struct.unpack("<Q", source.read(8))[0])
        while record := source.read(8 + BLOCK):
            target.seek(struct.unpack("<Q", record[:8])[0] * BLOCK)
            target.write(record[8:])


def folder_of(store):
    """The folder beside a store whose files it serves."""
    return store.with_name("attached")


def make_files(store):
    """The files as they were before the commits that they have not taken yet; returns their folder."""
    folder = folder_of(store)
    folder.mkdir(exist_ok=True)
    for name in ("disk.img", "cut.img"):
        (folder / name).write_bytes(bytes(range(250)) * 80)
    return folder


def digests_of_files(store):
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder_of(store).iterdir())}


def pieces(run, head, instruction, end):
    """Offset and length of each stretch below `end` that is not a hole."""
    offset, found = 0, []
    while offset < end:
        [extents] = run(f"{head}{instruction} it @{offset} #{end - offset}\n")
        for extent in extents:
            if extent["hole"]:
                pass
            elif found and sum(found[-1]) == offset:
                found[-1] = (found[-1][0], found[-1][1] + extent["length"])
            else:
                found.append((offset, extent["length"]))
            offset += extent["length"]
    return found


def digest_of(found, digests):
    """How many stretches of data there are, and one digest over where they lie and what they hold."""
    lines = [f"{at} {length} {digest}\n" for (at, length), digest in zip(found, digests, strict=True)]
    return [len(lines), hashlib.sha256("".join(lines).encode()).hexdigest()]


def contents(run, devices):
    """What every device is and holds, but those of tables, whose rows are compared. `run` takes a program and gives the
    results of its instructions; `devices` is what `chimera devices --json` lists."""
    described = []
    for device in devices:
        if "/" in device["name"]:
            continue
        head = f".device it {device['uuid']}\n"
        [columns] = run(head + "read columns it\n")
        if device["kind"] == "file":
            [device["length"]] = run(head + "read length it\n")
        data = pieces(run, head, "read extents", device["length"])
        digests = run(head + "".join(f"read digest it @{at} #{length}\n" for at, length in data))
        # A count has no room for all 2^64 bytes: the last one is left out, and read with its block.
        metadata = [(at, length + (at + length == LAST_OFFSET))
                    for at, length in pieces(run, head, "read metadata extents", LAST_OFFSET)]
        texts = run(head + "".join(f"read metadata bytes it @{at} #{length}\n" for at, length in metadata))
        described.append({
            **{key: device[key] for key in SHAPE},
            "columns": columns,
            "data": digest_of(data, digests),
            "metadata": digest_of(metadata, texts),
        })
    return described


def results(lines):
    """Of `chimera run --json`; every instruction has to have succeeded."""
    answers = [json.loads(line) for line in lines.splitlines()]
    for answer in answers:
        assert answer["status"] == 0, answer
    return [answer.get("result") for answer in answers]
