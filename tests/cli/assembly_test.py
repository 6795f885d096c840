#!/usr/bin/env python3
"""chimera asm and disasm, and how programs are told apart."""

import json
import unittest

from harness import ChimeraTest

SOURCE = """\
; everything that a line can be
.equ BLOCK 4K
open device "disk0"     ; by name
read length
.repeat 3
write byte @(BLOCK * $i) $i
.end
write bytes @0x40 "a\\n" hex"00 ff"
"""
BYTES = (
    b"\x40\x05\x00disk0\x54"
    + b"".join(b"\x82" + (4096 * i).to_bytes(8, "little") + bytes([i]) for i in range(3))
    + b"\x92\x40\0\0\0\0\0\0\0\x04\0\0\0a\n\x00\xff"
)


class Assembly(ChimeraTest):
    def test_assemble_to_a_file_and_to_standard_output(self):
        self.write_file("p.asm", SOURCE)
        self.chimera("asm", "p.asm", "-o", "p.bin")
        self.assertEqual((self.folder / "p.bin").read_bytes(), BYTES)
        self.assertEqual(self.run_command("asm", "p.asm").stdout, BYTES)
        self.assertEqual(self.run_command("asm", "-", text=SOURCE).stdout, BYTES)

    def test_listing(self):
        listing = self.chimera("asm", "-", "--listing", text=SOURCE).splitlines()
        self.assertEqual(len(listing), 6)
        self.assertRegex(listing[0], r'^00000000  40 05 00 64 69 73 6b 30 +open device "disk0"$')
        self.assertRegex(listing[1], r"^00000008  54 +read length$")

    def test_a_terminal_gets_the_listing(self):
        self.assertIn("00000008  54", self.run_on_terminal("asm", self.write_file("p.asm", SOURCE)))

    def test_disassemble_and_back(self):
        text = self.run_command("disasm", "-", data=BYTES).stdout
        self.assertEqual(self.run_command("asm", "-", data=text).stdout, BYTES)
        self.write_file("p.bin", BYTES + b"\x92")  # and half an instruction
        self.assertIn(f"offset {len(BYTES)} ", self.fails("disasm", "p.bin", "--annotate", "-o", "again.asm"))
        self.assertEqual(self.run_command("asm", "again.asm").stdout, BYTES + b"\x92")

    def test_disassembly_as_json(self):
        done = self.run_command("disasm", "-", "--json", data=BYTES + b"\x47")
        self.assertEqual(done.returncode, 1)
        objects = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(objects[0]["instruction"], 'open device "disk0"')
        self.assertEqual(objects[1], {"offset": 8, "size": 1, "opcode": 0x54, "mnemonic": "read length",
                                      "instruction": "read length"})
        self.assertEqual(objects[-1], {"offset": len(BYTES), "size": 1, "why": "illegal"})

    def test_what_is_whole_is_disassembled_before_the_rest_fails(self):
        for rest, said in ((b"\x47", "none begins with 0x47"), (b"\x92\x00", "breaks off")):
            done = self.run_command("disasm", "-", data=BYTES + rest)
            self.assertEqual(done.returncode, 1)
            self.assertIn(b"read length\n", done.stdout)
            self.assertIn(said, done.stderr.decode())
            self.assertIn(f"offset {len(BYTES)} ", done.stderr.decode())
        # One that is too large is passed over, as a machine does.
        large = b"\x94" + ((32 << 20) + 1).to_bytes(4, "little") + bytes((32 << 20) + 1)
        objects = [json.loads(line) for line in self.chimera("disasm", "-", "--json", data=large + b"\x54").splitlines()]
        self.assertEqual([item["mnemonic"] for item in objects], ["write bytes", "read length"])
        self.assertEqual(objects[0]["why"], "too large")

    def test_a_binary_is_not_assembled_and_not_printed(self):
        done = self.run_command("asm", "-", data=BYTES)
        self.assertEqual((done.returncode, done.stdout), (1, b""))
        self.assertEqual(done.stderr, b"chimera: standard input is no assembly text: the byte at offset 1 is 0x05. "
                                      b"Instructions are read by chimera disasm.\n")
        self.write_file("noise", bytes(range(256)))
        said = self.run_command("asm", "-", text='.include "noise"\n').stderr
        self.assertIn(b"noise:1:1:", said)
        self.assertEqual([byte for byte in said if byte < 0x20 and byte not in b"\n\t"], [])

    def test_a_string_without_quotes(self):
        for line, hint in (("open device disk0", 'a name is a string: write "disk0"'),
                           ('create device disk "" "size=1M"', 'a name is a string: write "disk"'),
                           ('create device "disk" cols', 'columns are a string: write "cols"'),
                           ("write bytes @0 hello", 'payload bytes are a string: write "hello"'),
                           ('write bytes @begin "x"', "'begin' is not declared"),
                           ('clone device disk "copy"', "'disk' is not declared")):
            with self.subTest(line):
                self.assertIn(hint, self.fails("asm", "-", text=line + "\n"))

    def test_errors_are_located_and_counted_and_nothing_is_written(self):
        self.write_file("bad.asm", 'open device "a"\nraed byte\nwrite byte @1\nread bytes #x\n')
        said = self.fails("asm", "bad.asm", "-o", "bad.bin")
        self.assertIn("bad.asm has 3 errors", said)
        for place in ("bad.asm:2:1:", "bad.asm:3:", "bad.asm:4:"):
            self.assertIn(place, said)
        self.assertIn("read byte", said)  # what was meant by "raed byte"
        self.assertIn("^", said)
        self.assertFalse((self.folder / "bad.bin").exists())

    def test_no_such_file_and_no_such_folder(self):
        self.assertIn("nothing.asm", self.fails("asm", "nothing.asm"))
        self.assertIn("No such file", self.fails("asm", "-", "-o", "no/such/folder", text="hello"))

    def test_content_tells_text_from_instructions(self):
        self.write_file("text", "describe store\n")
        self.write_file("binary", b"\x7f\x50\0\0\0\0")
        for program in ("text", "binary"):
            self.assertIn("describe store", self.chimera("run", ":memory:", program))

    def test_options_overrule_the_content(self):
        # "P" is text by its looks, and the instruction that lacks its UUID by its number.
        self.write_file("looks_like_text", "T")
        self.assertIn("no current device", self.fails("run", ":memory:", "looks_like_text", "--binary"))
        self.assertIn("has 1 error", self.fails("run", ":memory:", "looks_like_text"))
        self.write_file("looks_binary", "describe store\n; \x01\n")
        self.assertIn("describe store", self.chimera("run", ":memory:", "looks_binary", "--text"))


if __name__ == "__main__":
    unittest.main()
