"""The database is truncated to nothing between two runs."""

import signal

from daemon import REMOVAL, Outcome, small_pair

TITLE = "Database truncated to 0 bytes between two starts, beside 20 results"
TARGET = "the start is refused with the remedy, all results stay"
JOBS = 20


def attack(start):
    first = start("[rate_limits]\nremoval_per_minute = 100000\n")
    key, pair = first.key(), small_pair()
    for _ in range(JOBS):
        assert first.post_form(REMOVAL, pair, key=key).status == 200
    results = first.data / "results"
    before = len(list(results.iterdir()))
    first.process.send_signal(signal.SIGTERM)
    first.process.wait(60)
    (first.data / "cleanplate.db").write_bytes(b"")
    for side in ("-wal", "-shm"):
        (first.data / f"cleanplate.db{side}").unlink(missing_ok=True)
    try:
        start("", data=first.data)
        what, refused = "started", False
    except RuntimeError as error:
        refused = "newest backup" in str(error)
        what = "refused, remedy named" if refused else "refused without a remedy"
    left = len(list(results.iterdir()))
    return Outcome(f"{what}, {before - left} of {before} files removed", refused and left == before)
