#!/usr/bin/env python3
"""chimera snapshot, clone, rollback and diff: what they make, what they list, and what is refused."""

import json
import os
import random
import socket
import struct
import threading
import unittest
import uuid

from harness import OK, READ_ONLY, TIMEOUT_SECONDS, ChimeraTest, open_device, read_bytes_at

BLOCK = 4096
MIB = 1 << 20
TURNS = 6 if "ASAN_OPTIONS" in os.environ else 12  # the sanitizers are slow
MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


def write_device(device, offset, data):
    return b"\x90" + device + struct.pack("<QI", offset, len(data)) + data


class Model:
    """What a map says of a device: for each block that is no hole which writing it is of, and the length."""

    writings = 0

    def __init__(self, blocks=None, length=0):
        self.blocks, self.length = dict(blocks or {}), length

    def copy(self):
        return Model(self.blocks, self.length)

    def touch(self, block):
        Model.writings += 1
        self.blocks[block] = Model.writings

    def write(self, offset, count):
        for block in range(offset // BLOCK, -(-(offset + count) // BLOCK)):
            self.touch(block)
        self.length = max(self.length, offset + count)

    def clear(self, offset, count):
        for block in range(offset // BLOCK, -(-(offset + count) // BLOCK)):
            if offset <= block * BLOCK and (block + 1) * BLOCK <= offset + count:
                self.blocks.pop(block, None)
            elif block in self.blocks:
                self.touch(block)

    def set_length(self, length):
        if length < self.length:
            self.clear(length, -(-self.length // BLOCK) * BLOCK - length)
        self.length = length

    def differences(self, other):
        shorter, longer = sorted((self.length, other.length))
        blocks = {*self.blocks, *other.blocks}
        ranges = [(block * BLOCK, min((block + 1) * BLOCK, shorter)) for block in sorted(blocks)
                  if block * BLOCK < shorter and self.blocks.get(block) != other.blocks.get(block)]
        if shorter < longer:
            ranges.append((shorter, longer))
        merged = []
        for begin, end in ranges:
            if merged and merged[-1][1] == begin:
                merged[-1][1] = end
            else:
                merged.append([begin, end])
        return [{"offset": begin, "length": end - begin} for begin, end in merged]


class Writer(threading.Thread):
    """A client that writes n = 0, 1, 2, … to one device after the other, on and on."""

    def __init__(self, connection, devices):
        super().__init__()
        self.connection, self.devices = connection, devices
        self.stopping, self.begun = threading.Event(), threading.Event()
        self.failure = None

    def run(self):
        number = 0
        while not self.stopping.is_set():
            program = b""
            for number in range(number, number + 50):
                program += b"".join(write_device(device, 0, struct.pack("<Q", number) * 1024)
                                    for device in self.devices)
            self.connection.send(program)
            for _ in range(50 * len(self.devices)):
                status, said = self.connection.answer()
                if status != OK:
                    self.failure = (status, said)
                    return
            number += 1
            self.begun.set()

    def stop(self):
        self.stopping.set()
        self.join()
        return self.failure


class Meddler:
    """Between a client and the server: writes to a device before it passes on anything of the client's."""

    def __init__(self, path, server, meddle):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.address, self.server, self.meddle = f"unix:{path}", server, meddle
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        client, _ = self.listener.accept()
        self.listener.close()
        server = socket.socket(socket.AF_UNIX)
        server.connect(self.server.split(":", 1)[1])
        threading.Thread(target=self.pass_back, args=(server, client), daemon=True).start()
        while data := client.recv(65536):
            self.meddle()
            server.sendall(data)
        server.shutdown(socket.SHUT_WR)

    @staticmethod
    def pass_back(server, client):
        while data := server.recv(65536):
            client.sendall(data)
        client.close()
        server.close()


class Snapshots(ChimeraTest):
    def program(self, target, text):
        return self.chimera("run" if target == self.store else "send", target, "-", text=text)

    def make_device(self, target, name, text='write bytes "before"\n', options=""):
        self.program(target, f'create device "{name}" "" {options}\n{text}')

    def devices(self, target):
        return {device["name"]: device for device in json.loads(self.chimera("devices", target, "--json"))}

    def content(self, target, name):
        return self.run_command("export", target, "-", name).stdout

    def diff(self, target, device, other):
        return json.loads(self.chimera("diff", target, device, other, "--json"))

    def open(self, connection, name):
        connection.send(open_device(name))
        status, device = connection.answer(16)
        self.assertEqual(status, OK, device)
        return device

    def test_a_snapshot_with_the_default_name(self):
        for label, target in self.targets():
            with self.subTest(label):
                self.make_device(target, "disk")
                self.assertRegex(self.chimera("snapshot", target, "disk"),
                                 rf'^"disk@{MOMENT}": a snapshot of "disk", read only\.\n$')
                devices = self.devices(target)
                self.assertEqual(len(devices), 2)
                name, = devices.keys() - {"disk"}
                self.assertTrue(devices[name]["read_only"])
                self.assertFalse(devices["disk"]["read_only"])
                self.program(target, 'open device "disk"\nwrite bytes @0 "behind"\n')
                self.assertEqual(self.content(target, name), b"before")
                self.assertEqual(self.content(target, "disk"), b"behind")

    def test_several_with_names_and_by_uuid(self):
        for label, target in self.targets():
            with self.subTest(label):
                self.make_device(target, "a")
                self.make_device(target, "odd=name", 'write bytes "odd"\n')
                odd = self.devices(target)["odd=name"]["uuid"]
                report = json.loads(self.chimera("snapshot", target, "a=a@1", f"{odd}=odd@1", "a=x=y", "--json"))
                devices = self.devices(target)
                self.assertEqual(report, {
                    "snapshots": [{"device": device, "name": name, "uuid": devices[name]["uuid"]}
                                  for device, name in (("a", "a@1"), ("odd=name", "odd@1"), ("a", "x=y"))],
                    "protected_at_once": True})
                self.assertEqual(self.content(target, "odd@1"), b"odd")
                self.assertTrue(all(devices[name]["read_only"] for name in ("a@1", "odd@1", "x=y")))

    def test_devices_in_use_at_one_moment(self):
        self.format()
        server = self.serve()
        address = server.addresses[0]
        for name in "ab":
            self.make_device(address, name, f"write bytes hex\"{'00' * 8192}\"\n")
        connection = self.connect(address)
        writer = Writer(connection, [self.open(connection, name) for name in "ab"])
        writer.start()
        try:
            self.assertTrue(writer.begun.wait(TIMEOUT_SECONDS), "nothing has been written yet")
            for turn in range(8):
                self.chimera("snapshot", address, f"a=a@{turn}", f"b=b@{turn}")
        finally:
            failure = writer.stop()
        self.assertIsNone(failure)
        before = 0
        for turn in range(8):
            # Each device holds one write, whole; b's is a's or the one before.
            numbers = [struct.unpack("<1024Q", self.content(address, f"{name}@{turn}")) for name in "ab"]
            self.assertEqual([len(set(number)) for number in numbers], [1, 1])
            self.assertIn(numbers[0][0] - numbers[1][0], (0, 1))
            self.assertGreaterEqual(numbers[0][0], before)
            before = numbers[0][0]
            self.assertTrue(self.devices(address)[f"a@{turn}"]["read_only"])
        self.assertGreater(before, 0)

    def test_where_a_transaction_cannot_win(self):
        self.format()
        address = self.serve().addresses[0]
        self.make_device(address, "disk")
        other = self.connect(address)
        device = self.open(other, "disk")

        def meddle():
            other.send(write_device(device, 0, b"meddle"))
            other.answer()

        between = Meddler(self.folder / "between", address, meddle)
        report = self.chimera("snapshot", between.address, "disk=disk@1")
        self.assertIn('"disk@1": a snapshot of "disk", read only.\n', report)
        self.assertIn("a moment after", report)
        self.assertTrue(self.devices(address)["disk@1"]["read_only"])
        self.assertEqual(self.content(address, "disk@1"), b"meddle")
        between = Meddler(self.folder / "between2", address, meddle)
        report = json.loads(self.chimera("snapshot", between.address, "disk=disk@2", "--json"))
        self.assertFalse(report["protected_at_once"])

    def test_a_snapshot_is_durable_and_cannot_be_written(self):
        self.format()
        server = self.serve()
        self.make_device(server.addresses[0], "disk")
        self.chimera("snapshot", server.addresses[0], "disk=disk@1")
        self.chimera("clone", server.addresses[0], "disk@1", "trial")
        self.program(server.addresses[0], 'open device "disk"\nwrite bytes @0 "behind"\nflush device\n')
        self.chimera("rollback", server.addresses[0], "disk", "disk@1")
        server.kill_and_let_go(self.store)
        self.assertEqual(sorted(self.devices(self.store)), ["disk", "disk@1", "trial"])
        self.assertEqual(self.content(self.store, "disk"), b"before")
        self.assertIn("read only", self.fails("run", self.store, "-", text='open device "disk@1"\nwrite bytes "x"\n'))

    def test_a_clone_can_be_written(self):
        for label, target in self.targets():
            with self.subTest(label):
                self.make_device(target, "disk")
                self.chimera("snapshot", target, "disk=disk@1")
                self.assertEqual(self.chimera("clone", target, "disk@1", "trial"), '"trial": a clone of "disk@1".\n')
                self.program(target, 'open device "trial"\nwrite bytes @0 "TRY"\n')
                self.assertEqual(self.content(target, "trial"), b"TRYore")
                self.assertEqual(self.content(target, "disk@1"), b"before")
                report = json.loads(self.chimera("clone", target, "disk", "second", "--json"))
                self.assertEqual(report, {"device": "disk", "name": "second",
                                          "uuid": self.devices(target)["second"]["uuid"]})

    def test_rollback_gives_what_was_there_before(self):
        for label, target in self.targets():
            with self.subTest(label):
                noise = random.Random(7).randbytes(3 * MIB + 77)
                self.write_file("noise", noise)
                self.chimera("import", target, self.folder / "noise", "disk")
                uuid_before = self.devices(target)["disk"]["uuid"]
                self.chimera("snapshot", target, "disk=disk@1")
                self.program(target, 'open device "disk"\n.repeat 20\nwrite bytes @($i * 100K) "changed"\n.end\n'
                                     "clear extents @1M #64K\nwrite length @2000000\n")
                changed = self.content(target, "disk")
                self.chimera("snapshot", target, "disk=disk@2")
                self.assertEqual(self.chimera("rollback", target, "disk", "disk@1"),
                                 '"disk" has the content of "disk@1".\n')
                self.assertEqual(self.content(target, "disk"), noise)
                self.assertEqual(self.devices(target)["disk"]["uuid"], uuid_before)
                self.assertFalse(self.devices(target)["disk"]["read_only"])
                self.assertEqual(self.diff(target, "disk", "disk@1")["extents"], [])
                report = json.loads(self.chimera("rollback", target, "disk", "disk@2", "--json"))
                self.assertEqual(report, {"device": "disk", "uuid": uuid_before, "snapshot": "disk@2"})
                self.assertEqual(self.content(target, "disk"), changed)
                self.assertEqual(self.content(target, "disk@1"), noise)
                self.assertIn("No problem", self.chimera("check", target))

    def test_rollback_of_a_device_in_use(self):
        self.format()
        address = self.serve().addresses[0]
        self.make_device(address, "disk")
        self.chimera("snapshot", address, "disk=disk@1")
        self.program(address, 'open device "disk"\nwrite bytes @0 "behind"\n')
        other = self.connect(address)
        self.open(other, "disk")
        other.send(read_bytes_at(0, 6))
        self.assertEqual(other.answer(6), (OK, b"behind"))
        self.assertIn('another session has "disk" open', self.fails("rollback", address, "disk", "disk@1"))
        other.send(read_bytes_at(0, 6))
        self.assertEqual(other.answer(6), (OK, b"behind"))
        self.chimera("rollback", address, "disk", "disk@1", "--force")
        other.send(read_bytes_at(0, 6))
        self.assertEqual(other.answer(6), (OK, b"before"))
        device = self.open(other, "disk@1")
        other.send(write_device(device, 0, b"x"))
        self.assertEqual(other.answer()[0], READ_ONLY)

    def test_diff_for_people(self):
        self.format()
        self.make_device(self.store, "disk", 'write length @1M\nwrite bytes @0 "a"\nwrite bytes @8K "b"\n')
        self.chimera("snapshot", self.store, "disk=disk@1")
        self.assertEqual(self.chimera("diff", self.store, "disk", "disk@1"),
                         '"disk" and "disk@1": 0 bytes differ, 0 extents.\n')
        self.program(self.store, 'open device "disk"\nwrite bytes @8191 "bc"\nwrite bytes @(1M - 1) "yz"\n')
        self.assertEqual(self.chimera("diff", self.store, "disk", "disk@1"),
                         "   OFFSET  LENGTH\n"
                         "    4,096   8,192\n"
                         "1,044,480   4,097\n"
                         '"disk" has 1,048,577 bytes, "disk@1" has 1,048,576.\n'
                         '"disk" and "disk@1": 12,289 bytes differ, 2 extents.\n')

    def test_diff_is_exactly_what_was_changed(self):
        for label, target in self.targets():
            for kind in ("pool", "memory"):
                if (label, kind) == ("store", "memory"):
                    continue  # gone at the end of each command
                with self.subTest(f"{label} {kind}"):
                    self.check_random_changes(target, kind, random.Random(f"{label} {kind}"))

    def check_random_changes(self, target, kind, dice):
        name = f"{kind}-disk"
        self.make_device(target, name, "", f'"kind={kind}"')
        model, snapshots = Model(), {}
        for turn in range(TURNS):
            lines = [f'open device "{name}"']
            for _ in range(dice.randrange(1, 30)):
                offset = dice.choice((dice.randrange(2 * MIB), dice.randrange(512) * BLOCK))
                count = dice.choice((1, BLOCK, dice.randrange(1, 5 * BLOCK), dice.randrange(1, 5) * BLOCK))
                action = dice.randrange(10)
                if action == 0:
                    lines.append(f"write length @{offset}")
                    model.set_length(offset)
                elif action < 4:
                    lines.append(f"clear extents @{offset} #{16 * count}")
                    model.clear(offset, 16 * count)
                else:
                    lines.append(f'write bytes @{offset} "{chr(97 + turn) * count}"')
                    model.write(offset, count)
            self.program(target, "\n".join(lines) + "\n")
            for snapshot, then in snapshots.items():
                self.check_difference(target, name, snapshot, model, then)
            self.chimera("snapshot", target, f"{name}={name}@{turn}")
            snapshots[f"{name}@{turn}"] = model.copy()
        one, two = dice.sample(sorted(snapshots), 2)
        self.check_difference(target, one, two, snapshots[one], snapshots[two])

    def check_difference(self, target, device, other, model, other_model):
        found = self.diff(target, device, other)
        extents = model.differences(other_model)
        self.assertEqual(found["extents"], extents, (device, other))
        self.assertEqual(found["extent_count"], len(extents))
        self.assertEqual(found["bytes"], sum(extent["length"] for extent in extents))
        self.assertEqual([found[which]["name"] for which in ("device", "other")], [device, other])
        self.assertEqual([found[which]["length"] for which in ("device", "other")], [model.length, other_model.length])

    @unittest.skipIf("ASAN_OPTIONS" in os.environ, "seventy thousand instructions, printed, take the sanitizers long")
    def test_diff_over_many_answers(self):
        """More extents than one answer holds, and a length that one answer does not cover."""
        self.format("1G")
        self.make_device(self.store, "disk", 'write length @(1000G * 1024)\nwrite bytes @(1000G * 1023) "far"\n')
        self.chimera("snapshot", self.store, "disk=disk@1")
        self.program(self.store, 'open device "disk"\n.repeat 70000\nwrite byte @($i * 8K) 1\n.end\n')
        found = self.diff(self.store, "disk", "disk@1")
        self.assertEqual(found["extents"], [{"offset": i * 2 * BLOCK, "length": BLOCK} for i in range(70000)])
        self.assertEqual(found["bytes"], 70000 * BLOCK)

    def test_names_that_exist_and_bad_ones(self):
        for label, target in self.targets():
            with self.subTest(label):
                self.make_device(target, "disk")
                self.make_device(target, "b" * 250)
                self.chimera("snapshot", target, "disk=disk@1")
                said = self.fails("snapshot", target, "disk=new", "disk=disk@1")
                self.assertIn('there is a device named "disk@1" already', said)
                self.assertIn("DEVICE=NAME", said)
                self.assertIn("two clones would be named", self.fails("snapshot", target, "disk", "disk"))
                self.assertIn("Bad name", self.fails("snapshot", target, "b" * 250))
                for bad in ("disk=new\nline", "disk=" + "x" * 70_000, "x" * 70_000):
                    self.assertIn("1 to 255 bytes", self.fails("snapshot", target, bad, status=2))
                self.assertIn("Give the device another name.", self.fails("clone", target, "disk", "disk@1"))
                self.assertIn("1 to 255 bytes", self.fails("clone", target, "disk", "", status=2))
                self.assertEqual(sorted(self.devices(target)), ["b" * 250, "disk", "disk@1"])

    def test_devices_that_are_not_there(self):
        for label, target in self.targets():
            with self.subTest(label):
                self.make_device(target, "disk")
                for nobody in ("nobody", str(uuid.uuid4())):
                    for arguments in (["snapshot", target, nobody], ["snapshot", target, "disk", f"{nobody}=new"],
                                      ["clone", target, nobody, "new"], ["rollback", target, "disk", nobody],
                                      ["rollback", target, nobody, "disk"], ["diff", target, "disk", nobody],
                                      ["diff", target, nobody, "disk", "--json"]):
                        said = self.fails(*arguments)
                        self.assertEqual(said, f'chimera: There is no device named "{nobody}": '
                                               f"`chimera devices {target}` lists those that there are.\n")
                self.assertEqual(list(self.devices(target)), ["disk"])

    def test_what_cannot_be_rolled_back_or_compared(self):
        for label, target in self.targets():
            with self.subTest(label):
                self.make_device(target, "disk")
                self.make_device(target, "stranger")
                self.chimera("snapshot", target, "disk=disk@1")
                said = self.fails("rollback", target, "disk", "stranger")
                self.assertIn('"stranger" is neither a clone nor an origin of "disk"', said)
                self.assertIn("Name one of its snapshots.", said)
                said = self.fails("rollback", target, "disk@1", "disk")
                self.assertIn('"disk@1" is protected', said)
                self.assertIn("is the device itself", self.fails("rollback", target, "disk", "disk"))
                self.assertIn("Make it writable first: chimera protect --off.", said)
                self.assertEqual(self.diff(target, "disk", "stranger")["bytes"], 6)
        self.make_device(target, "memory", options='"kind=memory"')
        self.assertIn("of different kinds", self.fails("diff", target, "disk", "memory"))

    def test_a_store_that_is_in_use_or_not_there(self):
        self.format()
        self.make_device(self.store, "disk")
        server = self.serve()
        for arguments in (["snapshot", "disk"], ["clone", "disk", "new"], ["rollback", "disk", "disk"]):
            self.assertIn("in use", self.fails(arguments[0], self.store, *arguments[1:]))
        self.assertEqual(server.stop()[0], 0)
        for arguments in (["snapshot", "nowhere.img", "disk"], ["diff", "unix:nowhere", "disk", "disk"]):
            self.assertIn("nowhere", self.fails(*arguments))
        self.assertFalse((self.folder / "nowhere.img").exists())
        self.assertIn("reading only", self.fails("snapshot", self.store, "disk", "--without-journal"))


if __name__ == "__main__":
    unittest.main()
