"""Another process keeps the database locked: a backup that hangs, a forgotten sqlite3."""

import sqlite3
import threading
import time

from daemon import REMOVAL, Outcome, small_pair

TITLE = "Database locked by another process for 8 s under 8 clients"
TARGET = "503 with Retry-After within 5 s, /readyz says so, nothing held, recovery < 5 s"


def readyz(daemon):
    """The status of /readyz, 0 without an answer."""
    try:
        return daemon.get("/readyz", timeout=5).status
    except OSError:
        return 0


def attack(start):
    daemon = start("[rate_limits]\nremoval_per_minute = 100000\n")
    key, pair, replies = daemon.key(), small_pair(), []
    assert daemon.post_form(REMOVAL, pair, key=key).status == 200
    other = sqlite3.connect(daemon.data / "cleanplate.db", isolation_level=None, timeout=10)
    other.execute("BEGIN IMMEDIATE")
    until = time.monotonic() + 8

    def client():
        while time.monotonic() < until - 2:
            begun = time.monotonic()
            try:
                reply = daemon.post_form(REMOVAL, pair, key=key, timeout=40)
                replies.append((reply.status, bool(reply.getheader("Retry-After")), time.monotonic() - begun))
            except OSError:
                replies.append((0, False, time.monotonic() - begun))
            time.sleep(0.2)

    clients = [threading.Thread(target=client) for _ in range(8)]
    for thread in clients:
        thread.start()
    time.sleep(4)
    told = readyz(daemon)
    time.sleep(max(0.0, until - time.monotonic()))
    other.execute("ROLLBACK")
    begun = time.monotonic()
    while readyz(daemon) != 200 and time.monotonic() - begun < 60:
        time.sleep(0.05)
    recovered = time.monotonic() - begun
    for thread in clients:
        thread.join()
    time.sleep(1.5)
    held = '"held":0' not in daemon.get("/v1/account", key=key).body.decode()
    clean = sum(status == 503 and again for status, again, _ in replies)
    slowest = max(seconds for _, _, seconds in replies)
    figure = (
        f"{clean} of {len(replies)} got 503, slowest {slowest:.1f} s, /readyz {told or 'silent'}, "
        f"recovered in {recovered:.1f} s, {'credits' if held else 'nothing'} held"
    )
    return Outcome(figure, clean == len(replies) and slowest < 5 and told == 503 and recovered < 5 and not held)
