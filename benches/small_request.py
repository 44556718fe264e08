"""Measures what a synchronous removal costs besides its pixels: milliseconds, and writes forced to disk.

    python benches/small_request.py [--binary target/release/cleanplate] [--requests 300] [--side 64] [--out FILE]

Starts a daemon on a folder of its own and sends so many removals of a small photo, one after the other over one connection,
through the patch-based pipeline on the processor. Milliseconds are of whole requests as the client sees them. Then sends a tenth
of them to a daemon under strace (left out where there is none) and counts the calls that force data to disk, per request.
Prints one JSON object and writes it to --out.
"""

import argparse
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from hot_folder import png

FORCED = ("fsync", "fdatasync", "sync_file_range", "msync")
BOUNDARY = "small-request"


def body(side):
    photo = png(side, side, 2, [bytes(v for x in range(side) for v in (x * 3 % 256, y * 5 % 256, 90)) for y in range(side)])
    low, high = side * 3 // 8, side * 5 // 8
    mask = png(side, side, 0, [bytes(255 if low <= x < high and low <= y < high else 0 for x in range(side)) for y in range(side)])
    parts = b"".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}.png"\r\n'
        f"Content-Type: image/png\r\n\r\n".encode() + data + b"\r\n"
        for name, data in (("image", photo), ("mask", mask))
    )
    return parts + f"--{BOUNDARY}--\r\n".encode()


class Daemon:
    def __init__(self, binary, wrap=()):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="small-request-"))
        config = self.folder / "cleanplate.toml"
        config.write_text(
            '[server]\nlisten = "127.0.0.1:0"\n[pipelines]\ndefault = "patchmatch"\n[accounts]\nfirst_credits = 1000000\n'
            "[rate_limits]\nremoval_per_minute = 1000000\n[queue]\nat_once_max = 1\n"
        )
        command = [*wrap, binary, "serve", "--config", config, "--data", self.folder / "data", "--backend", "cpu"]
        self.log = self.folder / "log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        self.port, self.key = self._wait(r"listening address=127\.0\.0\.1:(\d+)"), self._wait(r"(sk-live-\w+)")
        until = time.monotonic() + 60
        while self.get("/readyz") != 200:
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(0.1)

    def _wait(self, pattern):
        until = time.monotonic() + 60
        while time.monotonic() < until:
            text = re.sub(r"\x1b\[[0-9;]*m", "", self.log.read_text())
            found = re.search(pattern, text)
            if found:
                return found[1]
            assert self.process.poll() is None, text
            time.sleep(0.05)
        sys.exit(f"no {pattern} in the log:\n{text}")

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", int(self.port), timeout=30)
        connection.request("GET", path)
        return connection.getresponse().status

    def removals(self, count, data):
        connection = http.client.HTTPConnection("127.0.0.1", int(self.port), timeout=60)
        head = {"Authorization": f"Bearer {self.key}", "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        spans = []
        for _ in range(count):
            begun = time.perf_counter()
            connection.request("POST", "/v1/services/object-removal", data, head)
            reply = connection.getresponse()
            text = reply.read()
            assert reply.status == 200, text
            spans.append(1000 * (time.perf_counter() - begun))
        return spans

    def stop(self, pid=None):
        os.kill(pid or self.process.pid, signal.SIGTERM)
        self.process.wait(60)
        shutil.rmtree(self.folder, ignore_errors=True)


def forced(binary, count, data):
    """Calls that force data to disk, per request, by name."""
    if not shutil.which("strace"):
        return "no strace here"
    trace = pathlib.Path(tempfile.mkstemp(prefix="small-request-")[1])
    daemon = Daemon(binary, ["strace", "-f", "-qq", "-o", trace, "-e", f"trace={','.join(FORCED)}"])
    try:
        daemon.removals(3, data)
        time.sleep(1)
        skipped = len(trace.read_text())
        daemon.removals(count, data)
        time.sleep(0.2)
        calls = trace.read_text()[skipped:]
        return {name: round(len(re.findall(rf"\b{name}\(", calls)) / count, 2) for name in FORCED[:2]}
    finally:
        child = int(subprocess.check_output(["pgrep", "-P", str(daemon.process.pid)], text=True).split()[0])
        daemon.stop(child)
        trace.unlink()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/release/cleanplate")
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--out")
    ask = parser.parse_args()
    data = body(ask.side)
    daemon = Daemon(ask.binary)
    try:
        daemon.removals(20, data)
        spans = sorted(daemon.removals(ask.requests, data))
    finally:
        daemon.stop()
    found = {
        "side": ask.side,
        "requests": ask.requests,
        "median_ms": round(statistics.median(spans), 2),
        "p95_ms": round(spans[int(0.95 * len(spans))], 2),
        "forced_per_request": forced(ask.binary, max(ask.requests // 10, 10), data),
        "load_average": os.getloadavg()[0],
    }
    text = json.dumps(found, indent=1)
    print(text)
    if ask.out:
        pathlib.Path(ask.out).write_text(text + "\n")


if __name__ == "__main__":
    main()
