#!/usr/bin/env python3
"""chimera completion: what real shells offer with the scripts that it prints."""

import os
import pty
import select
import shutil
import subprocess
import threading
import unittest

from harness import CHIMERA, TIMEOUT_SECONDS, ChimeraTest


class Shell:
    """An interactive shell on a terminal, in which keys are pressed."""

    def __init__(self, command, folder, environment):
        ours, theirs = pty.openpty()
        self.process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder,
                                        env={**os.environ, "TERM": "dumb", **environment}, start_new_session=True)
        os.close(theirs)
        self.terminal = ours
        # What it shows is taken away, or it would wait for that one day.
        self.drain = threading.Thread(target=self.take_output)
        self.drain.start()
        os.mkfifo(folder / "line")
        self.output = os.open(folder / "line", os.O_RDWR)

    def take_output(self):
        try:
            while os.read(self.terminal, 1 << 16):
                pass
        except OSError:  # it has ended
            pass

    def press(self, keys):
        os.write(self.terminal, keys.encode())

    def line_after(self, keys):
        """What stands in the line when these keys have been pressed; the line is empty again after that."""
        self.press(keys + "\x18")  # ^X writes it to the pipe and empties it
        line = b""
        while not line.endswith(b"\n"):
            if not select.select([self.output], [], [], TIMEOUT_SECONDS)[0]:
                raise AssertionError(f"the shell does not tell its line after {keys!r}")
            line += os.read(self.output, 1 << 16)
        return line.decode().rstrip("\n")

    def close(self):
        self.process.kill()
        self.process.wait()
        self.drain.join()
        os.close(self.terminal)
        os.close(self.output)


