#!/usr/bin/env python3
"""The Debian packages: made of what was built, installed in a small Debian of its own, started as the unit says, used,
installed again, removed and purged."""

import json
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import tempfile
import unittest

import scratch_root
from harness import ROOT, TIMEOUT_SECONDS, BoundedTest
from namespaces import LIBC, check, enter_mount_namespace

BUILD = pathlib.Path(os.environ.get("CHIMERA_BUILD", ROOT / "build"))
TOOLS = ("dpkg-buildpackage", "dh", "lintian", "systemd-socket-activate", "chroot")
MS_BIND = 4096
SCENARIO_UNIT = """[Unit]
SuccessAction=exit-force
FailureAction=exit-force
FailureActionExitStatus=1
[Service]
Type=oneshot
ExecStart=/booted_scenario.sh
StandardOutput=file:/report
StandardError=file:/report
"""
SOCKETS = "/run/chimera/disks.socket", "/run/chimera/disks.nbd"


def why_not():
    """The reason why nothing of it can be tested here, or nothing."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        return "missing: " + ", ".join(missing)
    if os.geteuid() != 0:
        return "only root can install a package, if only in a folder"
    options = {option["name"]: option["value"] for option in json.loads(
        (BUILD / "meson-info" / "intro-buildoptions.json").read_text())}
    if options["b_sanitize"] != "none":
        return "what has sanitizers in it is not packaged"
    return "" if options["prefix"] == "/usr" else "the build is not for the prefix /usr"


class Package(BoundedTest):
    @classmethod
    def setUpClass(cls):
        if reason := why_not():
            raise unittest.SkipTest(reason)
        enter_mount_namespace()
        folder = tempfile.TemporaryDirectory(prefix="chimera-test-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        done = subprocess.run([ROOT / "debian" / "package.sh", BUILD, cls.folder / "made"], capture_output=True, text=True)
        if done.returncode != 0:
            raise AssertionError(done.stdout + done.stderr)
        cls.packages = {path.name.split("_")[0]: path for path in (cls.folder / "made").glob("*.deb")}
        cls.root = cls.folder / "root"
        cls.root.mkdir()
        cls.depends = subprocess.run(["dpkg-deb", "--field", cls.packages["chimera"], "Depends"], capture_output=True, text=True,
                                check=True).stdout
        if missing := scratch_root.make(cls.root, cls.depends + ", passwd"):
            raise AssertionError(f"it depends on what is not installed here: {missing}")
        for place in ("/proc", "/dev"):
            check(LIBC.mount(place.encode(), os.fsencode(f"{cls.root}{place}"), None, MS_BIND, None), "mount " + place)
            cls.addClassCleanup(LIBC.umount2, os.fsencode(f"{cls.root}{place}"), 2)
        cls.before = scratch_root.all_paths(cls.root)

    def inside(self, *command, text=None, status=0):
        """Runs it in the small Debian; what it said."""
        done = subprocess.run(["chroot", self.root, *command], input=text, capture_output=True, text=True,
                              timeout=TIMEOUT_SECONDS, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
                                                            "DEBIAN_FRONTEND": "noninteractive"})
        self.assertEqual(done.returncode, status, f"{command}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def install(self, *names):
        for name in names:
            shutil.copy(self.packages[name], self.root / "tmp")
        self.inside("dpkg", "--install", *(f"/tmp/{self.packages[name].name}" for name in names))
        # The small Debian has never heard of triggers before, so some are left over from its making.
        self.inside("dpkg", "--triggers-only", "--pending")
        self.assertEqual(self.inside("dpkg", "--audit"), "")

    def left(self):
        """What stands there that did not before, but for what other packages have made when they were told of ours."""
        others = "etc/", "var/lib/systemd", "var/lib/shells.state"
        new = scratch_root.all_paths(self.root) - self.before
        return {path for path in new if not path.startswith(others) or "chimera" in path}

    def serve(self):
        """What the unit starts, as its user, on the sockets that its sockets are."""
        unit = (self.root / "lib/systemd/system/chimera@.service").read_text()
        [command] = [line.removeprefix("ExecStart=") for line in unit.splitlines() if line.startswith("ExecStart=")]
        (self.root / "run/chimera").mkdir(exist_ok=True)
        for path in SOCKETS:
            (self.root / path[1:]).unlink(missing_ok=True)
        as_user = ["setpriv", "--reuid=chimera", "--regid=chimera", "--init-groups", "env", "-C", "/var/lib/chimera"]
        process = subprocess.Popen(
            ["chroot", self.root, "systemd-socket-activate", *(f"--listen={path}" for path in SOCKETS),
             "--fdname=instructions:nbd", *as_user, *shlex.split(command.replace("%i", "disks"))],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(lambda: process.communicate() if process.poll() is None and not process.kill() else None)
        said = []
        for line in process.stdout:  # systemd-socket-activate says where it listens
            said.append(line)
            if line.startswith("Listening on") and SOCKETS[1] in line:
                return process
        raise AssertionError("".join(said))

    def send(self, program):
        return self.inside("chimera", "send", f"unix:{SOCKETS[0]}", "-", text=program)

    def stop(self, process):
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=TIMEOUT_SECONDS)
        self.assertEqual(process.returncode, 0, said)
        return said

    def test_1_lintian_finds_nothing(self):
        done = subprocess.run(["lintian", "--fail-on", "error,warning", "--allow-root", *self.packages.values()],
                              capture_output=True, text=True)
        self.assertEqual((done.stdout, done.returncode), ("", 0), done.stderr)

    def test_2_installed_started_used_upgraded_removed(self):
        self.install("libchimera0", "chimera")
        self.assertIn("chimera 0.", self.inside("chimera", "--version"))
        self.assertIn("libchimera.so.0", self.inside("ldconfig", "--print-cache"))
        for path in ("usr/share/man/man1/chimera-serve.1.gz", "usr/share/man/man7/chimera-isa.7.gz",
                     "usr/share/bash-completion/completions/chimera", "usr/share/zsh/vendor-completions/_chimera",
                     "usr/share/fish/vendor_completions.d/chimera.fish", "lib/systemd/system/chimera@.socket",
                     "lib/systemd/system/chimera-nbd@.socket", "lib/systemd/system/chimera-metrics@.socket"):
            self.assertTrue((self.root / path).exists(), path)
        self.inside("systemd-analyze", "verify", "--man=no", "/lib/systemd/system/chimera@.service")

        # As docs/operating.md tells operators to do it.
        as_user = ["setpriv", "--reuid=chimera", "--regid=chimera", "--init-groups"]
        self.inside(*as_user, "chimera", "format", "/var/lib/chimera/disks.img", "--size", "64M")
        (self.root / "etc/chimera/disks.conf").write_text("store = disks.img\ncache = 128M\n")
        server = self.serve()
        self.send('create device "disk" "" "size=1M"\nwrite bytes @0 "kept"\nflush device\n')
        self.assertIn(f"listening for NBD on unix:{SOCKETS[1]}", self.stop(server))

        # An upgrade, and what has been removed and is installed again, find the store as it was left.
        self.install("libchimera0", "chimera")
        self.inside("dpkg", "--remove", "chimera", "libchimera0")
        self.assertFalse((self.root / "usr/bin/chimera").exists())
        self.install("libchimera0", "chimera")
        server = self.serve()
        self.assertIn('"kept"', self.send('open device "disk"\nread bytes @0 #4\n'))
        self.stop(server)

        self.inside("dpkg", "--purge", "chimera", "libchimera0")
        self.assertEqual(self.left(), {"var/lib/chimera", "var/lib/chimera/disks.img"})
        self.assertIn("chimera:", (self.root / "etc/passwd").read_text())

    def test_3_without_a_store_nothing_is_left(self):
        shutil.rmtree(self.root / "var/lib/chimera", ignore_errors=True)
        self.install("chimera")
        self.inside("dpkg", "--purge", "chimera")
        self.assertEqual(self.left(), set())
        self.assertNotIn("chimera:", (self.root / "etc/passwd").read_text())

    def spare_device(self, size):
        """A loop device, gone at the end of the test, or None where there are none."""
        backing = self.folder / "spare"
        with open(backing, "wb") as file:
            file.truncate(size)
        done = subprocess.run(["losetup", "--find", "--show", backing], capture_output=True, text=True)
        if done.returncode != 0:
            return None
        device = done.stdout.strip()
        self.addCleanup(subprocess.run, ["losetup", "--detach", device], check=True)
        return device

    @unittest.skipUnless(shutil.which("systemd-nspawn"), "there is no systemd-nspawn")
    def test_4_systemd_runs_it_as_operators_are_told(self):
        root = self.folder / "booted"
        root.mkdir()
        scratch_root.make(root, self.depends)
        (root / "packages").mkdir()
        for name in ("libchimera0", "chimera"):
            shutil.copy(self.packages[name], root / "packages")
        shutil.copy(ROOT / "tests" / "cli" / "booted_scenario.sh", root)
        (root / "etc/systemd/system/scenario.service").write_text(SCENARIO_UNIT)
        spare = self.spare_device(64 << 20)
        done = subprocess.run(["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--settings=no",
                               *([f"--bind={spare}:/dev/spare"] if spare else []),
                               "--private-network", "--link-journal=no", "--resolv-conf=off", "--timezone=off",
                               "--console=pipe", f"--directory={root}", "--boot", "systemd.unit=scenario.service"],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
        if not (root / "started").exists():
            self.skipTest("no systemd can be started here: " + (done.stdout + done.stderr)[-500:])
        self.assertEqual(done.returncode, 0, (root / "report").read_text())
        self.assertEqual((root / "spare_was_used").exists(), spare is not None)

    def test_5_the_development_package_has_what_a_program_needs(self):
        listed = subprocess.run(["dpkg-deb", "--contents", self.packages["libchimera-dev"]], capture_output=True, text=True,
                                check=True).stdout
        for path in ("/usr/include/chimera.h", "/usr/include/chimera.hpp", "/libchimera.a", "/libchimera.so ",
                     "/pkgconfig/chimera.pc", "/embed.c",
                     "/usr/include/chimera-tables.hpp", "/libchimera-tables.a", "/pkgconfig/chimera-tables.pc",
                     "/collections.cpp"):
            self.assertIn(path, listed)


if __name__ == "__main__":
    unittest.main()
