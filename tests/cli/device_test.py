#!/usr/bin/env python3
"""chimera create, rename, protect and delete: on a store and through a server."""

import json
import unittest
import uuid

from harness import OK, ChimeraTest, open_device, write_bytes_at

MIB = 1 << 20


class Devices(ChimeraTest):
    def devices(self, target):
        return {device["name"]: device for device in json.loads(self.chimera("devices", target, "--json"))}

    def create(self, target, name, *options):
        return json.loads(self.chimera("create", target, name, "--json", *options))["uuid"]

    def snapshot_content(self, target, device):
        return self.run_command("export", target, "-", device).stdout

    def test_what_is_made_is_what_was_asked_for(self):
        for label, target in self.targets():
            with self.subTest(label):
                said = self.chimera("create", target, "disk", "--size", "1M", "--columns", "root of web1")
                self.assertRegex(said, r'^"disk": a device of 1M, [0-9a-f-]{36}\.\n$')
                said = self.chimera("create", target, "log")
                self.assertRegex(said, r'^"log": a device that grows as it is written to, [0-9a-f-]{36}\.\n$')
                made = self.create(target, "third")
                devices = self.devices(target)
                self.assertEqual([(device["length"], device["fixed_length"], device["columns_length"])
                                  for device in map(devices.get, ("disk", "log", "third"))],
                                 [(MIB, True, 12), (0, False, 0), (0, False, 0)])
                self.assertEqual(made, devices["third"]["uuid"])

    def test_a_device_in_memory_is_made_on_a_server_alone(self):
        for label, target in self.targets():
            with self.subTest(label):
                if label == "store":
                    self.assertIn("make it on a running server", self.fails("create", target, "m", "--in-memory"))
                    self.assertEqual(self.devices(target), {})
                else:
                    said = self.chimera("create", target, "m", "--in-memory", "--size", "1M")
                    self.assertRegex(said, '^"m": a device in memory of 1M, ')
                    self.assertEqual(self.devices(target)["m"]["kind"], "memory")

    def test_a_file_is_served_in_place_and_stays_when_its_device_goes(self):
        self.format()
        (self.folder / "images").mkdir()
        image = self.write_file("images/root.img", b"an image" + bytes(5000))
        said = self.chimera("create", self.store, "root", "--file", "root.img", "--attach", image.parent)
        self.assertRegex(said, '^"root": the file "root.img", served in place, ')
        self.assertEqual(self.devices(self.store)["root"]["kind"], "file")
        self.assertIn("not there", self.fails("create", self.store, "b", "--file", "b", "--attach", image.parent))
        self.assertIn("--attach", self.fails("create", self.store, "b", "--file", "b"))
        self.chimera("delete", self.store, "root", "--attach", image.parent)
        self.assertEqual(self.devices(self.store), {})
        self.assertEqual(image.read_bytes(), b"an image" + bytes(5000))

    def test_a_file_is_served_once(self):
        self.format()
        (self.folder / "images").mkdir()
        image = self.write_file("images/root.img", bytes(4096))
        self.chimera("create", self.store, "root", "--file", "root.img", "--attach", image.parent)
        self.assertIn('"root" serves root.img already',
                      self.fails("create", self.store, "again", "--file", "root.img", "--attach", image.parent))
        self.assertRegex(self.chimera("devices", self.store), r'(?m)^"root" .* file  not attached$')
        self.assertRegex(self.chimera("devices", self.store, "--attach", image.parent), r'(?m)^"root" +4,096 .* file$')

    def test_single_parts_of_tables_go_by_force_alone(self):
        schema = self.write_file("t.schema", "relation t = struct { id: u32, note: string } key (id)")
        for label, target in self.targets("256M"):
            with self.subTest(label):
                self.chimera("table", "create", target, "a/b/t", schema)
                self.create(target, "a/b/u")
                parts = [name for name in self.devices(target) if name.startswith("a/b/t")]
                self.assertGreater(len(parts), 2)
                for part in parts:
                    self.assertIn("is a part of the table a/b/t: `chimera table drop`", self.fails("delete", target, part))
                    self.assertIn("`chimera table rename`", self.fails("rename", target, part, "new"))
                self.chimera("delete", target, "a/b/u")
                self.chimera("delete", target, parts[-1], "--force")
                self.assertNotIn(parts[-1], self.devices(target))

    def test_a_renamed_device_is_the_same_for_who_has_it_open(self):
        for label, target in self.targets():
            with self.subTest(label):
                made = self.create(target, "disk", "--size", "1M")
                client = self.connect(target) if label == "address" else None
                if client:
                    client.send(open_device("disk"))
                    self.assertEqual(client.answer(16)[0], OK)
                self.assertEqual(self.chimera("rename", target, "disk", "web1"), '"disk" is called "web1" now.\n')
                if client:
                    client.send(write_bytes_at(0, b"written"))
                    self.assertEqual(client.answer()[0], OK)
                    self.assertEqual(self.snapshot_content(target, "web1")[:7], b"written")
                self.create(target, "other")
                self.assertIn("Give the device another name.", self.fails("rename", target, "other", "web1"))
                self.chimera("rename", target, made, "by its UUID")
                self.assertEqual(sorted(self.devices(target)), ["by its UUID", "other"])

    def test_protected_devices_are_neither_written_nor_deleted_unless_that_is_said(self):
        for label, target in self.targets():
            with self.subTest(label):
                for name in ("a", "b", "c"):
                    self.create(target, name, "--size", "1M")
                self.assertEqual(self.chimera("protect", target, "a", "b"), '"a": read only.\n"b": read only.\n')
                self.assertEqual([name for name, device in self.devices(target).items() if device["read_only"]],
                                 ["a", "b"])
                said = self.fails("delete", target, "c", "b")
                self.assertEqual(said, 'chimera: Read only: "b" is protected: read only. With --protected it goes all '
                                       "the same.\n")
                self.assertEqual(sorted(self.devices(target)), ["a", "b", "c"])
                self.assertEqual(self.chimera("protect", target, "a", "--off"), '"a": may be written to.\n')
                self.assertEqual(self.chimera("delete", target, "a"), '"a": deleted.\n')
                deleted = json.loads(self.chimera("delete", target, "b", "c", "b", "--protected", "--json"))
                self.assertEqual([device["name"] for device in deleted["devices"]], ["b", "c"])
                self.assertEqual(self.devices(target), {})

    def test_a_snapshot_goes_and_its_origin_stays(self):
        for label, target in self.targets():
            with self.subTest(label):
                self.create(target, "disk", "--size", "1M")
                self.chimera("snapshot", target, "disk=disk@1", "disk=disk@2")
                self.chimera("delete", target, "disk@1", "disk@2", "--protected")
                self.assertEqual(list(self.devices(target)), ["disk"])

    def test_what_a_client_has_open_goes_by_force_alone(self):
        self.format()
        server = self.serve()
        target = server.addresses[0]
        for name in ("idle", "open"):
            self.create(target, name, "--size", "1M")
        client = self.connect(target)
        client.send(open_device("open"))
        self.assertEqual(client.answer(16)[0], OK)
        said = self.fails("delete", target, "idle", "open")
        self.assertIn('another session has "open" open', said)
        self.assertIn("--force does that", said)
        self.assertEqual(sorted(self.devices(target)), ["idle", "open"])
        self.chimera("delete", target, "idle", "open", "--force")
        self.assertEqual(self.devices(target), {})
        client.send(write_bytes_at(0, b"x"))
        self.assertNotEqual(client.answer()[0], OK)

    def test_what_is_done_is_durable(self):
        self.format()
        server = self.serve()
        target = server.addresses[0]
        self.create(target, "gone")
        kept = self.create(target, "kept")
        self.chimera("rename", target, "kept", "renamed")
        self.chimera("protect", target, "renamed")
        self.chimera("delete", target, "gone")
        server.kill_and_let_go(self.store)
        self.assertEqual([(name, device["uuid"], device["read_only"]) for name, device in
                          self.devices(self.store).items()], [("renamed", kept, True)])

    def test_devices_that_are_not_there_and_bad_words(self):
        for label, target in self.targets():
            with self.subTest(label):
                self.create(target, "disk")
                for nobody in ("nobody", str(uuid.uuid4())):
                    for arguments in (["rename", target, nobody, "new"], ["protect", target, "disk", nobody],
                                      ["delete", target, "disk", nobody]):
                        self.assertEqual(self.fails(*arguments),
                                         f'chimera: There is no device named "{nobody}": '
                                         f"`chimera devices {target}` lists those that there are.\n")
                self.assertIn("Give the device another name.", self.fails("create", target, "disk"))
                self.assertIn("over the greatest length", self.fails("create", target, "new", "--size", "9000000T"))
                self.assertEqual([(name, device["read_only"]) for name, device in self.devices(target).items()],
                                 [("disk", False)])
        for arguments in (["create", "s"], ["create", "s", ""], ["create", "s", "a\nb"], ["create", "s", "x" * 256],
                          ["create", "s", "d", "--size", "0"], ["create", "s", "d", "--size", "much"],
                          ["create", "s", "d", "--file", "/etc/passwd"], ["create", "s", "d", "--file", "../d"],
                          ["create", "s", "d", "--file", "d", "--size", "1M"],
                          ["create", "s", "d", "--file", "d", "--in-memory"],
                          ["create", "s", str(uuid.uuid4())], ["rename", "s", "d", str(uuid.uuid4())],
                          ["clone", "s", "d", str(uuid.uuid4())], ["snapshot", "s", f"d={uuid.uuid4()}"],
                          ["rename", "s", "d"], ["rename", "s", "d", ""], ["protect", "s"], ["delete", "s"],
                          ["delete", "s", ""]):
            with self.subTest(arguments):
                self.fails(*arguments, status=2)


if __name__ == "__main__":
    unittest.main()
