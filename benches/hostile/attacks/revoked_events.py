"""An event stream that goes on when its key is revoked."""

import json
import time

from daemon import REMOVAL, Outcome, form, mask, photo

TITLE = "the event stream of a revoked key"
TARGET = "ends within 2 s, signs nothing"
MOST_S = 60


def attack(start):
    daemon = start("[queue]\nat_once_max = 1\n")
    made = json.loads(daemon.cli("keys", "create", "--name", "k"))
    pictures = form(("image", "a.png", photo(1600, 1200)), ("mask", "m.png", mask(1600, 1200, 200, 200, 900)))
    ids = []
    for _ in range(3):
        accepted = daemon.post_form(f"{REMOVAL}?async=true", pictures, key=made["key"])
        assert accepted.status == 202, accepted.body
        ids.append(json.loads(accepted.body)["job_id"])
    raw = daemon.connect(timeout=1)
    ask = f"GET /v1/jobs/{ids[-1]}/events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {made['key']}\r\n\r\n"
    raw.sendall(ask.encode())
    time.sleep(1)
    daemon.cli("keys", "revoke", made["id"])
    begun, text = time.monotonic(), b""
    while time.monotonic() - begun < MOST_S and not text.endswith(b"0\r\n\r\n"):
        try:
            part = raw.recv(1 << 16)
        except TimeoutError:
            continue
        if not part:
            break
        text += part
    took = time.monotonic() - begun
    signed = b"sig=" in text
    return Outcome(f"{took:.1f} s, {'a signed address came' if signed else 'nothing signed'}", took < 2 and not signed)
