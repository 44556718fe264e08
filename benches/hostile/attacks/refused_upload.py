"""A chunked upload without a key that goes on after its 401, a byte at a time."""

from daemon import REMOVAL, Outcome, seconds_open

TITLE = "a chunked upload that goes on after its 401"
TARGET = "closed within 10 s"
MOST_S = 40


def attack(start):
    daemon = start()
    raw = daemon.connect()
    raw.sendall(f"POST {REMOVAL} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n".encode())
    open_s = seconds_open(raw, MOST_S, lambda: b"1\r\na\r\n", pause=0.5)
    return Outcome(f"{'over ' if open_s >= MOST_S else ''}{open_s:.0f} s", open_s <= 10)
