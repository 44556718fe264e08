"""A second request on a connection, a byte every half second."""

from daemon import Outcome, seconds_open

TITLE = "a second head at 1 byte per 0.5 s"
TARGET = "closed within 10 s"
MOST_S = 40


def attack(start):
    daemon = start()
    raw = daemon.connect()
    raw.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
    raw.recv(1 << 16)
    open_s = seconds_open(raw, MOST_S, lambda: b"G", pause=0.5)
    return Outcome(f"{'over ' if open_s >= MOST_S else ''}{open_s:.0f} s", open_s <= 10)
