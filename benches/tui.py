"""Measures the terminal dashboard: processor share while nothing happens, and how long a key takes under a flood of events.

    python benches/tui.py [--binary target/release/cleanplate-tui] [--events-per-s 1000] [--seconds 20]
                          [--out benches/results/tui.json]

The real program runs in a pseudo terminal of 160x50 against a made-up admin server on a Unix socket (this file, in a
process of its own), which answers with 1,000 jobs and then sends events:

    idle   one `metrics` event a second, as a daemon without work does; the share of one core is read from /proc
    flood  --events-per-s single `jobs` events a second, each a change of one of 700 jobs; no merging by the server

Latency: a key is written to the terminal's input, the clock stops when the bytes of what it shows have come out: `4`
shows the accounts, `2` the jobs, of which the table then has 1,000 or more rows. Milliseconds: median, 95 of 100,
longest. Prints one JSON object and writes it to --out.
"""

import argparse
import fcntl
import json
import multiprocessing
import os
import pathlib
import pty
import select
import signal
import socket
import statistics
import struct
import tempfile
import termios
import threading
import time

JOBS = 700
START_MS = int(time.time() * 1000)
TICK = {"at_ms": 0, "completed": 3, "failed": 0, "requests": 9, "errors": 0, "credits": 9, "waiting": 4, "running": 1,
        "busy": 0.7, "latency": {"p50_ms": 310.0, "p95_ms": 800.0, "p99_ms": 900.0},
        "wait": {"p50_ms": 1.0, "p95_ms": 2.0, "p99_ms": 3.0}, "rss_bytes": 4 << 28, "device_bytes": 1 << 30,
        "cpu_cores": 1.2, "disk_free_bytes": 1 << 36}
QUEUE = {"waiting": 4, "running": 1, "length_max": 1000}


def tick():
    return TICK | {"at_ms": int(time.time() * 1000)}


def job(number, status="completed", attempt=1):
    return {"id": f"{number:08x}-0000-4000-8000-000000000000", "account_id": 1, "key_id": 1, "batch_id": None,
            "service": "object-removal", "pipeline": "default", "asynchronous": False, "status": status,
            "attempt": attempt, "price": 3, "credits_used": 3, "input_filename": f"photo-{number}.jpg", "width": 1920,
            "height": 1080, "created_at_ms": START_MS - number * 100, "started_at_ms": START_MS,
            "finished_at_ms": START_MS, "processing_ms": 400.0 + attempt % 100, "stage": None, "fraction": None,
            "error_code": None, "error": None}


def reply(path):
    """The JSON of a path, without its query."""
    device = {"backend": "cpu", "name": "made up", "driver": "none", "kind": "cpu", "memory_bytes": 0}
    server = {"version": "0.1.0", "boot": "b", "seq": 0, "started_at_ms": START_MS, "now_at_ms": START_MS, "pid": 1,
              "state": "ready", "reason": None, "listen": "none", "data_dir": "none", "backend": "cpu", "device": device,
              "queue": QUEUE, "totals": {"pending": 4, "processing": 1, "completed": 9, "failed": 0}, "metrics": tick(),
              "you": {"actor": "bench"}}
    page = {"items": [], "next": None}
    replies = {"server": server, "metrics/history": {"ticks": [tick()]}, "folders": {"folders": []},
               "jobs": {"items": [job(number) for number in range(1000)], "next": None}, "keys": page, "accounts": page,
               "models": {"models": [], "memory_bytes_max": 8 << 30}, "log": {"lines": [], "oldest": 1}}
    return replies[path]


