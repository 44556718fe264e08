"""A daemon of the release binary under attack, and what attackers and bystanders need to talk to it."""

import dataclasses
import http.client
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import zlib

REMOVAL = "/v1/services/object-removal"
ATTACKER, BYSTANDER = "127.0.0.1", "127.0.0.2"
BOUNDARY = "cleanplate-hostile-boundary"


@dataclasses.dataclass
class Outcome:
    """What an attack did."""

    figure: str
    met: bool


class Daemons:
    """Starts daemons of one binary, and stops them all."""

    def __init__(self, binary):
        self.binary, self.running = pathlib.Path(binary).resolve(), []

    def start(self, config="", data=None, env=None):
        """A ready daemon. `config` is TOML over the defaults; `data` an existing folder, or one of its own is made.
        Options that the binary does not know are left out, so that an older one can be measured too."""
        running = Daemon(self.binary, config, data, env)
        self.running.append(running)
        running.wait_ready()
        return running

    def stop(self):
        for running in self.running:
            running.stop()


class Daemon:
    def __init__(self, binary, config, data, env):
        self.own = data is None
        self.data = pathlib.Path(data or tempfile.mkdtemp(prefix="cleanplate-hostile-"))
        with socket.socket() as free:
            free.bind((ATTACKER, 0))
            self.port = free.getsockname()[1]
        self.binary, file = binary, self.data / "hostile.toml"
        file.write_text(config)
        for _ in range(20):
            checked = subprocess.run([binary, "config", "check", file], capture_output=True, text=True)
            lines = [int(n) for n in re.findall(r"hostile\.toml:(\d+): unknown option", checked.stdout + checked.stderr)]
            if not lines:
                break
            kept = [line for n, line in enumerate(file.read_text().splitlines(), 1) if n not in lines]
            file.write_text("\n".join(kept) + "\n")
        self.log = open(self.data / "log", "w+")
        command = [binary, "serve", "--backend", "cpu", "--listen", f"{ATTACKER}:{self.port}", "--data", self.data,
                   "--config", file]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, env={**os.environ, **(env or {})})

    def wait_ready(self):
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise RuntimeError(f"the daemon ended: {self.text()[-2000:]}")
            try:
                if self.get("/readyz").status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise RuntimeError(f"the daemon is not ready: {self.text()[-2000:]}")

    def text(self):
        return (self.data / "log").read_text()

    def key(self):
        """The key that the first start printed."""
        return re.search(r"sk-live-\w+", self.text()).group()

    def cli(self, *args):
        command = [self.binary, *args, "--data", self.data, "--json"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def memory_mib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024

    def cpu_s(self):
        """CPU seconds that the daemon has used."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def uploads_mib(self):
        """MiB of uploads in the data folder."""
        total = 0
        for name in ("uploads", "inputs"):
            for path in (self.data / name).glob("*"):
                try:
                    total += path.stat().st_size
                except FileNotFoundError:
                    pass
        return total / (1 << 20)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.log.close()
        if self.own:
            shutil.rmtree(self.data, ignore_errors=True)

    def connect(self, source=ATTACKER, timeout=10, receive_bytes=None):
        """A raw socket to the daemon."""
        raw = socket.socket()
        if receive_bytes:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        raw.settimeout(timeout)
        raw.bind((source, 0))
        raw.connect((ATTACKER, self.port))
        return raw

    def request(self, method, path, body=None, headers=None, source=ATTACKER, timeout=30, key=None):
        """A whole request; the reply has `status`, `body`, `getheader(...)` and `seconds`."""
        headers = dict(headers or {})
        if key:
            headers["Authorization"] = f"Bearer {key}"
        connection = http.client.HTTPConnection(ATTACKER, self.port, timeout=timeout, source_address=(source, 0))
        begun = time.monotonic()
        try:
            connection.request(method, path, body, headers)
            reply = connection.getresponse()
            reply.body, reply.seconds = reply.read(), time.monotonic() - begun
            return reply
        finally:
            connection.close()

    def get(self, path, **rest):
        return self.request("GET", path, **rest)

    def post_form(self, path, form, **rest):
        headers = {**rest.pop("headers", {}), "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        return self.request("POST", path, form, headers, **rest)


def form(*files):
    """A multipart form of (field, file name, bytes)."""
    out = b""
    for field, name, content in files:
        out += f"--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{name}\"\r\n\r\n".encode()
        out += content + b"\r\n"
    return out + f"--{BOUNDARY}--\r\n".encode()


def png(width, height, rows, color=2, depth=8):
    """A PNG of rows of bytes; color 2 is RGB, 0 gray."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    packed = zlib.compress(b"".join(b"\0" + row for row in rows), 1)
    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def photo(width, height, noise=False):
    """A photo: a gradient, or noise that does not compress."""
    if noise:
        return png(width, height, [os.urandom(3 * width) for _ in range(height)])
    return png(width, height, [bytes(v for x in range(width) for v in (x % 251, y % 251, 90)) for y in range(height)])


def mask(width, height, left, top, side):
    """A mask with a square hole."""
    inside = bytes(left) + b"\xff" * side + bytes(width - left - side)
    return png(width, height, [inside if top <= y < top + side else bytes(width) for y in range(height)], color=0)


def small_pair():
    """A small photo with its mask, as a form."""
    return form(("image", "a.png", photo(64, 48)), ("mask", "m.png", mask(64, 48, 26, 18, 12)))


def seconds_open(raw, most, feed=None, pause=0.5):
    """How long a socket stays open while `feed()` gives the bytes to trickle; `most` when it outlives that."""
    raw.settimeout(pause)
    begun = time.monotonic()
    while time.monotonic() - begun < most:
        try:
            if feed:
                raw.send(feed())
            if raw.recv(1 << 16) == b"":
                break
            time.sleep(pause)
        except TimeoutError:
            continue
        except OSError:
            break
    return time.monotonic() - begun


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]
