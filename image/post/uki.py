#!/usr/bin/env python3
"""Puts a unified kernel together: stub, name, command line, kernel and perhaps a RAM disk.

    uki.py STUB OUT osrel=FILE cmdline=FILE linux=FILE [initrd=FILE]

Each becomes a section of the stub, after its last one, aligned to pages; the kernel last but for
the RAM disk, since it is unpacked in place. The same input gives the same octets.
"""

import os
import re
import struct
import subprocess
import sys

PAGE = 0x1000


def end_of(stub):
    told = subprocess.run(["objdump", "-h", stub], capture_output=True, text=True, check=True).stdout
    sections = re.findall(r"^\s*\d+ \S+\s+([0-9a-f]{8})\s+([0-9a-f]{16})", told, re.M)
    return max(int(size, 16) + int(address, 16) for size, address in sections)


def main():
    stub, out = sys.argv[1:3]
    parts = dict(one.split("=", 1) for one in sys.argv[3:])
    place = end_of(stub)
    command = ["objcopy"]
    for name in ["osrel", "cmdline", "linux", "initrd"]:
        if name not in parts:
            continue
        place = (place + PAGE - 1) // PAGE * PAGE
        command += ["--add-section", f".{name}={parts[name]}", "--change-section-vma", f".{name}={place:#x}"]
        with open(parts[name], "rb") as file:
            place += len(file.read())
    subprocess.run(command + [stub, out], check=True)
    settle(out)


def settle(path):
    """The time that objcopy writes is ours; the sum over it is left to whoever signs (PE format,
    COFF file header at 8, optional header at 64)."""
    with open(path, "r+b") as file:
        octets = file.read(4096)
        head = struct.unpack_from("<I", octets, 0x3C)[0]
        assert octets[head:head + 4] == b"PE\0\0", path
        file.seek(head + 8)
        file.write(struct.pack("<I", int(os.environ["SOURCE_DATE_EPOCH"])))
        file.seek(head + 24 + 64)
        file.write(bytes(4))


if __name__ == "__main__":
    main()
