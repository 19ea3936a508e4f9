"""Mail for the tests: a sink that keeps what the box delivers, and messages with numbers.

In: SMTP from the box to `Sink.port`. Out: `Sink.numbers`, how often each message number came.
A message counts when the sink has read it whole, before it answers 250, so that a box which is
killed in between is seen to deliver it again, never to have lost it.
"""

import re
import smtplib
import socketserver
import threading
from collections import Counter

NUMBER = re.compile(rb"^X-Number: (\S+)", re.M | re.I)
TEST_FILE = "X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + "EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


class Session(socketserver.StreamRequestHandler):
    def handle(self):
        self.say("220 sink.example.test")
        while line := self.rfile.readline(4096):
            verb = line.strip().upper()
            if verb.startswith(b"EHLO"):
                self.say("250-sink.example.test\r\n250-8BITMIME\r\n250 SIZE 100000000")
            elif verb == b"DATA":
                self.say("354 go on")
                self.take()
            elif verb == b"QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 ok")

    def take(self):
        text = []
        while line := self.rfile.readline(65536):
            if line == b".\r\n":
                self.server.sink.note(b"".join(text))
                self.say("250 taken")
                return
            text.append(line)

    def say(self, line):
        self.wfile.write(line.encode() + b"\r\n")


class Sink:
    def __init__(self):
        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = daemon_threads = True
            request_queue_size = 128

        self.server = Server(("127.0.0.1", 0), Session)
        self.server.sink = self
        self.port = self.server.server_address[1]
        self.numbers, self.changed = Counter(), threading.Condition()
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def note(self, text):
        found = NUMBER.search(text)
        with self.changed:
            self.numbers[found.group(1).decode() if found else ""] += 1
            self.changed.notify_all()

    def wait_for(self, numbers, seconds):
        """What is still missing after this time."""
        with self.changed:
            self.changed.wait_for(lambda: not set(numbers) - set(self.numbers), seconds)
            return set(numbers) - set(self.numbers)


def message(number, body="Nothing of note."):
    return (f"From: Ann <ann@sender.test>\r\nTo: Bob <bob@example.test>\r\nSubject: Number {number}\r\n"
            f"Message-ID: <{number}@sender.test>\r\nDate: Sun, 01 Nov 2026 12:00:00 +0000\r\n"
            f"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\nX-Number: {number}\r\n\r\n{body}\r\n")


def send(port, number, body="Nothing of note.", timeout=300):
    """The box's final reply, as (code, text)."""
    with smtplib.SMTP("127.0.0.1", port, local_hostname="sender.test", timeout=timeout) as client:
        try:
            client.sendmail("ann@sender.test", ["bob@example.test"], message(number, body))
        except smtplib.SMTPRecipientsRefused as refused:
            return next(iter(refused.recipients.values()))
        except smtplib.SMTPResponseException as refused:
            return refused.smtp_code, refused.smtp_error
        return 250, b""
