"""Tests of the full tier: Secure Boot, updates and roll-back, crashes, hangs and power cuts, the
same bytes twice.

They need the images that `qemu/test all` builds beside the first: `lab.next` (a newer version),
`lab.broken` (newer still, whose mail firewall never starts), `lab.crash` (whose mail firewall is
killed again and again).
"""

import itertools
import os
import random
import re
import shutil
import subprocess
import threading
import time

import mail
from box import FIRMWARE, PATIENCE, Box
from quick_cases import configuration, greeted, page


# Of messages: none is sent twice.
NUMBERS = itertools.count(1)


class Stick:
    """A stick with an update, as a person would carry it to the box; filled anew while it is not mounted."""

    OCTETS = 300 << 20

    def __init__(self, lab, name):
        self.path, self.carried = lab.folder / f"{name}.vfat", lab.folder / "carried"
        self.fill(b"")

    def fill(self, content):
        # The box goes on looking at the same file, so that it is written to in place.
        with open(self.path, "r+b" if self.path.exists() else "w+b") as file:
            file.truncate(self.OCTETS)
            file.write(bytes(64 << 20))
        subprocess.run(["mkfs.vfat", "-n", "POSTERN-UPD", str(self.path)], check=True, stdout=subprocess.DEVNULL)
        if content:
            self.carried.write_bytes(content)
            subprocess.run(["mcopy", "-i", str(self.path), str(self.carried), "::new.update"], check=True)


def bundle(image):
    return next(image.glob("*.update")).read_bytes()


def box_with_stick(lab):
    """One box serves all tests of updates, one after the other; it is started when it is needed."""
    if getattr(lab, "trial", None) is None:
        lab.stick = Stick(lab, "stick")
        lab.trial = lab.new_box("update", configuration(mail.Sink().port), medium=lab.stick.path).start()
        lab.trial.wait_for_menu(900)
        lab.trial.wait_for_status("mail firewall", "active", 900)
    return lab.trial


def restart(box):
    with box.lock:
        begun = len(box.heard)
    box.process.stdin.write(b"7\nrestart\n")
    box.process.stdin.flush()
    after = box.wait_for("BdsDxe: starting", 600, begun)
    box.wait_for_menu(900, after)


