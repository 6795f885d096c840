#!/usr/bin/env python3
"""Holds docs/protocol.md to what assembler and server do: every byte of its examples."""

import collections
import re
import unittest

from harness import ROOT, ChimeraTest

Vector = collections.namedtuple("Vector", "text sent answer")
ANY_WORDS = "…"


def parse_bytes(line):
    """The pairs of digits behind > or <, up to the comment, which stands behind two blanks."""
    shown = line[2:].split("  ")[0]
    return bytes.fromhex(shown.replace(ANY_WORDS, "")), shown.endswith(ANY_WORDS)


def parse_block(block):
    vectors = []
    for line in block.strip().splitlines():
        if line.startswith("> "):
            vectors[-1] = vectors[-1]._replace(sent=vectors[-1].sent + parse_bytes(line)[0])
        elif line.startswith("< "):
            data, is_failure = parse_bytes(line)
            answer = data[0] if is_failure else vectors[-1].answer + data
            vectors[-1] = vectors[-1]._replace(answer=answer)
        else:
            vectors.append(Vector(line, b"", b""))
    return vectors


class Protocol(ChimeraTest):
    def setUp(self):
        super().setUp()
        text = (ROOT / "docs" / "protocol.md").read_text()
        self.blocks = [parse_block(block) for block in re.findall(r"```vectors\n(.*?)```", text, re.DOTALL)]

    def test_there_are_examples(self):
        self.assertEqual(len(self.blocks), 5)
        self.assertGreater(sum(len(block) for block in self.blocks), 25)
        for block in self.blocks:
            for vector in block:
                self.assertTrue(vector.sent and vector.answer != b"", vector)

    def test_the_assembler_makes_these_bytes_and_they_disassemble(self):
        for block in self.blocks:
            for vector in block:
                with self.subTest(vector.text):
                    self.assertEqual(self.run_command("asm", "-", text=vector.text).stdout, vector.sent)
                    text = self.run_command("disasm", "-", data=vector.sent).stdout
                    self.assertEqual(self.run_command("asm", "-", data=text).stdout, vector.sent)

    def check_answers(self, connection, block):
        for vector in block:
            with self.subTest(vector.text):
                if isinstance(vector.answer, int):
                    status, message = connection.answer()
                    self.assertEqual(status, vector.answer, message)
                    self.assertTrue(message)
                else:
                    self.assertEqual(connection.read(len(vector.answer)).hex(" "), vector.answer.hex(" "))

    def test_a_server_answers_so_one_by_one(self):
        for number, block in enumerate(self.blocks):
            server = self.serve(":memory:", [f"unix:{self.folder}/one{number}"])
            connection = self.connect(server.addresses[0])
            for vector in block:
                connection.send(vector.sent)
                self.check_answers(connection, [vector])

    def test_a_server_answers_so_to_a_pipelined_stream(self):
        for number, block in enumerate(self.blocks):
            server = self.serve(":memory:", [f"unix:{self.folder}/all{number}"])
            connection = self.connect(server.addresses[0])
            connection.send(b"".join(vector.sent for vector in block))
            self.check_answers(connection, block)
        self.assertTrue(connection.at_end())  # the last block ends with an illegal instruction


if __name__ == "__main__":
    unittest.main()
