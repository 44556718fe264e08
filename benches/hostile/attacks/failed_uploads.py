"""Asynchronous jobs that fail and cost nothing, whose uploads are kept for a retry."""

import json
import time

from daemon import REMOVAL, Outcome, form, mask, photo

TITLE = "20 asynchronous jobs of 3 MB that fail, with 8 MiB for their uploads"
TARGET = "at most 8 MiB stay"
SIDE, JOBS = 1000, 20


def attack(start):
    daemon = start("[rate_limits]\nremoval_per_minute = 1000\nread_per_minute = 100000\n[admin]\nretry_keep_mib_max = 8\n")
    key = daemon.key()
    pair = form(("image", "a.png", photo(SIDE, SIDE, noise=True)), ("mask", "m.png", mask(SIDE, SIDE, 0, 0, 0)))
    for _ in range(JOBS):
        accepted = daemon.post_form(f"{REMOVAL}?async=true", pair, key=key)
        assert accepted.status == 202, accepted.body
        job = json.loads(accepted.body)["job_id"]
        while json.loads(daemon.get(f"/v1/jobs/{job}", key=key).body)["status"] != "failed":
            time.sleep(0.05)
    time.sleep(0.5)
    left = daemon.uploads_mib()
    previews = len(list((daemon.data / "previews").glob("*")))
    return Outcome(f"{left:.0f} MiB and {previews} copies stay", left <= 8 and not previews)