def bad_bundles_are_refused(lab):
    """A wrong signature, one changed octet, half a file and an older version change nothing."""
    box = box_with_stick(lab)
    good = bundle(lab.next)
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 1
    forged = bytearray(good)
    forged[good.index(b'"version"') + 13] ^= 1
    table = [("flipped", bytes(flipped), "damaged"), ("forged", bytes(forged), "signature"),
             ("half", good[: len(good) // 2], "no whole update"), ("same", bundle(lab.image), "not newer"),
             ("empty", b"", "no file")]
    before = box.status()
    for name, content, reason in table:
        lab.stick.fill(content)
        said = box.type("6", seconds=600)
        assert "not done" in said and reason in said, (name, said)
        rows = box.status()
        assert rows["entry"] == before["entry"] == "postern-000001-a.efi", (name, rows)
        assert rows["failed units"] == "0", (name, rows)


def update_is_tried_and_blessed(lab):
    """A newer version runs from the other slot and is kept once mail goes through; state stays."""
    box = box_with_stick(lab)
    machine = box.status()["machine"]
    lab.stick.fill(bundle(lab.next))
    said = box.type("6", seconds=900)
    assert "done: version 0.2.0 is in slot b" in said, said
    assert box.status()["entry"] == r"postern-000002-b+3.efi | postern-000001-a.efi", box.status()
    restart(box)
    rows = box.wait_for_status("mail firewall", "active", 900)
    assert rows["version"] == "0.2.0 in slot b", rows
    rows = box.wait_for_status("entry", r"postern-000002-b\.efi \| postern-000001-a\.efi", 900)
    assert rows["machine"] == machine, rows


def older_version_wants_the_owner(lab):
    """An older version is refused, and taken when the owner insists; nothing is tried until a restart."""
    box = box_with_stick(lab)
    lab.stick.fill(bundle(lab.image))
    said = box.type("6", seconds=600)
    assert "not done" in said and "not newer" in said, said
    assert "nothing was changed" in box.type("0", "yes"), "no word was typed"
    said = box.type("0", "older", seconds=900)
    assert re.search(r"done: version 0\.1\.0 is in slot [ab]", said), said
    assert re.search(r"postern-00000\d-[ab]\+3\.efi", box.status()["entry"]), box.status()


def broken_version_rolls_back(lab):
    """A version whose mail firewall never starts is given up by itself after three starts."""
    box = box_with_stick(lab)
    before = box.status()
    lab.stick.fill(bundle(lab.broken))
    said = box.type("6", seconds=900)
    assert "done: version 0.3.0 is in slot" in said, said
    begun = time.monotonic()
    restart(box)
    # Each start waits for mail, gives up, restarts, perhaps while it is asked; the fourth is the old
    # version.
    end = time.monotonic() + 4 * 900 * PATIENCE
    while True:
        after = len(box.heard)
        try:
            if box.status().get("version") == before["version"]:
                break
        except TimeoutError:
            box.wait_for_menu(1200, after)
        assert time.monotonic() < end, "no way back"
        time.sleep(5)
    lab.figure("a broken version is given up after", time.monotonic() - begun)
    rows = box.status()
    assert re.search(r"postern-00000\d-[ab]\+0-3\.efi", rows["entry"]), rows
    assert rows["machine"] == before["machine"], rows
    box.wait_for_status("mail firewall", "active", 900)


def factory_reset_wipes_data_only(lab):
    """After a factory reset the box is new, and the same version runs from the same slot."""
    box = box_with_stick(lab)
    before = box.status()
    with box.lock:
        begun = len(box.heard)
    said = box.process.stdin
    said.write(b"9\ndestroy\n")
    said.flush()
    box.wait_for_menu(900, box.wait_for("BdsDxe: starting", 600, begun))
    rows = box.wait_for_status("system", "running", 900)
    assert rows["machine"] != before["machine"], rows
    assert [rows["version"], rows["entry"]] == [before["version"], before["entry"]], (before, rows)
    # Its log too begins with this start.
    assert "done: the log is whole: 1 starts" in box.type("5", seconds=300)
    assert "code for the web set-up" in box.type("4"), "no code for the new set-up"
    box.kill()


def hung_box_is_reset(lab):
    """A box that does nothing any more is started again by its watchdog, with its mail."""
    sink = mail.Sink()
    with lab.new_box("hung", configuration(sink.port)) as box:
        box.wait_for_menu(900)
        box.wait_for_status("mail firewall", "active", 900)
        with box.lock:
            after = len(box.heard)
        begun = time.monotonic()
        box.hang()
        after = box.wait_for("BdsDxe: starting", 300, after)
        lab.figure("a hung box is reset after", time.monotonic() - begun)
        box.wait_for_menu(900, after)
        rows = box.wait_for_status("mail firewall", "active", 900)
        assert rows["failed units"] == "0", rows
        assert mail.send(box.ports[25], "hung-1")[0] == 250
        assert not sink.wait_for({"hung-1"}, 120 * PATIENCE)


def crashes_lose_no_mail(lab, times=5):
    """Killed every forty seconds under load: back within a second, and no accepted mail is lost."""
    sink = mail.Sink()
    with lab.new_box("crash", configuration(sink.port), image=lab.crash) as box:
        box.wait_for_menu(900)
        load = Load(box)
        end = time.monotonic() + times * 180 * PATIENCE
        away = set()
        while True:
            found = re.fullmatch(r"(\d+), started again after (\d+) ms", box.status()["crashes"])
            if found:
                away.add(int(found.group(2)))
                if int(found.group(1)) >= times:
                    break
            assert time.monotonic() < end, (box.status(), len(load.accepted))
            time.sleep(2)
        load.stop()
        missing = sink.wait_for(load.accepted, 300 * PATIENCE)
    lab.figure("mail accepted under crashes", len(load.accepted))
    lab.figure("a crash keeps the mail firewall away for (ms)", sorted(away))
    assert load.accepted, "no mail was accepted at all"
    assert not missing, f"{len(missing)} of {len(load.accepted)} lost: {sorted(missing)[:5]}"
    assert max(away) < 1000, away


class Terminal:
    """A program with a person before it."""

    def __init__(self, command, environment):
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        self.heard, self.seen, self.news = "", 0, threading.Condition()
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while octets := self.process.stdout.read1(65536):
            with self.news:
                self.heard += octets.decode("latin-1")
                self.news.notify_all()

    def say(self, octets):
        self.process.stdin.write(octets)
        self.process.stdin.flush()

    def wait_for(self, text, seconds):
        """All that was said since the last time, as soon as this is in it."""
        with self.news:
            found = self.news.wait_for(lambda: text in self.heard[self.seen :], seconds * PATIENCE)
            said, self.seen = self.heard[self.seen :], len(self.heard)
            assert found, f"{text!r} was not said; last: {said[-600:]!r}"
            return said


class Load:
    """Four clients that send as fast as they can; what the box said 250 to is in `accepted`."""

    def __init__(self, box, accepted=None):
        self.box, self.accepted = box, set() if accepted is None else accepted
        self.lock, self.over = threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self.send, daemon=True) for _ in range(4)]
        for thread in self.threads:
            thread.start()

    def send(self):
        while not self.over.is_set():
            number = f"load-{next(NUMBERS)}"
            try:
                if mail.send(self.box.ports[25], number, timeout=60)[0] == 250:
                    with self.lock:
                        self.accepted.add(number)
            except (OSError, mail.smtplib.SMTPException):
                time.sleep(0.2)

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join(90)


