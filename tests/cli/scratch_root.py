"""A small Debian in a folder, of the packages that this computer has: those that are essential, and those that a package
to be tested depends on. So it is made in a moment and without a network, and what a package forgets to depend on is not
there."""

import os
import pathlib
import re
import shutil
import subprocess

DPKG = pathlib.Path("/var/lib/dpkg")
LEFT_OUT = ("/usr/share/doc/", "/usr/share/man/", "/usr/share/locale/", "/usr/share/info/", "/usr/lib/modules/")


def installed_packages():
    """Name to the fields of each package that is installed."""
    packages = {}
    for paragraph in (DPKG / "status").read_text().split("\n\n"):
        fields = dict(re.findall(r"^([\w-]+): (.*)$", paragraph, re.MULTILINE))
        if fields.get("Status") == "install ok installed":
            packages[fields["Package"]] = {**fields, "paragraph": paragraph}
    return packages


def alternatives_of(field):
    """Each dependency as the names that satisfy it."""
    for dependency in filter(None, field.split(",")):
        yield [re.match(r"\s*([\w.+-]+)", alternative)[1] for alternative in dependency.split("|")]


def closure(packages, depends):
    """The names of the essential packages, and of all that `depends` needs; and what of it is not installed."""
    provided = {}
    for name, fields in packages.items():
        for [virtual] in alternatives_of(fields.get("Provides", "")):
            provided.setdefault(virtual, name)
    found, missing = set(), []
    open_fields = [depends] + [name for name, fields in packages.items() if fields.get("Essential") == "yes"]
    while open_fields:
        for names in alternatives_of(open_fields.pop()):
            known = [name if name in packages else provided.get(name) for name in names]
            name = next(filter(None, known), None)
            if name is None:
                missing.append(" | ".join(names))
            elif name not in found:
                found.add(name)
                open_fields += [packages[name].get("Pre-Depends", ""), packages[name].get("Depends", "")]
    return found, missing


def files_of(name, fields):
    """Its files for dpkg, and the list of those that it has brought."""
    plain, qualified = f"{name}.", f"{name}:{fields['Architecture']}."
    info = [path for path in (DPKG / "info").iterdir() if path.name.startswith((plain, qualified))
            and re.fullmatch(r"[a-z0-9]+", path.name.rpartition(".")[2])
            and path.name.rpartition(".")[0] in (plain[:-1], qualified[:-1])]
    listed = next(path for path in info if path.suffix == ".list").read_text().splitlines()
    return info, [path for path in listed if not path.startswith(LEFT_OUT) and os.path.lexists(path)]


def make(root, depends):
    """Makes it in the folder `root`. What is not installed here, and so not there: a list."""
    packages = installed_packages()
    names, missing = closure(packages, depends)
    if missing:
        return missing
    for folder in ("bin", "sbin", "lib", "lib64"):
        if os.path.islink(f"/{folder}"):
            (root / "usr" / folder).mkdir(parents=True, exist_ok=True)
            (root / folder).symlink_to(f"usr/{folder}")
    for folder in ("dev", "proc", "run", "tmp", "etc", "var/log", "var/lib/dpkg/info", "var/lib/dpkg/updates"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    shutil.copy2(DPKG / "info" / "format", root / "var/lib/dpkg/info")
    paths = []
    for name in sorted(names):
        info, listed = files_of(name, packages[name])
        paths += listed
        for path in info:
            shutil.copy2(path, root / "var/lib/dpkg/info")
    # What the links above stand for is not to be replaced by folders.
    names_in_archive = "\0".join(sorted({path.lstrip("/") for path in paths
                                         if not (os.path.islink(path) and os.path.isdir(path) and path.count("/") == 1)}))
    reader = subprocess.Popen(["tar", "-C", "/", "--no-recursion", "--null", "-T", "-", "-cf", "-"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    writer = subprocess.Popen(["tar", "-C", str(root), "--keep-directory-symlink", "-xpf", "-"], stdin=reader.stdout)
    reader.stdin.write(names_in_archive.encode())
    reader.stdin.close()
    reader.stdout.close()
    if writer.wait() != 0 or reader.wait() > 1:
        raise OSError("the files of this computer's packages could not be copied")
    (root / "var/lib/dpkg/status").write_text("\n\n".join(packages[name]["paragraph"].strip("\n")
                                                          for name in sorted(names)) + "\n\n")
    (root / "var/lib/dpkg/available").touch()
    (root / "var/lib/dpkg/statoverride").touch()
    for kind in ("passwd", "group"):
        shutil.copy(root / "usr/share/base-passwd" / f"{kind}.master", root / "etc" / kind)
    subprocess.run(["ldconfig", "-r", str(root)], check=True, capture_output=True)
    return []


def all_paths(root):
    """Every path in it but those that are of the moment."""
    passed_over = {"proc", "dev", "run", "tmp", "var/log", "var/lib/dpkg", "var/cache"}
    found = set()
    for folder, folders, files in os.walk(root):
        here = os.path.relpath(folder, root)
        folders[:] = [name for name in folders if os.path.normpath(os.path.join(here, name)) not in passed_over]
        found |= {os.path.normpath(os.path.join(here, name)) for name in (*folders, *files)}
    return found
