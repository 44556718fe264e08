"""A daemon with work for a minute that is told to stop twice."""

import signal
import time

from daemon import REMOVAL, Outcome, form, mask, photo

TITLE = "a second SIGTERM while jobs run"
TARGET = "ends within 1 s"
MOST_S = 60


def attack(start):
    daemon = start("[server]\nshutdown_s_max = 45\n")
    pictures = form(("image", "a.png", photo(1600, 1200)), ("mask", "m.png", mask(1600, 1200, 200, 200, 900)))
    for _ in range(8):
        accepted = daemon.post_form(f"{REMOVAL}?async=true", pictures, key=daemon.key())
        assert accepted.status == 202, accepted.body
    daemon.process.send_signal(signal.SIGTERM)
    time.sleep(1)
    daemon.process.send_signal(signal.SIGTERM)
    begun = time.monotonic()
    while daemon.process.poll() is None and time.monotonic() - begun < MOST_S:
        time.sleep(0.02)
    took = time.monotonic() - begun
    return Outcome(f"{took:.1f} s", took < 1)
