"""The other end of a network cable: Ethernet, ARP, IPv4 and just enough TCP to try every port.

    Wire(box.wires["outside"], "10.0.2.77").scan("10.0.2.15", range(1, 65536))

In: the box's frames over UDP from QEMU. Out: for each port `open` (SYN-ACK), `closed` (RST);
ports that stay silent are not in the answer. Needs no privileges.
"""

import select
import socket
import struct
import time

OURS = bytes.fromhex("525400aa0001")


def checksum(octets):
    if len(octets) % 2:
        octets += b"\0"
    total = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Wire:
    def __init__(self, ports, address):
        qemu, own = ports
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.socket.bind(("127.0.0.1", own))
        self.socket.connect(("127.0.0.1", qemu))
        self.address = socket.inet_aton(address)

    def frames(self, seconds):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self.socket], [], [], left)[0]:
                frame = self.socket.recv(65536)
                self.answer_arp(frame)
                yield frame

    def arp(self, kind, hardware, target, address):
        body = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, kind, OURS, self.address, hardware, address)
        self.socket.send((target + OURS + b"\x08\x06" + body).ljust(60, b"\0"))

    def answer_arp(self, frame):
        if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\x01" and frame[38:42] == self.address:
            self.arp(2, frame[22:28], frame[22:28], frame[28:32])

    def neighbour(self, address):
        """The hardware address of a neighbour."""
        wanted = socket.inet_aton(address)
        for _ in range(20):
            self.arp(1, b"\0" * 6, b"\xff" * 6, wanted)
            for frame in self.frames(1):
                if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\x02" and frame[28:32] == wanted:
                    return frame[22:28]
        raise TimeoutError(f"nobody has {address}")

    def syn(self, hardware, target, port, source):
        head = struct.pack("!HHIIBBHHH", source, port, 7, 0, 5 << 4, 2, 1024, 0, 0)
        pseudo = self.address + target + struct.pack("!BBH", 0, 6, len(head))
        head = head[:16] + struct.pack("!H", checksum(pseudo + head)) + head[18:]
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(head), 1, 0, 64, 6, 0, self.address, target)
        ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
        self.socket.send((hardware + OURS + b"\x08\0" + ip + head).ljust(60, b"\0"))

    def scan(self, address, ports, known=25, batch=128):
        """Tries ports, so many at once. After each batch a port that is known to be open is asked,
        from another port of ours: its answer says that the box has taken in what came before.
        A batch without that answer is sent again, so a busy machine is slow and not wrong."""
        hardware, target, found = self.neighbour(address), socket.inet_aton(address), {}
        ports, source = list(ports), 40000
        for begin in range(0, len(ports), batch):
            for _ in range(20):
                source = 40000 + (source + 1) % 20000
                for port in ports[begin : begin + batch]:
                    self.syn(hardware, target, port, 30000)
                self.syn(hardware, target, known, source)
                if self.hears(source, 2.0, hardware, target, found):
                    break
            else:
                raise TimeoutError(f"port {known} of {address} fell silent at {ports[begin]}")
        for frame in self.frames(2.0):
            self.note(frame, hardware, target, found)
        return found

    def hears(self, source, seconds, *whom):
        for frame in self.frames(seconds):
            if self.note(frame, *whom) == source:
                return True
        return False

    def note(self, frame, hardware, target, found):
        """Notes an answer of the box, and tells which port of ours it came to."""
        # QEMU's own network hears us too and answers for everybody; only the box counts.
        if frame[6:12] != hardware:
            return None
        if frame[12:14] != b"\x08\0" or frame[23] != 6 or frame[26:30] != target or frame[30:34] != self.address:
            return None
        tcp = frame[14 + (frame[14] & 15) * 4 :]
        port, ours, flags = *struct.unpack("!HH", tcp[:4]), tcp[13]
        if flags & 4:
            found[port] = "closed"
        elif flags & 0x12 == 0x12:
            found[port] = "open"
        return ours
