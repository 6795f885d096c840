#!/usr/bin/env python3
"""Makes the golden store of a version of the format: NAME.xz, and NAME.json with what it holds.

    tests/golden/store/make.py build/chimera 1.3

(1.0 was made by a program that had no journal yet: `sync` was a checkpoint. 1.1 had no files, 1.2 had no cuts and no
tables: they were made without what says so, 1.2 with waiting_files.asm in place of waiting_cut.asm.)

Only for a version that has none yet: a store that is there stays as it is for ever.
"""

import fcntl
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "cli"))

import golden_store
import table_data
from journal_reader import JournalReader
from store_reader import StoreReader

# Three groups of the free-space map, one of which is never used.
SIZE = "260M"
TABLE = "shop/main/orders"


def make(chimera, store, packed, expected):
    def command(*arguments, text=None):
        return subprocess.run([chimera, *map(str, arguments)], input=text, stdout=subprocess.PIPE, text=True,
                              check=True).stdout

    command("format", store, "--size", SIZE)
    folder = golden_store.make_files(store)
    command("run", store, HERE / "begin.asm")
    command("run", store, HERE / "go_on.asm")
    command("run", store, HERE / "files.asm", "--attach", folder)
    command("run", store, HERE / "files_too.asm", "--attach", folder)
    make_table(command, store)
    stop_with_records(chimera, store, "", ["cut.asm"])
    # The end of the program makes a checkpoint, which does not wait for the device's blocks to be freed; and without
    # --attach the file that is to be cut is not there.
    command("run", store, HERE / "end.asm", "--keep-space")
    (folder / "cut.img").unlink()
    uuids = {device["name"]: device["uuid"] for device in json.loads(command("devices", store, "--json"))}
    stop_with_records(chimera, store, f".device twin {uuids['twin']}\n.device before {uuids['disk before']}\n",
                      ["waiting.asm", "waiting_too.asm", "waiting_copies.asm", "waiting_cut.asm"])
    verify(store)
    golden_store.pack(store, packed)
    golden_store.make_files(store)
    described = {
        "uuid": json.loads(command("info", store, "--json"))["uuid"],
        "devices": golden_store.contents(
            lambda text: golden_store.results(command("run", store, "-", "--json", "--attach", folder, text=text)),
            json.loads(command("devices", store, "--json"))),
        "files": golden_store.digests_of_files(store),
        "tables": {TABLE: hashlib.sha256(command("table", "scan", store, TABLE, "--index", "key").encode()).hexdigest()},
    }
    expected.write_text(json.dumps(described, indent=1, ensure_ascii=False) + "\n")
    print(f"{packed.stat().st_size} bytes, {len(described['devices'])} devices")


def make_table(command, store):
    """With an index, a heap, holes where rows were, and a column that is compressed."""
    schema, rows = store.with_name("orders.schema"), store.with_name("orders.csv")
    schema.write_text(table_data.SCHEMA)
    with open(rows, "w", encoding="utf-8", newline="") as file:
        table_data.write_csv(file, table_data.rows(100))
    command("table", "create", store, TABLE, schema)
    command("table", "insert", store, TABLE, rows)
    command("table", "delete", store, TABLE, "--where", "price < 20000")
    command("table", "column", "compress", store, TABLE, "note")


def stop_with_records(chimera, store, declared, programs):
    """A server that is killed leaves records in the journal."""
    address = f"unix:{store}.socket"
    server = subprocess.Popen([chimera, "serve", str(store), "--listen", address, "--attach",
                               str(golden_store.folder_of(store))], stdout=subprocess.PIPE, text=True)
    try:
        while not server.stdout.readline().startswith("listening"):
            assert server.poll() is None, "the server did not start"
        for program in programs:
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
    assert any(device.cut for device in reader.devices), "the file was cut too soon; try again"
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