def send_events(connection, rate):
    """Events for ever: `rate.value` changes of jobs a second, and one `metrics` a second."""
    seq, number, second = 1, 0, 0.0
    statuses = ["pending", "processing", "completed"]

    def send(kind, data):
        nonlocal seq
        envelope = {"seq": seq, "at_ms": int(time.time() * 1000), "type": kind, "data": data}
        connection.sendall(f"id: b-{seq}\nevent: {kind}\ndata: {json.dumps(envelope)}\n\n".encode())
        seq += 1

    hello = {"seq": 0, "at_ms": 0, "type": "hello", "data": {"version": "0.1.0", "boot": "b", "resumed": False}}
    connection.sendall(f"id: b-0\nevent: hello\ndata: {json.dumps(hello)}\n\n".encode())
    begun, sent, was = time.monotonic(), 0, 0
    while True:
        now = time.monotonic()
        if rate.value != was:
            was, begun, sent = rate.value, now, 0
        while sent < (now - begun) * was:
            number, sent = number + 1, sent + 1
            send("jobs", {"jobs": [job(number % JOBS, statuses[number // JOBS % 3], number)], "omitted": 0})
        if now - second >= 1.0:
            second = now
            send("metrics", tick())
        time.sleep(0.005 if was else max(0.0, second + 1.0 - time.monotonic()) / 4 + 0.01)


def serve(path, rate):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)

    def answer(connection):
        with connection:
            request = b""
            while b"\r\n\r\n" not in request:
                part = connection.recv(4096)
                if not part:
                    return
                request += part
            path = request.split(b" ")[1].decode().split("?")[0].removeprefix("/admin/v1/")
            try:
                if path == "events":
                    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
                    send_events(connection, rate)
                body = json.dumps(reply(path)).encode()
                head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
                connection.sendall(head.encode() + body)
            except (BrokenPipeError, ConnectionResetError):
                pass

    while True:
        threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()


class Terminal:
    """The program in a pseudo terminal."""

    def __init__(self, binary, sock):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm-256color")
            os.execv(binary, [binary, "--socket", sock, "--images", "blocks", "--config", "/dev/null"])
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 160, 0, 0))
        self.bytes_out = 0

    def read(self, seconds):
        """What comes out within this time; returns early when something does."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return b""
        part = os.read(self.fd, 65536)
        self.bytes_out += len(part)
        return part

    def drain(self, seconds):
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.read(left)

    def until(self, mark, seconds=10.0):
        """Seconds until these bytes have come out."""
        begun, seen = time.monotonic(), b""
        while mark not in seen:
            if time.monotonic() - begun > seconds:
                raise SystemExit(f"{mark!r} did not appear within {seconds} s")
            seen = (seen + self.read(0.5))[-200_000:]
        return time.monotonic() - begun

    def cpu_s(self):
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def share(self, seconds):
        """Share of one core while nothing is typed, and bytes written a second."""
        before, cpu, out = time.monotonic(), self.cpu_s(), self.bytes_out
        self.drain(seconds)
        span = time.monotonic() - before
        return (self.cpu_s() - cpu) / span, (self.bytes_out - out) / span

    def latencies_ms(self, seconds):
        times, until = [], time.monotonic() + seconds
        while time.monotonic() < until:
            for key, mark in ((b"4", b"no accounts yet"), (b"2", b"photo-")):
                self.drain(0.1)
                os.write(self.fd, key)
                times.append(self.until(mark) * 1000.0)
        return times


def spread(times):
    times = sorted(times)
    return {"median_ms": round(statistics.median(times), 2), "p95_ms": round(times[int(len(times) * 0.95)], 2),
            "max_ms": round(times[-1], 2), "keys": len(times)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/release/cleanplate-tui")
    parser.add_argument("--events-per-s", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--out", default="benches/results/tui.json")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sock, rate = f"{folder}/admin.sock", multiprocessing.Value("i", 0)
        server = multiprocessing.Process(target=serve, args=(sock, rate), daemon=True)
        server.start()
        while not os.path.exists(sock):
            time.sleep(0.05)
        terminal = Terminal(os.path.abspath(args.binary), sock)
        terminal.until(b"live")
        os.write(terminal.fd, b"2")
        terminal.drain(2.0)
        idle, idle_out = terminal.share(args.seconds)
        idle_keys = terminal.latencies_ms(min(args.seconds, 5.0))
        rate.value = args.events_per_s
        terminal.drain(2.0)
        flood, flood_out = terminal.share(args.seconds)
        flood_keys = terminal.latencies_ms(args.seconds)
        os.kill(terminal.pid, signal.SIGTERM)
        terminal.until(b"\x1b[?1049l")
        status = os.waitstatus_to_exitcode(os.waitpid(terminal.pid, 0)[1])
        server.terminate()
    out = {"terminal": "160x50", "jobs_kept": 1000, "events_per_s": args.events_per_s,
           "idle": {"core_share": round(idle, 4), "bytes_per_s": round(idle_out), "key": spread(idle_keys)},
           "flood": {"core_share": round(flood, 4), "bytes_per_s": round(flood_out), "key": spread(flood_keys)},
           "exit_status_after_sigterm": status}
    print(json.dumps(out, indent=1))
    pathlib.Path(args.out).write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    main()
