#!/usr/bin/env python3
"""chimera import and export: contents, holes, and what is refused."""

import hashlib
import json
import os
import random
import signal
import subprocess
import unittest

from harness import CHIMERA, OK, ChimeraTest, open_device

MIB = 1 << 20


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Transfer(ChimeraTest):
    def make_image(self, length, pieces):
        """A sparse file with data at these (offset, size), different for every test run's sizes but the same again."""
        path = self.folder / f"image-{length}"
        with open(path, "wb") as file:
            file.truncate(length)
            for offset, size in pieces:
                file.seek(offset)
                file.write(random.Random(offset).randbytes(size))
        return path

    def test_there_and_back_with_the_holes(self):
        image = self.make_image(64 * MIB + 777, [(0, 10), (4096, 4096), (5 * MIB - 100, 3 * MIB), (64 * MIB, 777)])
        for label, target in self.targets("256M"):
            with self.subTest(label):
                report = json.loads(self.chimera("import", target, image, "disk", "--json"))
                self.assertEqual(report["length"], 64 * MIB + 777)
                self.assertLess(report["data_bytes"], 4 * MIB)
                back = self.folder / f"back-{label}"
                self.chimera("export", target, back, "disk")
                self.assertEqual(digest(back), digest(image))
                self.assertLess(os.stat(back).st_blocks * 512, 8 * MIB)
                check = json.loads(self.chimera("check", target, "--json"))
                self.assertEqual(check["problem_count"], 0)

    def test_lengths_around_the_piece(self):
        lengths = [0, 1, 4095, 4096, 4097, 2 * MIB - 1, 2 * MIB, 2 * MIB + 1, 50 * MIB + 5]
        for label, target in self.targets("256M"):
            for length in lengths:
                with self.subTest(f"{label} {length}"):
                    image = self.make_image(length, [(0, length)])
                    self.chimera("import", target, image, f"disk {length}")
                    back = self.folder / "back"
                    self.chimera("export", target, back, f"disk {length}", "--force")
                    self.assertEqual(digest(back), digest(image))

    def test_a_progress_bar_on_a_terminal_only(self):
        self.format()
        image = self.make_image(8 * MIB, [(0, 8 * MIB)])
        self.assertRegex(self.run_on_terminal("import", self.store, image, "disk"), r"import \[#*\.*\] +\d+ % ")
        done = self.run_command("export", self.store, "back", "disk")
        self.assertEqual((done.returncode, done.stderr), (0, b""))

    def test_zeros_in_the_file_become_holes(self):
        image = self.write_file("zeros", bytes(8 * MIB) + b"x" + bytes(8 * MIB))
        self.format()
        report = json.loads(self.chimera("import", self.store, image, "disk", "--json"))
        self.assertEqual((report["length"], report["data_bytes"]), (16 * MIB + 1, 4096))

    def test_an_image_that_is_all_hole(self):
        self.format("16M")
        image = self.make_image(1 << 40, [])
        self.chimera("import", self.store, image, "vast", "--fixed")
        back = self.folder / "back"
        self.chimera("export", self.store, back, "vast")
        self.assertEqual(os.stat(back).st_size, 1 << 40)
        self.assertEqual(os.stat(back).st_blocks, 0)

    def test_a_fixed_device_keeps_its_length(self):
        self.format()
        self.chimera("import", self.store, self.make_image(10000, [(0, 10000)]), "disk", "--fixed")
        self.assertIn("out of range", self.fails("run", self.store, "-", text='open device "disk"\nappend bytes "x"\n'))

    def test_a_name_in_use_and_replace(self):
        self.format()
        one, two = self.make_image(1000, [(0, 1000)]), self.make_image(2000, [(0, 2000)])
        self.chimera("import", self.store, one, "disk")
        self.assertIn("exists already", self.fails("import", self.store, two, "disk"))
        self.chimera("export", self.store, "back", "disk")
        self.assertEqual(digest(self.folder / "back"), digest(one))
        self.chimera("import", self.store, two, "disk", "--replace")
        self.assertIn("exists already", self.fails("export", self.store, "back", "disk"))
        self.chimera("export", self.store, "back", "disk", "--force")
        self.assertEqual(digest(self.folder / "back"), digest(two))

    def test_a_replacement_that_does_not_fit_leaves_what_was_there(self):
        self.format("32M")
        small = self.make_image(MIB, [(0, MIB)])
        self.chimera("import", self.store, small, "disk")
        self.fails("import", self.store, self.make_image(60 * MIB, [(0, 60 * MIB)]), "disk", "--replace")
        devices = json.loads(self.chimera("devices", self.store, "--json"))
        self.assertEqual([device["name"] for device in devices], ["disk"])
        self.chimera("export", self.store, "back", "disk")
        self.assertEqual(digest(self.folder / "back"), digest(small))

    def test_what_cannot_be_replaced_is_not_copied_for(self):
        self.format()
        server = self.serve()
        target = server.addresses[0]
        image = self.make_image(MIB, [(0, MIB)])
        for name in ("used", "protected"):
            self.chimera("create", target, name)
        self.chimera("protect", target, "protected")
        user = self.connect(target)
        user.send(open_device("used"))
        self.assertEqual(user.answer(16)[0], OK)
        for name, why in (("used", 'another session has "used" open'), ("protected", '"protected" is protected')):
            said = self.fails("import", target, image, name, "--replace")
            self.assertIn(why, said)
            self.assertNotIn("complete", said)
        devices = json.loads(self.chimera("devices", target, "--json"))
        self.assertEqual([(device["name"], device["length"]) for device in devices], [("protected", 0), ("used", 0)])

    def test_what_a_killed_import_left_is_replaced(self):
        self.format()
        self.chimera("run", self.store, "-", text='create device "disk.importing" "chimera import"\nwrite bytes "half"\n')
        image = self.make_image(MIB, [(0, MIB)])
        self.chimera("import", self.store, image, "disk")
        devices = json.loads(self.chimera("devices", self.store, "--json"))
        self.assertEqual([device["name"] for device in devices], ["disk"])

    def test_a_device_that_only_looks_like_a_leftover_stays(self):
        self.format()
        self.chimera("create", self.store, "disk.importing")
        image = self.make_image(MIB, [(0, MIB)])
        self.assertIn("which no import has left", self.fails("import", self.store, image, "disk"))
        devices = json.loads(self.chimera("devices", self.store, "--json"))
        self.assertEqual([device["name"] for device in devices], ["disk.importing"])
        self.chimera("import", self.store, image, "other")
        devices = json.loads(self.chimera("devices", self.store, "--json"))
        self.assertEqual([(device["name"], device["columns_length"]) for device in devices],
                         [("disk.importing", 0), ("other", 0)])

    def test_a_uuid_names_a_device_and_makes_none(self):
        self.format()
        image = self.make_image(MIB, [(0, MIB)])
        self.chimera("import", self.store, image, "disk")
        uuid = json.loads(self.chimera("devices", self.store, "--json"))[0]["uuid"]
        self.chimera("export", self.store, "back", uuid.upper())
        self.assertEqual(digest(self.folder / "back"), digest(image))
        self.assertIn("`chimera devices", self.fails("export", self.store, "none", "nobody"))
        for options in ([], ["--replace"]):
            self.assertIn("NAME is a UUID", self.fails("import", self.store, image, uuid, *options))

    def test_an_export_never_costs_what_was_there(self):
        self.format()
        image = self.make_image(MIB, [(0, MIB)])
        self.chimera("import", self.store, image, "disk")
        self.assertIn("holds a store", self.fails("export", self.store, self.store, "disk", "--force"))
        self.assertIn("the store itself", self.fails("import", self.store, self.store, "self"))
        kept = self.write_file("kept", b"precious")
        with open(self.store, "r+b") as store:
            data = store.read().index(image.read_bytes()[:4096])
            store.seek(data)
            store.write(b"damage")
        self.assertIn("orrupt", self.fails("export", self.store, kept, "disk", "--force"))
        self.assertEqual(kept.read_bytes(), b"precious")
        self.assertEqual([path.name for path in self.folder.iterdir() if "partial" in path.name], [])

    def test_through_pipes(self):
        image = self.make_image(9 * MIB + 77, [(0, 10), (3 * MIB, 2 * MIB), (7 * MIB, 5000)])
        for label, target in self.targets("256M"):
            with self.subTest(label):
                report = json.loads(self.chimera("import", target, "-", "disk", "--json", data=image.read_bytes()))
                self.assertEqual((report["length"], report["data_bytes"]), (9 * MIB + 77, 2 * MIB + 3 * 4096))
                done = self.run_command("export", target, "-", "disk", "--json")
                self.assertEqual((done.returncode, hashlib.sha256(done.stdout).hexdigest()), (0, digest(image)))
                self.assertEqual(json.loads(done.stderr), report)
                self.assertFalse((self.folder / "-").exists())
        self.chimera("import", self.store, "-", "nothing", data=b"")
        self.assertEqual(self.run_command("export", self.store, "-", "nothing").stdout, b"")

    def test_a_redirected_file_keeps_its_holes(self):
        self.format("16M")
        with open(self.make_image(1 << 40, [(4096, 10)]), "rb") as image:
            done = subprocess.run([CHIMERA, "import", self.store, "-", "vast", "--fixed"], stdin=image,
                                  stdout=subprocess.PIPE)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(json.loads(self.chimera("devices", self.store, "--json"))[0]["length"], 1 << 40)

    def test_what_pipes_cannot_do(self):
        self.format()
        self.assertIn("--fixed", self.fails("import", self.store, "-", "disk", "--fixed", data=b"abc"))
        self.chimera("import", self.store, "-", "disk", data=bytes(MIB))
        self.assertIn("terminal", self.run_on_terminal("export", self.store, "-", "disk"))
        with subprocess.Popen([CHIMERA, "export", self.store, "-", "disk"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as export:
            export.stdout.read(10)
            export.stdout.close()
            self.assertEqual(export.stderr.read(), b"")
        self.assertEqual(export.returncode, -signal.SIGPIPE)

    def test_json_has_the_same_keys_both_ways(self):
        self.format()
        imported = json.loads(self.chimera("import", self.store, self.write_file("image", b"abc"), "disk", "--json"))
        exported = json.loads(self.chimera("export", self.store, "back", "disk", "--json"))
        self.assertEqual(list(imported), ["name", "uuid", "length", "data_bytes"])
        self.assertEqual(imported["uuid"], json.loads(self.chimera("devices", self.store, "--json"))[0]["uuid"])
        self.assertEqual({**imported, "data_bytes": exported["data_bytes"]}, exported)

    def test_what_does_not_fit_leaves_nothing_behind(self):
        self.format("16M")
        self.chimera("import", self.store, self.make_image(MIB, [(0, MIB)]), "before")
        image = self.make_image(40 * MIB, [(0, 40 * MIB)])
        self.assertIn("space", self.fails("import", self.store, image, "disk").lower())
        devices = json.loads(self.chimera("devices", self.store, "--json"))
        self.assertEqual([device["name"] for device in devices], ["before"])
        self.assertIn("No problem", self.chimera("check", self.store))
        self.chimera("export", self.store, "back", "before")
        self.chimera("import", self.store, self.make_image(2 * MIB, [(0, 2 * MIB)]), "after")

    def test_what_is_not_there(self):
        self.format()
        self.assertIn("nothing.raw", self.fails("import", self.store, "nothing.raw", "disk"))
        self.assertIn("neither a file nor a block device", self.fails("import", self.store, ".", "disk"))
        self.assertIn("There is no device named", self.fails("export", self.store, "back", "disk"))
        self.assertFalse((self.folder / "back").exists())
        self.chimera("import", self.store, self.write_file("a", "a"), "disk")
        self.assertIn("No such file", self.fails("export", self.store, "no/such/back", "disk"))
        self.assertIn("NAME is empty", self.fails("import", self.store, "a", ""))
        self.assertEqual(json.loads(self.chimera("devices", self.store, "--json"))[0]["name"], "disk")
        self.assertIn("this one holds a control character", self.fails("import", self.store, "a", "bad\nname"))

    def test_the_main_job(self):
        """An image is loaded, changed by an assembled program over a socket, and read back; ordinary tools agree."""
        image = self.make_image(96 * MIB, [(i * 3 * MIB, 2 * MIB) for i in range(32)])
        self.format("256M")
        server = self.serve()
        self.chimera("import", server.addresses[0], image, "disk")
        self.write_file("change.asm", """
            .equ STEP 1M
            open device "disk"
            .repeat 96
            write bytes @($i * STEP + 511) "changed\\x00" hex"ff fe"
            .end
            clear extents @(10 * STEP) #(2 * STEP + 5)
            flush device
        """)
        self.chimera("send", server.addresses[0], "change.asm")
        with open(image, "r+b") as file:
            for i in range(96):
                file.seek(i * MIB + 511)
                file.write(b"changed\x00\xff\xfe")
            file.seek(10 * MIB)
            file.write(bytes(2 * MIB + 5))
        self.chimera("export", server.addresses[0], "back", "disk")
        self.assertEqual(digest(self.folder / "back"), digest(image))
        self.assertEqual(server.stop(), (0, ""))


if __name__ == "__main__":
    unittest.main()
