#!/usr/bin/env python3
"""Makes an update of one file from a root partition and two kernels (form: src/update/bundle.rs).

    bundle.py OUT VERSION ROOT KERNEL_A KERNEL_B UPDATE_KEY

The same input gives the same octets: Ed25519 signatures hold no randomness.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile

MAGIC = b"postern-update 1\n"


def part(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return {"octets": os.path.getsize(path), "sha256": digest.hexdigest()}


def sign(octets, key):
    with tempfile.NamedTemporaryFile() as file:
        file.write(octets)
        file.flush()
        command = ["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", file.name]
        return subprocess.run(command, capture_output=True, check=True).stdout


def main():
    out, version, root, kernel_a, kernel_b, key = sys.argv[1:7]
    manifest = {
        "machine": "postern-x86_64",
        "version": version,
        "root": part(root),
        "kernel_a": part(kernel_a),
        "kernel_b": part(kernel_b),
    }
    manifest = json.dumps(manifest, indent=1).encode()
    signed = MAGIC + f"{len(manifest)}\n".encode() + manifest
    with open(out, "wb") as file:
        file.write(signed + sign(signed, key))
        for path in [root, kernel_a, kernel_b]:
            with open(path, "rb") as source:
                while piece := source.read(1 << 20):
                    file.write(piece)


if __name__ == "__main__":
    main()
