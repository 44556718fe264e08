"""Batch bodies that stop between two parts."""

import time

from daemon import BOUNDARY, REMOVAL, Outcome, photo

TITLE = "30 batch bodies that stop between parts"
TARGET = "none open after 30 s"
BODIES, MOST_S = 30, 60


def attack(start):
    daemon = start()
    key = daemon.key()
    part = f"--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"images\"; filename=\"a.png\"\r\n\r\n".encode()
    part += photo(64, 48) + b"\r\n"
    head = (
        f"POST {REMOVAL}/batch HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nTransfer-Encoding: chunked\r\n\r\n"
    ).encode()
    held = []
    for _ in range(BODIES):
        raw = daemon.connect()
        raw.sendall(head + f"{len(part):x}\r\n".encode() + part + b"\r\n")
        held.append(raw)
    begun, still = time.monotonic(), held
    while still and time.monotonic() - begun < MOST_S:
        time.sleep(1)
        left = []
        for raw in still:
            raw.setblocking(False)
            try:
                while raw.recv(1 << 16):
                    pass
            except BlockingIOError:
                left.append(raw)
            except OSError:
                pass
        still = left
    took = time.monotonic() - begun
    figure = f"{len(still)} open after {took:.0f} s" if still else f"all closed after {took:.0f} s"
    return Outcome(figure, not still and took <= 31)
