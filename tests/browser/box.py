"""The program under test with fresh state, a next hop that takes all mail, and mail for it."""

import os
import pathlib
import shutil
import smtplib
import socket
import socketserver
import subprocess
import tempfile
import threading
import time
from email.message import EmailMessage

RULES = """# the house's rules

[[rule]]
name = "hold plans"    # by IG
when = { subject = "plans" }
orders = [{ quarantine = "plans" }]
"""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Sink(socketserver.StreamRequestHandler):
    """Takes every mail, but for recipients named later (RFC 5321, as little of it as will do)."""

    def handle(self):
        self.wfile.write(b"220 sink\r\n")
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                while (part := self.rfile.readline()) not in (b".\r\n", b""):
                    pass
                self.server.mails += 1
                self.wfile.write(b"250 taken\r\n")
            elif word == b"RCPT" and b"later@" in line:
                self.wfile.write(b"450 4.2.0 come again later\r\n")
            elif word == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                self.wfile.write(b"250 ok\r\n")


class Clamd(socketserver.StreamRequestHandler):
    """Answers as clamd does (clamd(8): VERSION and INSTREAM), and knows one harmless file."""

    KNOWN = b"EICAR-STANDARD-" + b"ANTIVIRUS-TEST-FILE"

    def handle(self):
        command = self.until_nul()
        if command == b"zVERSION":
            today = time.strftime("%a %b %d %H:%M:%S %Y", time.gmtime())
            self.wfile.write(f"ClamAV 1.4.3/27820/{today}\0".encode())
        elif command == b"zINSTREAM":
            content = b""
            while length := int.from_bytes(self.rfile.read(4), "big"):
                content += self.rfile.read(length)
            found = b"Eicar-Test-Signature FOUND" if self.KNOWN in content else b"OK"
            self.wfile.write(b"stream: " + found + b"\0")

    def until_nul(self):
        read = b""
        while (octet := self.rfile.read(1)) not in (b"\0", b""):
            read += octet
        return read


def serve(handler):
    """A server of its own on loopback."""
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class Box:
    """One running Postern; as shipped it protects no domain yet."""

    def __init__(self, program, has_rules=True, is_shipped=False):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-browser-"))
        self.sink = serve(Sink)
        self.sink.mails = 0
        self.hop = f"smtp://127.0.0.1:{self.sink.server_address[1]}"
        self.smtp, self.site = free_port(), free_port()
        policy = ""
        if has_rules:
            (self.folder / "rules.toml").write_text(RULES)
            policy = '[policy]\nfile = "rules.toml"\n'
        domain = f'[[domain]]\nname = "example.test"\nnext_hop = ["{self.hop}"]\n'
        self.config = self.folder / "postern.toml"
        self.config.write_text(
            f"""[system]
hostname = "mx.example.test"
data_dir = "{self.folder}/data"
postmaster = "postmaster@example.test"

[[listen]]
role = "inbound"
address = "127.0.0.1:{self.smtp}"

{"" if is_shipped else domain}
[dns]
servers = ["127.0.0.1:9"]
timeout_s = 1

[authentication]
enabled = false

[delivery]
retry_first_s = 600
retry_max_s = 600

{policy}
[admin]
address = "127.0.0.1:{self.site}"
"""
        )
        self.log = open(self.folder / "log", "wb")
        self.process = subprocess.Popen(
            [program, "run", "--config", self.config], stdout=self.log, stderr=self.log
        )
        self.wait(self.smtp)
        self.wait(self.site)

    def wait(self, port):
        for _ in range(1200):
            if self.process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                time.sleep(0.1)
        raise SystemExit((self.folder / "log").read_text()[-4000:])

    @property
    def address(self):
        return f"https://127.0.0.1:{self.site}"

    @property
    def code(self):
        return (self.folder / "data/setup-code").read_text().strip()

    def send(self, subject, recipient="bob@example.test"):
        mail = EmailMessage()
        mail["From"], mail["To"] = "Ann <ann@sender.test>", recipient
        mail["Subject"], mail["Message-ID"] = subject, f"<{time.time_ns()}@sender.test>"
        mail["Date"] = "Mon, 16 Nov 2026 10:00:00 +0000"
        mail.set_content("Hello Bob,\n\nthis is about " + subject + ".\n")
        with smtplib.SMTP("127.0.0.1", self.smtp, timeout=60) as client:
            client.send_message(mail, "ann@sender.test", [recipient])

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.sink.shutdown()
        self.log.close()
        if not os.environ.get("POSTERN_KEEP"):
            shutil.rmtree(self.folder, ignore_errors=True)
