#!/usr/bin/env python3
"""What the image consists of, as CycloneDX 1.5 JSON.

    sbom.py VERSION LOCK CARGO_LOCK TREE

Debian packages (from the lock), Rust crates (from Cargo.lock, with their checksums), and every
file of the tree with its SHA-256, so that a file can be traced. No time and no random identifier:
the same image has the same list.
"""

import hashlib
import json
import os
import sys
import tomllib
import uuid
from pathlib import Path


def packages(lock):
    for line in Path(lock).read_text().splitlines():
        if line and not line.startswith("#"):
            name, version = line.split("=", 1)
            purl = f"pkg:deb/debian/{name}@{version}?arch=amd64&distro=bookworm"
            yield {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def crates(lock):
    for one in tomllib.loads(Path(lock).read_text())["package"]:
        purl = f"pkg:cargo/{one['name']}@{one['version']}"
        entry = {"type": "library", "bom-ref": purl, "name": one["name"], "version": one["version"], "purl": purl}
        if "checksum" in one:
            entry["hashes"] = [{"alg": "SHA-256", "content": one["checksum"]}]
        yield entry


def files(tree):
    for folder, names, found in os.walk(tree):
        names.sort()
        for name in sorted(found):
            path = Path(folder) / name
            if not path.is_symlink():
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                shown = "/" + str(path.relative_to(tree))
                yield {"type": "file", "bom-ref": f"file:{shown}", "name": shown,
                       "hashes": [{"alg": "SHA-256", "content": digest}]}


def main():
    version, lock, cargo_lock, tree = sys.argv[1:5]
    components = [*packages(lock), *crates(cargo_lock), *files(tree)]
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(components))
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {"component": {"type": "firmware", "name": "postern", "version": version}},
        "components": components,
    }
    json.dump(bom, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
