"""A box under QEMU: disk, firmware, networks, and its serial console as a person would use it.

    with Box(image, folder, config=TEXT) as box:
        box.wait_for_menu(); box.status()["failed units"] == "0"

Everything is on loopback. There is no KVM assumed: waits are long, and scaled by
POSTERN_QEMU_PATIENCE (1 unless set). QEMU is always killed at the end.
"""

import os
import random
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

PATIENCE = float(os.environ.get("POSTERN_QEMU_PATIENCE", "1"))
FIRMWARE = Path("/usr/share/OVMF")
SECTOR = 512
PROMPT = "choice> "


# Below those that the kernel gives to whoever connects; none is named twice.
PORTS = random.sample(range(20_000, 32_000), 12_000)


def free_port(kind=socket.SOCK_STREAM):
    while True:
        port = PORTS.pop()
        with socket.socket(socket.AF_INET, kind) as one:
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def partitions(disk):
    """Name → (first octet, octets), from the disk's own table (UEFI specification, GPT)."""
    found = {}
    with open(disk, "rb") as file:
        file.seek(2 * SECTOR)
        table = file.read(128 * 128)
    for at in range(0, len(table), 128):
        entry = table[at : at + 128]
        first = int.from_bytes(entry[32:40], "little")
        last = int.from_bytes(entry[40:48], "little")
        name = entry[56:128].decode("utf-16-le").rstrip("\0")
        if first:
            found[name] = (first * SECTOR, (last - first + 1) * SECTOR)
    return found


