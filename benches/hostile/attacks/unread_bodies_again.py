"""The same, from the address that the bystander shares, and made again as soon as a socket is closed."""

import threading
import time

from daemon import ATTACKER, Outcome, percentile
from attacks.unread_bodies import HEAD

TITLE = "the same, renewed for 10 s, caller behind the same address"
TARGET = "p99 < 3 s, none fails for good"

CALLS_S, SOCKETS = 10, 600


def attack(start):
    daemon = start()
    ends = threading.Event()

    def hold():
        while not ends.is_set():
            try:
                with daemon.connect(timeout=1) as raw:
                    raw.sendall(HEAD)
                    raw.settimeout(CALLS_S)
                    while not ends.is_set() and raw.recv(4096):
                        pass
            except OSError:
                time.sleep(0.2)

    threads = [threading.Thread(target=hold, daemon=True) for _ in range(SOCKETS)]
    for thread in threads:
        thread.start()
    time.sleep(2)
    took, lost, until = [], 0, time.monotonic() + CALLS_S
    while time.monotonic() < until:
        begun = time.monotonic()
        # A caller tries again when its place was refused, as Retry-After says.
        while time.monotonic() - begun < 5:
            try:
                if daemon.get("/healthz", source=ATTACKER, timeout=5).status == 200:
                    break
            except OSError:
                pass
            time.sleep(0.1)
        else:
            lost += 1
        took.append(time.monotonic() - begun)
        time.sleep(0.05)
    ends.set()
    p99 = percentile(took, 0.99)
    return Outcome(f"p99 {p99:.2f} s, {lost} of {len(took)} lost", p99 < 3 and lost == 0)
