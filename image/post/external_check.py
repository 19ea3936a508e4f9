#!/usr/bin/env python3
"""Checks the Buildroot external tree as far as that goes without Buildroot, and with it further.

    external_check.py IMAGE_FOLDER [BUILDROOT]

Always: every file that is named exists; every package has its files in the form that Buildroot
asks for, and is in Config.in; every symbol of the defconfig that this tree defines is defined;
every archive that this tree chooses has a digest; patterns of the shared lists are well formed.
With BUILDROOT: the defconfig resolves and every symbol of it survives, show-info knows our packages,
Buildroot's own check-package has nothing to say. Exits 1 when anything is wrong; a last line that
begins with `skipped:` says what could not be tried.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

RULE = "#" * 80


def named_files(tree):
    """Files that the tree's own files name by its variable."""
    for path in [tree / "Config.in", tree / "external.mk", *tree.glob("configs/*"), *tree.glob("package/*/*")]:
        for name in re.findall(r"\$\(?BR2_EXTERNAL_POSTERN_PATH\)?/([^\s\"$)]+)", path.read_text()):
            if "*" not in name and name != "..":
                yield path, name


def check_package(tree, folder):
    name = folder.name
    makefile, config = folder / f"{name}.mk", folder / "Config.in"
    if not makefile.exists() or not config.exists():
        yield f"{folder}: needs Config.in and {name}.mk"
        return
    text, asked = makefile.read_text(), config.read_text()
    if not text.startswith(f"{RULE}\n#\n# {name}\n#\n{RULE}\n\n"):
        yield f"{makefile}: its head is not as Buildroot wants it"
    prefix = name.upper().replace("-", "_")
    for number, line in enumerate(text.splitlines(), 1):
        variable = re.match(r"([A-Z][A-Z0-9_]*) *[+:?]?=", line)
        if variable and not variable.group(1).startswith(f"{prefix}_"):
            yield f"{makefile}:{number}: {variable.group(1)} does not begin with {prefix}_"
        if line != line.rstrip() or len(line.expandtabs(8)) > 100:
            yield f"{makefile}:{number}: blanks at the end, or too long"
    if not re.search(r"^\$\(eval \$\((cargo|cmake|generic)-package\)\)$", text, re.M):
        yield f"{makefile}: evaluates no package"
    for wanted in ["LICENSE", "LICENSE_FILES"]:
        if f"{prefix}_{wanted} = " not in text:
            yield f"{makefile}: no {prefix}_{wanted}"
    if f"config BR2_PACKAGE_{prefix}\n\tbool \"{name}\"" not in asked:
        yield f"{config}: does not define BR2_PACKAGE_{prefix}"
    if "\thelp\n\t  " not in asked:
        yield f"{config}: no help"
    if f"package/{name}/Config.in" not in (tree / "Config.in").read_text():
        yield f"{tree / 'Config.in'}: does not source {name}"
    if "SITE_METHOD = local" not in text and not (folder / f"{name}.hash").exists():
        yield f"{folder}: no {name}.hash"


def check_digests(tree):
    """Buildroot is told to take nothing whose digest it does not know."""
    defconfig = (tree / "configs/postern_x86_64_defconfig").read_text()
    if "BR2_DOWNLOAD_FORCE_CHECK_HASHES=y\n" not in defconfig:
        yield "defconfig: archives without a digest would be taken"
    kernel = re.search(r'KERNEL_CUSTOM_VERSION_VALUE="([^"]+)"', defconfig).group(1)
    vectorscan = re.search(r"VERSION = (\S+)", (tree / "package/vectorscan/vectorscan.mk").read_text()).group(1)
    for path, archive in [("patches/linux/linux.hash", f"linux-{kernel}.tar.xz"),
                          ("patches/linux-headers/linux-headers.hash", f"linux-{kernel}.tar.xz"),
                          ("package/vectorscan/vectorscan.hash", f"vectorscan-{vectorscan}.tar.gz")]:
        if not re.search(rf"^sha256  [0-9a-f]{{64}}  {re.escape(archive)}$", (tree / path).read_text(), re.M):
            yield f"{path}: no digest of {archive}"


def check_lists(tree):
    overlay = tree.parent / "appliance" / "files" / "usr" / "lib" / "systemd" / "system"
    own = {path.name for path in overlay.iterdir() if path.is_file()}
    kept = {line.rsplit("/", 1)[1] for line in (tree / "userland.keep").read_text().splitlines()
            if line.startswith("usr/lib/systemd/system/")}
    for line in (tree / "userland.wants").read_text().splitlines():
        if line and not line.startswith("#"):
            for unit in line.split():
                if unit not in own | kept:
                    yield f"userland.wants: {unit} is neither kept nor ours"
    for path in [path for path in overlay.rglob("*") if path.is_file()]:
        for program in re.findall(r"^Exec\w+=[-+!@]*(\S+)", path.read_text(), re.M):
            known = (tree / "userland.keep").read_text() + "usr/bin/postern\n"
            if f"{program.lstrip('/')}\n" not in known:
                yield f"{path.name}: {program} is not in the image"