def secure_boot(lab):
    """With the build's key in the firmware the signed system starts; an unsigned kernel does not."""
    if not shutil.which("virt-fw-vars"):
        lab.skip("virt-fw-vars (Python package virt-firmware) is not installed")
    keys = lab.folder / "secure.fd"
    certificate = str(lab.keys / "secureboot.crt")
    owner = "6b8c0f3e-4f5d-4c39-9f37-706f73746572"
    subprocess.run(["virt-fw-vars", "--input", str(FIRMWARE / "OVMF_VARS_4M.fd"), "--output", str(keys),
                    "--set-pk", owner, certificate, "--add-kek", owner, certificate,
                    "--add-db", owner, certificate, "--secure-boot"], check=True, stdout=subprocess.DEVNULL)
    with lab.new_box("secure", configuration(mail.Sink().port), secure=keys) as box:
        box.wait_for_menu(1200)
        rows = box.wait_for_status("mail firewall", "active", 900)
        assert rows["failed units"] == "0", rows
    box = lab.new_box("unsigned", configuration(9), secure=keys)
    place = f"{box.disk}@@1M"
    subprocess.run(["mcopy", "-o", "-i", place, str(lab.image / "kernel-a.unsigned"),
                    "::EFI/Linux/postern-000001-a.efi"], check=True, env={"MTOOLS_SKIP_CHECK": "1", "PATH": "/usr/bin"})
    with box:
        box.wait_for("Access Denied", 600)
        assert "choice> " not in box.heard


