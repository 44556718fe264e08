"""A client that asks and asks and takes no byte of the replies."""

import time

from daemon import Outcome

TITLE = "replies that nobody reads"
TARGET = "closed within 60 s"
MOST_S = 90


def attack(start):
    daemon = start("[rate_limits]\npublic_per_minute = 100000\n")
    raw = daemon.connect(receive_bytes=4096)
    raw.settimeout(1)
    begun = time.monotonic()
    ask = b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n" * 16
    while time.monotonic() - begun < MOST_S:
        try:
            raw.send(ask)
        except TimeoutError:
            continue
        except OSError:
            break
        time.sleep(0.05)
    open_s = time.monotonic() - begun
    return Outcome(f"{'over ' if open_s >= MOST_S else ''}{open_s:.0f} s", open_s <= 60)