def check_early_units(tree):
    """systemd makes the devices that a unit sees below /tmp: none may start before that is mounted."""
    overlay = tree.parent / "appliance" / "files" / "usr" / "lib" / "systemd" / "system"
    for path in sorted(path for path in overlay.rglob("*") if path.is_file()):
        text = path.read_text()
        waits = re.search(r"^(PrivateTmp=yes|RequiresMountsFor=/tmp)$", text, re.M)
        if "PrivateDevices=yes" in text and not waits:
            yield f"{path.relative_to(overlay)}: has devices of its own and does not wait for /tmp"


def check_shared(tree):
    """Partitions are called the same wherever they are named."""
    layout = (tree / "board" / "genimage.cfg").read_text()
    for name in re.findall(r"^\tpartition (\S+)", layout, re.M):
        users = [tree / "post" / "pack", tree.parent / "appliance" / "early" / "main.rs", tree.parent / "src" / "update" / "mod.rs",
                 tree.parent / "appliance" / "files" / "usr" / "lib" / "systemd" / "system" / "efi.mount"]
        stem = name.removesuffix("-a").removesuffix("-b")
        if not any(stem in path.read_text() for path in users):
            yield f"genimage.cfg: nobody uses {name}"


def with_buildroot(tree, buildroot):
    with tempfile.TemporaryDirectory() as out:
        make = ["make", "-s", "-C", str(buildroot), f"O={out}", f"BR2_EXTERNAL={tree}"]
        done = subprocess.run([*make, "postern_x86_64_defconfig"], capture_output=True, text=True, check=False)
        if done.returncode:
            yield f"the defconfig does not resolve: {done.stderr[-500:]}"
            return
        have = (Path(out) / ".config").read_text()
        for line in (tree / "configs" / "postern_x86_64_defconfig").read_text().splitlines():
            name = re.match(r"#? ?(BR2_\w+)", line)
            if line.startswith("# ") and line.endswith("is not set"):
                survived = f"{name.group(1)}=y" not in have
            else:
                survived = not name or line in have
            if not survived:
                yield f"did not survive: {line}"
        told = subprocess.run([*make, "show-info"], capture_output=True, text=True, check=False)
        try:
            known = json.loads(told.stdout[told.stdout.index("{"):])
        except ValueError:
            yield f"show-info: {told.stderr[-500:]}"
            return
        for name in ["postern", "vectorscan", "clamav", "nftables", "systemd"]:
            if name not in known:
                yield f"show-info does not know {name}"


def python_for_check_package():
    """Not every Python of a machine has what Debian installs for its own."""
    for python in ["python3", "/usr/bin/python3"]:
        if shutil.which(python):
            done = subprocess.run([python, "-c", "import flake8, magic"], capture_output=True, check=False)
            if done.returncode == 0:
                return python
    return None


def check_package_of_buildroot(tree, buildroot):
    """Nothing, or what is wrong, or `skipped:` and what it needs."""
    python = python_for_check_package()
    if not python or not shutil.which("shellcheck"):
        return "skipped: check-package needs shellcheck and Python's flake8 and magic"
    files = [path for path in sorted(tree.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
    done = subprocess.run([python, str(buildroot / "utils" / "check-package"), "-b", *map(str, files)], cwd=buildroot,
                          capture_output=True, text=True, check=False)
    return f"check-package: {done.stdout[-2000:]}{done.stderr[-2000:]}" if done.returncode else ""


def main():
    tree = Path(sys.argv[1]).resolve()
    wrong = [f"{path}: {name} does not exist" for path, name in named_files(tree) if not (tree / name).exists()]
    for name in ["external.desc", "external.mk", "Config.in"]:
        if not (tree / name).exists():
            wrong.append(f"{name} is missing")
    for folder in sorted((tree / "package").iterdir()):
        wrong += check_package(tree, folder)
    symbols = "".join(path.read_text() for path in tree.glob("package/*/Config.in"))
    for own in re.findall(r"^BR2_PACKAGE_(POSTERN|VECTORSCAN)=y", (tree / "configs/postern_x86_64_defconfig").read_text(), re.M):
        if f"config BR2_PACKAGE_{own}\n" not in symbols:
            wrong.append(f"defconfig: BR2_PACKAGE_{own} is not defined")
    wrong += check_digests(tree)
    wrong += check_lists(tree)
    wrong += check_early_units(tree)
    wrong += check_shared(tree)
    said = ""
    if len(sys.argv) > 2 and sys.argv[2]:
        buildroot = Path(sys.argv[2])
        wrong += with_buildroot(tree, buildroot)
        said = check_package_of_buildroot(tree, buildroot)
        wrong += [said] if said and not said.startswith("skipped:") else []
    print("\n".join(wrong) if wrong else said or "nothing wrong")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
