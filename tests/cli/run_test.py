#!/usr/bin/env python3
"""chimera run: what is printed, what it ends with, what stays."""

import json
import signal
import subprocess
import unittest

from harness import CHIMERA, ChimeraTest, create_device, open_device

HELLO = """\
create device "disk" "" "size=1M"
write bytes @0x40 "hello\\n"
read bytes @0x40 #6
check bytes @0x40 "v1"
read byte @2M
"""


class Run(ChimeraTest):
    def test_each_instruction_beside_its_answer(self):
        done = self.run_command("run", ":memory:", "-", text=HELLO)
        self.assertEqual(done.returncode, 1)
        lines = done.stdout.decode().splitlines()
        self.assertRegex(lines[0], r'^create device "disk" "" "size=1M" +ok  [0-9a-f]{8}-')
        self.assertRegex(lines[1], r'^write bytes @0x40 "hello\\n" +ok$')
        self.assertRegex(lines[2], r'^read bytes @0x40 #6 +ok  "hello\\n"$')
        self.assertRegex(lines[3], r'^check bytes @0x40 "v1" +mismatch')
        self.assertTrue(any(line.startswith("read byte @2M") and "out of range" in line for line in lines))
        # Answers stand in one column.
        self.assertEqual(lines[1].index(" ok"), lines[2].index(" ok"))
        self.assertNotIn("\x1b", done.stdout.decode())

    def test_all_well_ends_with_0(self):
        self.chimera("run", ":memory:", "-", text="hello\nlist devices \"\" \"\" #1\ndescribe store\n")

    def test_instructions_are_shown_by_the_disassembler(self):
        text = self.chimera("run", ":memory:", "-", data=create_device("disk") + b"\x54")
        self.assertIn('create device "disk"', text)
        self.assertRegex(text, r"read length +ok  0\n")

    def test_colours_and_width_are_the_terminals(self):
        program = self.write_file("p.asm", 'create device "d" ""\nread bytes @0 #1\nwrite bytes @0 "' + "long " * 30 + '"\n')
        seen = self.run_on_terminal("run", ":memory:", program, columns=90)
        self.assertIn("\x1b[32mok\x1b[0m", seen)
        self.assertIn("\x1b[31mout of range\x1b[0m", seen)
        cut = next(line for line in seen.splitlines() if line.startswith("write bytes"))
        self.assertEqual((len(cut), cut[-1]), (90, "…"))

    def test_bytes_column(self):
        self.assertRegex(self.chimera("run", ":memory:", "-", "--bytes", text="sync\n"), r"^fb +sync +ok\n$")

    def test_raw_is_the_answers_alone(self):
        done = self.run_command("run", ":memory:", "-", "--raw", data=create_device("d") + b"\x54" + b"\x84\x07\xff" + bytes(8) + b"\x00")
        self.assertEqual(done.returncode, 0)
        self.assertEqual(done.stdout[0:1] + done.stdout[17:], b"\0" + b"\0" + bytes(8) + b"\0" + b"\0" + b"\0\x07")
        failed = self.run_command("run", ":memory:", "-", "--raw", "--binary", data=b"\x54")
        self.assertEqual(failed.returncode, 1)
        self.assertEqual(failed.stdout[0], 2)
        self.assertEqual(int.from_bytes(failed.stdout[1:3], "little"), len(failed.stdout) - 3)

    def test_json_is_an_object_a_line(self):
        done = self.run_command("run", ":memory:", "-", "--json", text=HELLO)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([answer["status"] for answer in answers], [0, 0, 0, 7, 5])
        self.assertEqual(answers[2]["result"], b"hello\n".hex())
        self.assertEqual(answers[3]["meaning"], "mismatch")
        self.assertIn("message", answers[4])

    def test_results_of_every_form(self):
        text = self.chimera("run", ":memory:", "-", text="""
            create device "disk" "a u64, b text"
            write bytes @4K "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz"
            read bytes @4K #72
            read bytes @0 #4100
            read extents @0 #4168
            read columns
            describe device
            hello
            read block @8K
            swap byte @4K 0x41
            append bytes "x"
        """)
        self.assertIn("00001000  30 31 32 33", text)
        self.assertIn("a hole", text)
        self.assertIn('"a u64, b text"', text)
        self.assertIn('"kind": "memory"', text)
        self.assertIn("4,096 zeros", text)
        self.assertIn("0x30", text)
        self.assertIn("session 1", text)

    def test_an_illegal_instruction_ends_the_stream(self):
        done = self.run_command("run", ":memory:", "-", data=b"\xfb\x47\xfb")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout.decode(), r"opcode 0x47 +illegal instruction")
        self.assertIn("was not run", done.stderr.decode())
        self.assertEqual(done.stdout.decode().count("sync"), 1)

    def test_half_an_instruction_is_dropped_and_reported(self):
        done = self.run_command("run", ":memory:", "-", data=b"\xfb" + open_device("disk")[:-1])
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout.decode(), r"sync +ok")
        self.assertIn("its last 6 bytes were not run", done.stderr.decode())

    def test_half_a_payload_that_is_too_large_is_not_waited_for(self):
        server = self.serve(":memory:")
        program = b"\xfb\x94" + (40 << 20).to_bytes(4, "little") + b"a few bytes of it"
        done = self.run_command("send", server.addresses[0], "-", data=program)
        self.assertEqual(done.returncode, 1)
        self.assertIn("its last 22 bytes were not run", done.stderr.decode())

    def test_a_payload_of_a_gibibyte_ends_the_stream(self):
        program = create_device("d") + b"\x94" + (1 << 30).to_bytes(4, "little") + b"the beginning of it"
        said = self.fails("run", ":memory:", "-", data=program)
        self.assertIn("too large", said)

    def test_a_reader_that_goes_away_ends_it_quietly_and_costs_nothing(self):
        self.format()
        # More than a pipe holds.
        program = self.write_file("many.asm", "".join(f'create device "d{i:04}" ""\n' for i in range(4000)))
        with subprocess.Popen([CHIMERA, "run", self.store, program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
            self.assertIn(b"d0000", run.stdout.readline())
            run.stdout.close()
            self.assertEqual(run.stderr.read(), b"")
        self.assertEqual(run.returncode, -signal.SIGPIPE)
        self.assertEqual(len(json.loads(self.chimera("devices", self.store, "--json"))), 4000)

    def test_output_that_cannot_be_written_is_an_error(self):
        with open("/dev/full", "wb") as full:
            for arguments in (["--help"], ["isa"], ["info", ":memory:"]):
                done = subprocess.run([CHIMERA, *arguments], stdout=full, stderr=subprocess.PIPE)
                self.assertEqual(done.returncode, 1)
                self.assertNotEqual(done.stderr, b"")

    def test_too_large_a_count_is_answered_and_the_stream_goes_on(self):
        done = self.run_command("run", ":memory:", "-", text='create device "d" ""\nread bytes @0 #33M\nread length\n')
        self.assertEqual(done.returncode, 1)
        self.assertIn("too large", done.stdout.decode())
        self.assertRegex(done.stdout.decode(), r"read length +ok  0\n")

    def test_several_programs_are_one_session(self):
        self.write_file("one.asm", 'create device "d" ""\nwrite bytes @7 "abc"\n')
        self.write_file("two.asm", 'read length\n')
        self.assertRegex(self.chimera("run", ":memory:", "one.asm", "two.asm"), r"read length +ok  10\b")

    def test_nothing_runs_if_one_program_does_not_assemble(self):
        self.format()
        self.write_file("good.asm", 'create device "d" ""\n')
        self.write_file("bad.asm", "nonsense\n")
        self.fails("run", self.store, "good.asm", "bad.asm")
        self.assertEqual(json.loads(self.chimera("devices", self.store, "--json")), [])

    def test_what_is_written_is_there_the_next_time(self):
        for loop in ("uring", "posix", "auto"):
            with self.subTest(loop):
                self.chimera("format", self.store, "--size", "32M", "--force")
                done = self.run_command("run", self.store, "-", "--io", loop,
                                        text='create device "d" ""\nwrite bytes @100000 "still here"\n')
                if loop == "uring" and done.returncode != 0:
                    self.skipTest("no io_uring here: " + done.stderr.decode())
                self.assertEqual(done.returncode, 0, done.stderr)
                text = self.chimera("run", self.store, "-", "--io", loop,
                                    text='open device "d"\nread bytes @100000 #10\n')
                self.assertIn('"still here"', text)

    def test_a_long_program_is_pipelined(self):
        self.format("128M")
        done = self.run_command("run", self.store, "-", "--raw", text="""
            create device "d" ""
            .repeat 20000
            write bytes @($i * 512) "turn"
            .end
            read length
        """)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(done.stdout[-8:], (19999 * 512 + 4).to_bytes(8, "little"))


if __name__ == "__main__":
    unittest.main()