def power_cuts(lab, times=int(os.environ.get("POSTERN_CUTS", "30"))):
    """Killed at random moments under load: every start works, no accepted mail is lost."""
    sink = mail.Sink()
    box = lab.new_box("power", configuration(sink.port))
    chance = random.Random(7)
    accepted = set()
    for _ in range(times):
        box.start()
        box.wait_for_menu(900)
        box.wait_for_status("mail firewall", "active", 900)
        before = len(accepted)
        load = Load(box, accepted)
        end = time.monotonic() + 60 * PATIENCE
        while len(accepted) == before and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(chance.uniform(0, 3))
        box.kill()
        load.stop()
    box.start()
    box.wait_for_menu(900)
    rows = box.wait_for_status("mail firewall", "active", 900)
    missing = sink.wait_for(accepted, 300 * PATIENCE)
    log = box.type("5", seconds=300)
    box.kill()
    lab.figure("power cuts", times)
    lab.figure("mail accepted under power cuts", len(accepted))
    lab.figure("delivered twice", sum(1 for number in accepted if sink.numbers[number] > 1))
    assert accepted, "no mail was accepted at all"
    assert not missing, f"{len(missing)} of {len(accepted)} lost: {sorted(missing)[:5]}"
    assert rows["failed units"] == "0", rows
    assert "done: the log is whole" in log, log
    starts = int(re.search(r"whole: (\d+) starts", log).group(1))
    lab.figure("starts that the log tells of", starts)
    # Each start is in the log, though every one but the last was cut off.
    assert starts == box.starts, (starts, box.starts)


def same_bytes_twice(lab):
    """The image built again elsewhere of the same input is the same to the last octet."""
    again = lab.folder / "again"
    environment = lab.build_again(again)
    for name in ["root.img", "kernel-a.efi", "kernel-b.efi", "esp.vfat", "disk.img", "sbom.json"]:
        first = subprocess.run(["sha256sum", str(lab.image / name)], capture_output=True, text=True, check=True)
        second = subprocess.run(["sha256sum", str(again / name)], capture_output=True, text=True, check=True)
        assert first.stdout.split()[0] == second.stdout.split()[0], f"{name} differs ({environment})"


def first_boot_of_a_new_box(lab):
    """A blank data partition takes the whole disk and is formatted; the box waits and relays nothing."""
    with Box(lab.image, lab.folder / "new", larger=3 << 30) as box:
        box.wait_for_menu(900)
        rows = box.wait_for_status("mail firewall", "active", 900)
        assert rows["failed units"] == "0", rows
        free, whole = re.fullmatch(r"(\d+) of (\d+) MiB free", rows["room"]).groups()
        assert int(whole) > 4500 and int(free) > 4000, rows["room"]
        text = box.type("1")
        assert "web set-up: https://10.0.2.15" in text, text
        assert re.search(r"code for the web set-up: [0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}", box.type("4"))
        greeted(box, b"220 ")
        answer = mail.send(box.ports[25], "relay-1")
        assert 500 <= answer[0] < 600, answer


def newcomer_starts_a_box(lab):
    """`qemu/start` builds, boots and says where to click; mail and web answer there; Ctrl-A X ends it."""
    environment = {**os.environ, "POSTERN_BIN": str(lab.program), "POSTERN_IMAGE_WORK": str(lab.folder / "start")}
    (lab.folder / "start").mkdir()
    for one in [*lab.work.glob("base-*"), *lab.work.glob("debian-kernel-*"), lab.keys]:
        os.symlink(one, lab.folder / "start" / one.name)
    box = Terminal(["qemu/start", "--new"], environment)
    try:
        said = box.wait_for("choice> ", 1800)
        for line in ["https://127.0.0.1:8443/", "127.0.0.1:2525", "Ctrl-A X"]:
            assert line in said, line
        begun = time.monotonic()
        box.ports = {25: 2525}
        greeted(box, b"220 ")
        lab.figure("box of qemu/start: from menu to 220", time.monotonic() - begun)
        box.say(b"4\n")
        box.wait_for("code for the web set-up: ", 60)
        status, _, text = page(8443, "GET /setup")
        assert status == 200 and "One-time code" in text, (status, text[:300])
        box.say(b"\x01x")
        assert box.process.wait(60) == 0, box.process.returncode
    finally:
        box.process.kill()


CASES = [first_boot_of_a_new_box, same_bytes_twice, secure_boot, bad_bundles_are_refused, update_is_tried_and_blessed,
         older_version_wants_the_owner, broken_version_rolls_back, factory_reset_wipes_data_only, hung_box_is_reset,
         crashes_lose_no_mail, newcomer_starts_a_box, power_cuts]
