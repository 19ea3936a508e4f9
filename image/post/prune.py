#!/usr/bin/env python3
"""Copies what the box needs out of an unpacked userland, and nothing else.

    prune.py BASE KEEP WANTS INTO PROGRAM...

BASE is an unpacked userland (Debian's or Buildroot's), KEEP the list of paths, WANTS the list of
links between units, INTO an empty folder, PROGRAMs further binaries that will be added and whose
libraries are needed. Libraries are found by what ELF files say they need (DT_NEEDED). Fails when
a line of KEEP matches nothing, when a library is missing, and when the result holds a shell, an
interpreter, a set-uid file or anything else that must not be there.
"""

import fnmatch
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

# What must not be in a box, by the name of its file.
FORBIDDEN = re.compile(
    r"^((ba|da|z|k|c|tc|fi)?sh|busybox|toybox|perl[0-9.]*|python[0-9.]*|ruby.*|lua.*|tclsh.*|[gmn]?awk"
    r"|gcc.*|cc|tcc|clang.*|ld|as|make|gdb|strace|ssh|sshd|dropbear|telnetd?|nc|ncat|curl|wget|socat"
    r"|su|sudo|login|agetty|getty|sulogin|passwd|apt|apt-get|dpkg)$"
)
LIBRARIES = ["usr/lib/x86_64-linux-gnu", "usr/lib", "usr/lib/x86_64-linux-gnu/systemd", "usr/lib64"]


def lines(path):
    text = Path(path).read_text().splitlines()
    return [line.strip() for line in text if line.strip() and not line.startswith("#")]


def matches(base, pattern):
    if "*" not in pattern:
        return [pattern] if os.path.lexists(base / pattern) else []
    folder = os.path.dirname(pattern)
    names = os.listdir(base / folder) if (base / folder).is_dir() else []
    return [f"{folder}/{name}" for name in sorted(names) if fnmatch.fnmatch(name, os.path.basename(pattern))]


def needed(path):
    """Names of libraries that an ELF file needs; none for other files."""
    with open(path, "rb") as file:
        if file.read(4) != b"\x7fELF":
            return []
    told = subprocess.run(["readelf", "-dW", path], capture_output=True, text=True, check=True).stdout
    return re.findall(r"\(NEEDED\).*\[(.+)\]", told)


def resolve(base, name):
    """A path inside BASE with links within its folders followed (bin -> usr/bin)."""
    real = os.path.realpath(base / os.path.dirname(name))
    return os.path.relpath(os.path.join(real, os.path.basename(name)), os.path.realpath(base))


def copy(base, into, name, seen):
    """One path, and what it points to when it is a link."""
    name = resolve(base, name)
    if name in seen:
        return
    seen.add(name)
    source, target = base / name, into / name
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_symlink():
        os.symlink(os.readlink(source), target)
        pointed = os.readlink(source)
        pointed = pointed.lstrip("/") if pointed.startswith("/") else os.path.join(os.path.dirname(name), pointed)
        copy(base, into, os.path.normpath(pointed), seen)
    elif source.is_dir():
        raise SystemExit(f"{name} is a folder; name what is needed of it")
    else:
        shutil.copy(source, target)
        os.chmod(target, stat.S_IMODE(os.stat(source).st_mode) & 0o755)


def add_libraries(base, into, seen, programs):
    done = set()
    waiting = [into / name for name in seen if not (into / name).is_symlink()] + [Path(one) for one in programs]
    while waiting:
        for library in needed(waiting.pop()):
            if library in done:
                continue
            done.add(library)
            found = [f"{folder}/{library}" for folder in LIBRARIES if os.path.lexists(base / folder / library)]
            if not found:
                raise SystemExit(f"library {library} is missing")
            before = set(seen)
            copy(base, into, found[0], seen)
            waiting += [into / name for name in seen - before if not (into / name).is_symlink()]


def link_units(into, wants):
    units = into / "usr/lib/systemd/system"
    for line in lines(wants):
        target, unit = line.split()
        folder = units / f"{target}.wants"
        folder.mkdir(parents=True, exist_ok=True)
        os.symlink(f"../{unit}", folder / unit)
    os.symlink("multi-user.target", units / "default.target")


def check(into):
    wrong = []
    for folder, _, names in os.walk(into):
        for name in names:
            path = Path(folder) / name
            shown = path.relative_to(into)
            if FORBIDDEN.match(name) and "/lib/" not in f"/{shown}":
                wrong.append(f"{shown} must not be in a box")
            if not path.is_symlink():
                if os.stat(path).st_mode & (stat.S_ISUID | stat.S_ISGID):
                    wrong.append(f"{shown} is set-uid")
                with open(path, "rb") as file:
                    if file.read(2) == b"#!" and os.access(path, os.X_OK):
                        wrong.append(f"{shown} is a script; nothing here can run it")
    return wrong


def main():
    base, keep, wants, into = Path(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4])
    programs = sys.argv[5:]
    for name in ["usr/bin", "usr/sbin", "usr/lib", "usr/lib64"]:
        (into / name).mkdir(parents=True, exist_ok=True)
    seen, missing = set(), []
    for pattern in lines(keep):
        found = matches(base, pattern)
        # What the C library's own files are called differs between assemblies.
        if not found and "libnss" not in pattern:
            missing.append(pattern)
        for name in found:
            copy(base, into, name, seen)
    if missing:
        raise SystemExit("not there: " + " ".join(missing))
    add_libraries(base, into, seen, programs)
    link_units(into, wants)
    wrong = check(into)
    if wrong:
        raise SystemExit("\n".join(wrong))
    print(f"prune: {len(seen)} files")


if __name__ == "__main__":
    main()