class Completion(ChimeraTest):
    def setUp(self):
        super().setUp()
        self.programs = self.folder / "programs"
        self.programs.mkdir()
        (self.programs / "chimera").symlink_to(CHIMERA)
        self.work = self.folder / "work"
        self.work.mkdir()
        for name in ("store.img", "other.img", "with blank.img", "a.socket"):
            (self.work / name).touch()
        self.path = {"PATH": f"{self.programs}:{os.environ['PATH']}", "HOME": str(self.folder)}

    def script(self, shell):
        path = self.folder / f"script.{shell}"
        path.write_text(self.chimera("completion", shell))
        return path

    def shell(self, command, setup, environment=None):
        shell = Shell(command, self.work, {**self.path, **(environment or {})})
        self.addCleanup(shell.close)
        for line in setup:
            shell.press(line + "\n")
        return shell

    def bash(self):
        script = self.script("bash")
        return self.shell(["bash", "--norc", "--noprofile", "-i"], [
            f". {script}", "bind 'set bell-style none'; bind 'set completion-ignore-case off'",
            "dump() { printf '%s\\n' \"$READLINE_LINE\" >line; READLINE_LINE=; READLINE_POINT=0; }; "
            "bind -x '\"\\C-x\": dump'"])

    def offered(self, shell, line):
        """All that bash offers for this line: readline puts it all in at M-*."""
        whole = shell.line_after(line + "\x1b*")
        self.assertTrue(whole.startswith(line.rsplit(" ", 1)[0]), whole)
        return whole[line.rfind(" ") + 1:].split()

    @unittest.skipUnless(shutil.which("bash"), "there is no bash")
    def test_bash_offers_what_the_help_lists(self):
        shell = self.bash()
        commands = self.offered(shell, "chimera ")
        for line in self.chimera("--help").split("Subcommands:")[1].splitlines():
            if line.startswith("  ") and not line.startswith("   "):
                self.assertIn(line.split()[0], commands)
        self.assertNotIn("manual", commands)
        self.assertIn("insert", self.offered(shell, "chimera table "))
        self.assertEqual(sorted(self.offered(shell, "chimera table column ")), sorted("add drop rename get put compress decompress".split()))
        for command in [*commands, "table insert", "table column add", "blob get"]:
            options = self.offered(shell, f"chimera {command} --")
            text = self.chimera(*command.split(), "--help")
            for option in options:
                self.assertRegex(text, rf"[ ,]{option}\b", command)
            self.assertEqual("--json" in options, "--json" in text, command)

    @unittest.skipUnless(shutil.which("bash"), "there is no bash")
    def test_bash_completes_words_files_and_addresses_in_their_places(self):
        shell = self.bash()
        for keys, line in (
                ("chimera for\t", "chimera format "),
                ("chimera --ver\t", "chimera --version "),
                ("chimera serve st\t", "chimera serve store.img "),
                ("chimera serve with\t", "chimera serve with\\ blank.img "),
                ("chimera serve with\\ blank.img --ca\t", "chimera serve with\\ blank.img --cache "),
                ("chimera serve :memory: --lis\t", "chimera serve :memory: --listen "),
                ("chimera serve store.img --listen un\t", "chimera serve store.img --listen unix:"),
                ("chimera serve store.img --listen unix:a\t", "chimera serve store.img --listen unix:a.socket "),
                ("chimera serve store.img --listen=unix:a\t", "chimera serve store.img --listen=unix:a.socket "),
                ("chimera serve store.img --io ur\t", "chimera serve store.img --io uring "),
                ("chimera serve store.img --io=po\t", "chimera serve store.img --io=posix "),
                # A size is nobody's to guess, nor is an operand too many.
                ("chimera serve store.img --cache st\t", "chimera serve store.img --cache st"),
                ("chimera serve store.img oth\t", "chimera serve store.img oth"),
                ("chimera ta\t", "chimera table "),
                ("chimera table ins\t", "chimera table insert "),
                ("chimera table insert oth\t", "chimera table insert other.img "),
                ("chimera table insert other.img a/b/c st\t", "chimera table insert other.img a/b/c store.img "),
                ("chimera table insert other.img --form\t", "chimera table insert other.img --format "),
                ("chimera table column re\t", "chimera table column rename "),
                ("chimera info un\t", "chimera info unix:"),
                ("chimera info oth\t", "chimera info other.img "),
                ("chimera run store.img oth\t", "chimera run store.img other.img "),
                ("chimera run store.img other.img st\t", "chimera run store.img other.img store.img "),
                ("chimera clone store.img st\t", "chimera clone store.img st"),
                ("chimera completion z\t", "chimera completion zsh ")):
            with self.subTest(keys):
                self.assertEqual(shell.line_after(keys).rstrip(), line.rstrip())
        self.assertEqual(sorted(self.offered(shell, "chimera serve store.img --io ")), ["auto", "posix", "uring"])

    @unittest.skipUnless(shutil.which("fish"), "there is no fish")
    def test_fish_offers_the_same(self):
        script = self.script("fish")

        def offered(line):
            done = subprocess.run(["fish", "--no-config", "-c", f"source {script}; complete -C '{line}'"],
                                  capture_output=True, text=True, cwd=self.work, env={**os.environ, **self.path},
                                  timeout=TIMEOUT_SECONDS, stdin=subprocess.DEVNULL)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            return [row.split("\t")[0] for row in done.stdout.splitlines()]

        self.assertIn("serve", offered("chimera s"))
        self.assertNotIn("store.img", offered("chimera s"))
        self.assertIn("--listen", offered("chimera serve --l"))
        self.assertNotIn("--listen", offered("chimera format --"))
        self.assertEqual(sorted(offered("chimera serve --io ")), ["auto", "posix", "uring"])
        self.assertIn("store.img", offered("chimera serve st"))
        self.assertEqual(sorted(offered("chimera serve --listen ")), ["tcp:", "unix:"])
        self.assertEqual(offered("chimera serve --listen unix:a"), ["unix:a.socket"])
        self.assertIn("unix:", offered("chimera info u"))
        self.assertIn("insert", offered("chimera table "))
        self.assertNotIn("insert", offered("chimera table column "))
        self.assertIn("--upsert", offered("chimera table insert --u"))
        self.assertEqual(offered("chimera table drop --stream"), [])
        self.assertEqual(sorted(offered("chimera table export --format ")), ["csv", "json"])

    @unittest.skipUnless(shutil.which("zsh"), "there is no zsh")
    def test_zsh_completes_the_same(self):
        functions = self.folder / "functions"
        functions.mkdir()
        (functions / "_chimera").write_text(self.chimera("completion", "zsh"))
        shell = self.shell(["zsh", "-f", "-i"], [
            f"fpath=({functions} $fpath); autoload -Uz compinit; compinit -u -D; unsetopt automenu autolist beep",
            "dump() { print -r -- \"$BUFFER\" >line; BUFFER= }; zle -N dump; bindkey '^X' dump; bindkey '^I' complete-word"])
        for keys, line in (("chimera for\t", "chimera format"), ("chimera serve st\t", "chimera serve store.img"),
                           ("chimera serve store.img --stop\t", "chimera serve store.img --stop-deadline="),
                           ("chimera serve store.img --io=ur\t", "chimera serve store.img --io=uring"),
                           ("chimera serve store.img --listen=un\t", "chimera serve store.img --listen=unix:"),
                           ("chimera serve store.img --listen unix:a\t", "chimera serve store.img --listen unix:a.socket"),
                           ("chimera info oth\t", "chimera info other.img"), ("chimera info un\t", "chimera info unix:"),
                           ("chimera table ins\t", "chimera table insert"),
                           ("chimera table column re\t", "chimera table column rename"),
                           ("chimera table insert st\t", "chimera table insert store.img"),
                           ("chimera table export --format=j\t", "chimera table export --format=json"),
                           ("chimera completion f\t", "chimera completion fish")):
            with self.subTest(keys):
                self.assertEqual(shell.line_after(keys).rstrip(), line)

    @unittest.skipUnless(shutil.which("shellcheck"), "there is no shellcheck")
    def test_the_script_for_bash_is_clean(self):
        done = subprocess.run(["shellcheck", "--shell=bash", str(self.script("bash"))], capture_output=True, text=True)
        self.assertEqual(done.stdout, "")

    def test_other_shells_are_not_known(self):
        self.assertIn("bash, zsh or fish", self.fails("completion", "tcsh", status=2))


if __name__ == "__main__":
    unittest.main()
