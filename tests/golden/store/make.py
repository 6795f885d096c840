#!/usr/bin/env python3
"""Makes the golden store of a version of the format: NAME.xz, and NAME.json with what it holds.

    tests/golden/store/make.py build/chimera 1.2

(1.0 was made by a program that had no journal yet: `sync` was a checkpoint. 1.1 had no files: it was made without what
says so.)

Only for a version that has none yet: a store that is there stays as it is for ever.
"""

import fcntl
import json
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "cli"))

import golden_store
from journal_reader import JournalReader
from store_reader import StoreReader

# Three groups of the free-space map, one of which is never used.
SIZE = "260M"


def make(chimera, store, packed, expected):
    def command(*arguments, text=None):
        return subprocess.run([chimera, *map(str, arguments)], input=text, stdout=subprocess.PIPE, text=True,
                              check=True).stdout

    command("format", store, "--size", SIZE)
    folder = golden_store.make_file(store)
    command("run", store, HERE / "begin.asm")
    command("run", store, HERE / "go_on.asm")
    command("run", store, HERE / "files.asm", "--attach", folder)
    # The end of the program makes a checkpoint, which does not wait for the device's blocks to be freed.
    command("run", store, HERE / "end.asm", "--keep-space")
    uuids = {device["name"]: device["uuid"] for device in json.loads(command("devices", store, "--json"))}
    stop_with_records(chimera, store, f".device twin {uuids['twin']}\n.device before {uuids['disk before']}\n")
    verify(store)
    golden_store.pack(store, packed)
    golden_store.make_file(store)
    described = {
        "uuid": json.loads(command("info", store, "--json"))["uuid"],
        "devices": golden_store.contents(
            lambda text: golden_store.results(command("run", store, "-", "--json", "--attach", folder, text=text)),
            json.loads(command("devices", store, "--json"))),
    }
    expected.write_text(json.dumps(described, indent=1, ensure_ascii=False) + "\n")
    print(f"{packed.stat().st_size} bytes, {len(described['devices'])} devices")


def stop_with_records(chimera, store, declared):
    """A server that is killed leaves records in the journal."""
    address = f"unix:{store}.socket"
    server = subprocess.Popen([chimera, "serve", str(store), "--listen", address, "--attach",
                               str(golden_store.folder_of(store))], stdout=subprocess.PIPE, text=True)
    try:
        while not server.stdout.readline().startswith("listening"):
            assert server.poll() is None, "the server did not start"
        for program in ("waiting.asm", "waiting_too.asm", "waiting_copies.asm", "waiting_files.asm"):
            text = declared + (HERE / program).read_text()
            subprocess.run([chimera, "send", address, "-"], input=text, text=True, cwd=HERE, check=True,
                           stdout=subprocess.DEVNULL)
    finally:
        server.kill()
        server.communicate()
    with open(store, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # which the kernel may give back a moment later


def verify(store):
    reader = StoreReader(store)
    reader.load()
    assert any(device.flags & 8 for device in reader.devices), "it was freed too soon; try again"
    records = len(JournalReader(reader).records)
    assert records == golden_store.WAITING_RECORDS, f"{records} records: a checkpoint came in between; try again"
    reader.close()


def main():
    chimera, name = str(pathlib.Path(sys.argv[1]).resolve()), sys.argv[2]
    packed, expected = HERE / f"{name}.xz", HERE / f"{name}.json"
    if packed.exists():
        sys.exit(f"{packed} is there already, and stays")
    with tempfile.TemporaryDirectory() as folder:
        make(chimera, pathlib.Path(folder) / "store.img", packed, expected)


if __name__ == "__main__":
    main()
