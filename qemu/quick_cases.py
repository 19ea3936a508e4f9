"""Tests of the quick tier: one box is started and looked at from all sides, another is damaged.

Each function takes a `Lab` and fails by an exception. They stand in the order in which they run;
those of one box share it, for a start costs most of the time.
"""

import http.client
import re
import socket
import ssl
import time
import urllib.parse

import mail
from box import PATIENCE, partitions
from wire import Wire

CODE = "7316-2048"
OPEN_TO_ALL = {25: "inbound", 587: "submission"}


def configuration(sink_port, extra=""):
    return f"""# The box of the tests: set up, with a mail store and a management network.
[system]
hostname = "mx.example.test"
data_dir = "/data/postern/state"
postmaster = "postmaster@example.test"
[[listen]]
role = "inbound"
address = "0.0.0.0:25"
[[listen]]
role = "submission"
address = "0.0.0.0:587"
[[listen]]
role = "outbound"
address = "0.0.0.0:26"
networks = ["192.168.76.0/24"]
[[domain]]
name = "example.test"
next_hop = ["smtp://10.0.2.2:{sink_port}"]
[dns]
servers = ["10.0.2.3:53"]
timeout_s = 1
[delivery]
retry_first_s = 2
retry_max_s = 5
[antivirus]
clamd = "unix:/run/clamd/clamd.ctl"
on_failure = "defer"
[admin]
address = "0.0.0.0:443"
networks = ["192.168.76.0/24"]
{extra}"""


def first_start(lab):
    """Zero failed units, not tainted, root read-only, the menu in place of a log-in."""
    lab.sink = mail.Sink()
    lab.box = lab.new_box("quick", configuration(lab.sink.port), code=CODE).start()
    lab.box.wait_for_menu(900)
    lab.figure("power-on to menu", time.monotonic() - lab.box.begun)
    rows = lab.box.wait_for_status("mail firewall", "active", 900)
    rows = lab.box.wait_for_status("system", "running|degraded", 600)
    assert rows["failed units"] == "0", rows
    assert rows["system"] == "running", rows
    assert rows["kernel"].endswith("taint 0"), rows
    assert rows["root"].startswith("/dev/") and rows["root"].endswith("squashfs read-only"), rows
    assert rows["data"].endswith("ext4 writable"), rows
    assert rows["packet filter"] == "active" and rows["virus scanner"] == "active", rows
    assert "[integrity]" in rows["lockdown"], rows
    assert re.fullmatch(r"all \d\d in force", rows["settings"]), rows
    assert rows["crashes"] == "none since the box started", rows
    assert re.fullmatch(r"[0-9a-f]{32}", rows["machine"]), rows
    lab.machine = rows["machine"]
    lab.figure("memory", rows["memory"])


def answers_smtp(lab):
    """220 on the forwarded port."""
    greeted(lab.box, b"220 mx.example.test")
    lab.figure("power-on to 220, at most", time.monotonic() - lab.box.begun)


def greeted(box, words):
    """Waits for the greeting; until the box listens, QEMU closes connections."""
    end = time.monotonic() + 900 * PATIENCE
    while True:
        try:
            with socket.create_connection(("127.0.0.1", box.ports[25]), 30) as one:
                one.settimeout(60)
                greeting = one.recv(200)
                assert greeting.startswith(words), greeting
                return
        except (OSError, AssertionError):
            if time.monotonic() > end:
                raise
            time.sleep(1)


def mail_goes_through(lab):
    """A message from outside goes by the virus scanner to the mail store."""
    code, text = mail.send(lab.box.ports[25], "through-1")
    assert code == 250, (code, text)
    missing = lab.sink.wait_for({"through-1"}, 120)
    assert not missing, missing
    assert lab.sink.numbers["through-1"] == 1


def test_file_is_refused(lab):
    """The test file of virus scanners is refused in the session, and goes nowhere."""
    code, text = mail.send(lab.box.ports[25], "virus-1", mail.TEST_FILE)
    assert 500 <= code < 600, (code, text)
    assert not lab.sink.numbers["virus-1"]


def ports_outside(lab):
    """From outside every port but the configured ones is silent, the web site's too."""
    found = Wire(lab.box.wires["outside"], "10.0.2.77").scan("10.0.2.15", range(1, 65536))
    assert found == {25: "open", 587: "open"}, sorted(found.items())[:40]


