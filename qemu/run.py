"""Runs the cases of a tier and writes one line each: passed, FAILED or skipped, with reasons.

    run.py quick|all WORK IMAGE PROGRAM RESULTS [--again] [--only CASE…]
    run.py cases quick|all

The second names the cases of a tier. A tier that passed on the very same image and cases is not
run again; a choice of cases always is. Figures that the cases measure go into
WORK/figures-TIER.json, and take the place of those of the same name there.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

import full_cases
import quick_cases
from box import PATIENCE, Box, can_boot


class Skipped(Exception):
    pass


class Lab:
    def __init__(self, work, image, program, folder):
        self.work, self.image, self.program, self.folder = work, image, program, folder
        self.next, self.broken, self.crash = work / "test-next", work / "test-broken", work / "test-crash"
        self.keys = work / "keys"
        self.figures, self.box, self.made = {}, None, None

    def figure(self, name, value):
        self.figures[name] = round(value, 1) if isinstance(value, float) else value

    def skip(self, why):
        raise Skipped(why)

    def new_box(self, name, config, image=None, **more):
        """A box that was set up. Content patterns are compiled already, as they are on a box that ran
        before."""
        return Box(image or self.image, self.folder / name, config, patterns=self.patterns(), **more)

    def patterns(self):
        if self.made is None:
            place = self.folder / "compiled"
            place.mkdir()
            (place / "box.toml").write_text(
                f'[system]\nhostname = "mx.example.test"\ndata_dir = "{place}/state"\n'
                'postmaster = "postmaster@example.test"\n')
            self.made = place / "state" / "content-patterns.hsdb"
            # For the processor that the box has: of this machine's it may not know all instructions.
            like_box = ["qemu-x86_64", "-cpu", "max"] if shutil.which("qemu-x86_64") else []
            process = subprocess.Popen([*like_box, self.program, "run", "--config", str(place / "box.toml")],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            end = time.monotonic() + 300 * PATIENCE
            while not self.made.exists() and process.poll() is None and time.monotonic() < end:
                time.sleep(0.2)
            process.terminate()
            process.wait()
        return self.made if self.made.exists() else None

    def build_again(self, out):
        """The same image from the same input, without what was unpacked before."""
        other = self.folder / "work"
        other.mkdir()
        # The kernel and the owner's keys are input; the root is put together anew.
        for one in self.work.glob("kernel-*"):
            os.symlink(one, other / one.name)
        environment = {**os.environ, "POSTERN_IMAGE_WORK": str(other)}
        command = ["image/build", "reference", "--postern", self.program, "--out", str(out), "--keys",
                   str(self.keys), "--kernel", "hardened", "--version", "0.1.0"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        return out


def fingerprint(image, tier):
    digest = hashlib.sha256(tier.encode())
    for path in [image / "print", *sorted(Path(__file__).parent.glob("*.py"))]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:32]


def run(case, lab, results):
    begun = time.monotonic()
    try:
        case(lab)
        line = f"passed   {case.__name__} ({time.monotonic() - begun:.0f} s)"
    except Skipped as why:
        line = f"skipped  {case.__name__}: {why}"
    except Exception as error:  # whatever it is, the other cases go on
        traceback.print_exc()
        line = f"FAILED   {case.__name__}: {str(error)[:300]}"
    print(line, flush=True)
    with open(results, "a") as file:
        file.write(line.replace("\n", " ") + "\n")
    return line.startswith("FAILED")


def tier_cases(tier):
    return quick_cases.CASES + (full_cases.CASES if tier == "all" else [])


def asked():
    if sys.argv[1:2] == ["cases"]:
        print("\n".join(case.__name__ for case in tier_cases(sys.argv[2])))
        sys.exit()
    words = argparse.ArgumentParser()
    words.add_argument("tier", choices=["quick", "all"])
    words.add_argument("work", type=Path)
    words.add_argument("image", type=Path)
    words.add_argument("program")
    words.add_argument("results")
    words.add_argument("--again", action="store_true")
    words.add_argument("--only", action="append", default=[])
    return words.parse_args()


def main():
    order = asked()
    work, results, chosen = order.work, order.results, order.only
    mark = work / "passed" / fingerprint(order.image, order.tier)
    if mark.exists() and not order.again and not chosen:
        with open(results, "a") as file:
            file.write(mark.read_text())
        return
    why = can_boot()
    if why:
        with open(results, "a") as file:
            file.write(f"skipped  boxes: {why}\n")
        return
    cases = [case for case in tier_cases(order.tier) if not chosen or case.__name__ in chosen]
    begun = Path(results).read_text()
    with tempfile.TemporaryDirectory(dir=work, prefix="boxes-") as folder:
        lab = Lab(work, order.image, order.program, Path(folder))
        failed = False
        for case in cases:
            failed |= run(case, lab, results)
        for box in filter(None, [lab.box, getattr(lab, "trial", None)]):
            box.kill()
        if failed:
            for log in Path(folder).rglob("console.log"):
                (work / f"failed-{log.parent.name}.log").write_bytes(log.read_bytes())
    keep_figures(work / f"figures-{order.tier}.json", lab.figures, bool(chosen))
    if not failed and not chosen:
        mark.write_text(Path(results).read_text()[len(begun):])


def keep_figures(path, figures, beside_older):
    older = json.loads(path.read_text()) if beside_older and path.exists() else {}
    text = json.dumps(older | figures, indent=1)
    path.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
