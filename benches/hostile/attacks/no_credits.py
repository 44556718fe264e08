"""Large uploads under a key whose account has no credits."""

import threading
import time

from daemon import BOUNDARY, REMOVAL, Outcome, percentile

TITLE = "40 uploads of 16 MB under a key with 0 credits"
TARGET = "402 at once (p99 < 1 s), no byte on the volume"
REQUESTS, BYTES = 40, 16_000_000


def attack(start):
    daemon = start("[accounts]\nfirst_credits = 0\n[rate_limits]\nremoval_per_minute = 1000\n")
    key, peak, ends = daemon.key(), [0.0], threading.Event()

    def watch():
        while not ends.is_set():
            peak[0] = max(peak[0], daemon.uploads_mib())
            time.sleep(0.01)

    watcher = threading.Thread(target=watch)
    watcher.start()
    head = (
        f"POST {REMOVAL} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\nContent-Length: {BYTES}\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n--{BOUNDARY}\r\n"
        "Content-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\n\r\n"
    ).encode() + b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
    took, replies = [], []

    def send():
        begun, chunk, left = time.monotonic(), bytes(1 << 16), BYTES
        try:
            raw = daemon.connect(timeout=0.01)
            raw.sendall(head)
            while left > 0 and time.monotonic() - begun < 20:
                try:
                    left -= raw.send(chunk)
                except TimeoutError:
                    pass
                try:
                    reply = raw.recv(4096)
                    took.append(time.monotonic() - begun)
                    replies.append(reply[9:12].decode())
                    break
                except TimeoutError:
                    pass
        except OSError:
            replies.append("reset")

    threads = [threading.Thread(target=send) for _ in range(REQUESTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ends.set()
    watcher.join()
    early = replies.count("402")
    p99 = percentile(took, 0.99) if took else float("inf")
    figure = f"{early} of {REQUESTS} got 402, p99 {p99:.2f} s, peak {peak[0]:.0f} MiB"
    return Outcome(figure, early == REQUESTS and p99 < 1 and peak[0] == 0)
