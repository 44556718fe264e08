"""Sockets that send a head that announces a body, one chunk of it, then nothing: no key is needed."""

import time

from daemon import BYSTANDER, Outcome, percentile

TITLE = "2,000 sockets of one address with an unread body"
TARGET = "another address: p99 < 200 ms, none fails"

SOCKETS, SECONDS, CALLS = 2000, 30, 300
HEAD = b"GET /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"


def attack(start):
    daemon = start()
    held, until = [], time.monotonic() + SECONDS
    for _ in range(SOCKETS):
        if time.monotonic() > until:
            break
        try:
            raw = daemon.connect(timeout=1)
            held.append(raw)
            raw.sendall(HEAD)
        except OSError:
            # The place was refused: what a target may do.
            continue
    took, failed = [], 0
    for _ in range(CALLS):
        begun = time.monotonic()
        try:
            assert daemon.get("/healthz", source=BYSTANDER, timeout=5).status == 200
        except OSError:
            failed += 1
        took.append(time.monotonic() - begun)
        if failed == 5:
            break
    for raw in held:
        raw.close()
    p99 = percentile(took, 0.99)
    return Outcome(f"p99 {p99 * 1000:.0f} ms, {failed} of {len(took)} failed", p99 < 0.2 and failed == 0)