def ports_management(lab):
    """From the management network the web site and the own servers' port can be reached as well."""
    found = Wire(lab.box.wires["management"], "192.168.76.77").scan("192.168.76.15", range(1, 65536))
    assert found == {25: "open", 26: "open", 443: "open", 587: "open"}, sorted(found.items())[:40]


def console_in_practice(lab):
    """The code is shown, garbage does nothing, nothing is destroyed without the word."""
    assert CODE in lab.box.type("4"), "no code"
    said = lab.box.type("5")
    assert "done: the log is whole" in said, said[:300]
    lab.box.type("\x01\x02\x7f;$(reboot)`id`" + "A" * 3000)
    assert "not done" in lab.box.type("9", "yes")
    assert "not done" in lab.box.type("2", "eth9", "auto")
    assert lab.box.status()["machine"] == lab.machine
    lab.figure("files in the log", said[said.index("done:"):].splitlines()[0])


def page(port, order, cookie="", body=None):
    """Status, cookies and text of a page of the web site, asked from the management side."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    site = http.client.HTTPSConnection("127.0.0.1", port, timeout=120, context=context)
    method, path = order.split(" ")
    headers = {"Cookie": cookie} if cookie else {}
    if body is not None:
        headers |= {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"https://127.0.0.1:{port}"}
        body = urllib.parse.urlencode(body)
    site.request(method, path, body, headers)
    answer = site.getresponse()
    cookies = [value.split(";")[0] for name, value in answer.getheaders() if name.lower() == "set-cookie"]
    text = answer.read().decode()
    site.close()
    return answer.status, cookies, text


def setup_page(lab):
    """The web site lets in who types the console's code, and nobody else."""
    port = lab.box.management[443]
    status, cookies, text = page(port, "GET /setup")
    assert status == 200 and "One-time code" in text, (status, text[:300])
    hidden = {name: value for name, value in re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', text)}
    cookie = "; ".join(cookies)
    status, _, text = page(port, "POST /setup/code", cookie, hidden | {"code": "0000-0000"})
    assert status == 401, (status, text[:300])
    time.sleep(2)
    status, more, text = page(port, "POST /setup/code", cookie, hidden | {"code": CODE})
    assert status == 303, (status, text[:300])
    status, _, text = page(port, "GET /setup", "; ".join([*cookies, *more]))
    assert status == 200 and "Who owns this box?" in text, (status, text[:300])


def restart_by_the_menu(lab):
    """After a reboot by the menu the machine is the same, and its log goes on."""
    with lab.box.lock:
        begun = len(lab.box.heard)
    lab.box.process.stdin.write(b"7\nrestart\n")
    lab.box.process.stdin.flush()
    lab.box.wait_for("BdsDxe: starting", 600, begun)
    with lab.box.lock:
        begun = len(lab.box.heard)
    lab.box.wait_for_menu(900, begun)
    rows = lab.box.wait_for_status("mail firewall", "active", 900)
    assert rows["machine"] == lab.machine, rows
    assert "done: the log is whole" in lab.box.type("5")
    lab.box.kill()


def flipped_byte(lab):
    """One flipped octet in a root partition resets the machine before anything uses it."""
    box = lab.new_box("flipped", configuration(9))
    first, _ = partitions(box.disk)["postern-root-a"]
    size = (lab.image / "root.img").stat().st_size
    with open(box.disk, "r+b") as disk:
        # The squashfs's superblock is read first; a bit in it and one in each of many blocks.
        for at in [first + 96, *range(first + 4096, first + size // 2, 64 << 10)]:
            disk.seek(at)
            octet = disk.read(1)[0]
            disk.seek(at)
            disk.write(bytes([octet ^ 1]))
    with box:
        after = box.wait_for("BdsDxe: starting", 600)
        # The firmware starts again, and no menu came in between.
        again = box.wait_for("BdsDxe: starting", 600, after)
        assert "choice> " not in box.heard[:again]


CASES = [first_start, answers_smtp, mail_goes_through, test_file_is_refused, ports_outside, ports_management,
         console_in_practice, setup_page, restart_by_the_menu, flipped_byte]