class Box:
    """One machine with a disk of its own. Ports of the host: `ports[25]`, and so on."""

    def __init__(self, image, folder, config=None, forwards=(25,), secure=None, memory=1536, medium=None, code=None,
                 patterns=None, larger=0):
        self.image, self.folder = Path(image), Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.disk = self.folder / "disk.img"
        self.ports = {port: free_port() for port in forwards}
        self.management = {443: free_port()}
        self.wires = {"outside": (free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_DGRAM)),
                      "management": (free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_DGRAM))}
        self.secure, self.memory, self.medium = secure, memory, medium
        self.process, self.heard, self.lock = None, "", threading.Condition()
        self.starts = 0
        if not self.disk.exists():
            subprocess.run(["cp", "--sparse=always", self.image / "disk.img", self.disk], check=True)
            if larger:
                os.truncate(self.disk, self.disk.stat().st_size + larger)
            if config is not None:
                self.seed(config, code, patterns)
        self.vars = self.folder / "vars.fd"
        if not self.vars.exists():
            shutil.copy(secure or FIRMWARE / "OVMF_VARS_4M.fd", self.vars)

    def seed(self, config, code, patterns):
        """A data partition as a box has it that was set up."""
        first, octets = partitions(self.disk)["postern-data"]
        with tempfile.TemporaryDirectory() as tree:
            state = Path(tree) / "postern" / "state"
            state.mkdir(parents=True)
            (Path(tree) / "postern" / "postern.toml").write_text(config)
            if patterns is not None:
                shutil.copy(patterns, state)
            if code is not None:
                (state / "setup-code").write_text(code + "\n")
            for path in [Path(tree) / "postern", *(Path(tree) / "postern").rglob("*")]:
                if os.getuid() == 0:
                    os.chown(path, 994, 994)
            subprocess.run(
                ["mke2fs", "-q", "-F", "-t", "ext4", "-L", "data", "-d", tree,
                 "-E", f"offset={first},root_owner=0:0", str(self.disk), f"{octets // 1024}k"],
                check=True, stderr=subprocess.DEVNULL)

    def command(self):
        code = "OVMF_CODE_4M.secboot.fd" if self.secure else "OVMF_CODE_4M.fd"
        machine = "q35,smm=on" if self.secure else "q35"
        command = ["qemu-system-x86_64", "-M", machine, "-accel", "tcg,thread=multi", "-cpu", "max",
                   "-smp", "2", "-m", str(self.memory), "-nodefaults", "-no-user-config", "-display", "none",
                   "-serial", "stdio", "-device", "i6300esb", "-action", "watchdog=reset",
                   "-device", "virtio-rng-pci"]
        if self.secure:
            command += ["-global", "driver=cfi.pflash01,property=secure,value=on"]
        command += ["-drive", f"if=pflash,format=raw,readonly=on,file={FIRMWARE / code}",
                    "-drive", f"if=pflash,format=raw,file={self.vars}",
                    "-drive", f"file={self.disk},format=raw,if=virtio,discard=unmap"]
        if self.medium:
            command += ["-drive", f"file={self.medium},format=raw,if=virtio,readonly=on"]
        outside = "".join(f",hostfwd=tcp:127.0.0.1:{host}-:{port}" for port, host in self.ports.items())
        inside = "".join(f",hostfwd=tcp:127.0.0.1:{host}-:{port}" for port, host in self.management.items())
        nets = {"outside": f"user,id=u0{outside}",
                "management": f"user,id=u1,net=192.168.76.0/24,dhcpstart=192.168.76.15{inside}"}
        for number, (name, user) in enumerate(nets.items()):
            here, there = self.wires[name]
            # A hub joins QEMU's own network with a wire that the tests hold the other end of.
            command += ["-netdev", user,
                        "-netdev", f"socket,id=s{number},udp=127.0.0.1:{there},localaddr=127.0.0.1:{here}",
                        "-netdev", f"hubport,id=a{number},hubid={number},netdev=u{number}",
                        "-netdev", f"hubport,id=b{number},hubid={number},netdev=s{number}",
                        "-netdev", f"hubport,id=c{number},hubid={number}",
                        "-device", f"virtio-net-pci,netdev=c{number},romfile=,mac=52:54:00:00:00:1{number}"]
        # To look at a box that hangs: `info registers` there.
        return command + ["-monitor", f"unix:{self.folder}/monitor,server=on,wait=off"]

    def start(self):
        self.heard = ""
        self.starts += 1
        self.begun = time.monotonic()
        self.log = open(self.folder / "console.log", "ab")
        self.process = subprocess.Popen(self.command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        threading.Thread(target=self.listen, args=(self.process,), daemon=True).start()
        return self

    def listen(self, process):
        while octets := process.stdout.read1(65536):
            self.log.write(octets)
            self.log.flush()
            with self.lock:
                self.heard += re.sub(r"\x1b\[[0-9;=?]*[A-Za-z]", "", octets.decode("latin-1")).replace("\r", "")
                self.lock.notify_all()
        with self.lock:
            self.lock.notify_all()

    def wait_for(self, text, seconds, after=0):
        """Where the text ends that the console said; fails when it did not come in time."""
        end = time.monotonic() + seconds * PATIENCE
        with self.lock:
            while (at := self.heard.find(text, after)) < 0:
                left = end - time.monotonic()
                if left <= 0 or self.process.poll() is not None:
                    raise TimeoutError(f"the console did not say {text!r}; last: {self.heard[-600:]!r}")
                self.lock.wait(min(left, 1))
            return at + len(text)

    def wait_for_menu(self, seconds=600, after=0):
        return self.wait_for(PROMPT, seconds, after)

    def type(self, *lines, seconds=180):
        """Types lines, each after a prompt, and returns what is said until the next menu."""
        for number, line in enumerate(lines):
            with self.lock:
                begun = len(self.heard)
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
            self.wait_for("> " if number + 1 < len(lines) else PROMPT, seconds, begun)
        with self.lock:
            return self.heard[begun:]

    def status(self):
        """Lines of the status; lines of the same name are joined."""
        rows = {}
        for line in self.type("1").splitlines():
            name, colon, value = line.partition(": ")
            if colon:
                rows[name] = f"{rows[name]} | {value}" if name in rows else value
        return rows

    def wait_for_status(self, name, value, seconds=600):
        end = time.monotonic() + seconds * PATIENCE
        while True:
            rows = self.status()
            if re.fullmatch(value, rows.get(name, "")):
                return rows
            if time.monotonic() > end:
                raise TimeoutError(f"{name} is {rows.get(name)!r}, not {value!r}: {rows}")
            time.sleep(2)

    def hang(self):
        """As if every processor ran into an endless loop that nothing interrupts."""
        port = free_port()
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.connect(str(self.folder / "monitor"))
            monitor.sendall(f"gdbserver tcp:127.0.0.1:{port}\n".encode())
            time.sleep(2)
        with Debugger(port) as debugger:
            for processor in range(1, 3):
                debugger.ask(f"Hg{processor}")
                registers = bytes.fromhex(debugger.ask("g"))
                place = int.from_bytes(registers[128:136], "little")
                flags = int.from_bytes(registers[136:140], "little")
                # `jmp` to itself, and no interrupts any more.
                assert debugger.ask(f"M{place:x},2:ebfe") == "OK", hex(place)
                changed = registers[:136] + (flags & ~0x200).to_bytes(4, "little") + registers[140:]
                assert debugger.ask(f"G{changed.hex()}") == "OK", hex(flags)

    def kill(self):
        """As if the power were cut."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.kill()


class Debugger:
    """QEMU's debugger, as much of its protocol (GDB remote serial protocol) as is needed. The
    machine stands still while it is connected."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 60)
        self.heard = b""

    def ask(self, text):
        self.socket.sendall(f"${text}#{sum(text.encode()) % 256:02x}".encode())
        while True:
            while not (found := re.search(rb"\$([^#]*)#..", self.heard)):
                octets = self.socket.recv(65536)
                assert octets, "the debugger is gone"
                self.heard += octets
            self.heard = self.heard[found.end() :]
            self.socket.sendall(b"+")
            # That the machine stands still is told without being asked for.
            if not found.group(1).startswith(b"T"):
                return found.group(1).decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ask("D")
        self.socket.close()


def can_boot():
    """Why no box can be started here; nothing when it can."""
    if not shutil.which("qemu-system-x86_64"):
        return "there is no qemu-system-x86_64"
    if not (FIRMWARE / "OVMF_CODE_4M.fd").exists():
        return "there is no OVMF firmware"
    return None
