"""The wall clock is set an hour ahead again and again, around the moment at which the daemon looks for jobs that never end.

A library that is loaded before the C library's own moves CLOCK_REALTIME by what a file says; only the daemon sees it."""

import pathlib
import subprocess
import tempfile
import threading
import time

from daemon import REMOVAL, Outcome, form, mask, photo

TITLE = "Wall clock set 1 h ahead, 12 times within 6 s, under 3 clients"
TARGET = "no job fails, nothing held"
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
int clock_gettime(clockid_t id, struct timespec *ts) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int rc = real(id, ts);
    if (rc == 0 && id == CLOCK_REALTIME) {
        FILE *file = fopen(getenv("CLOCK_AHEAD_FILE"), "r");
        long ahead = 0;
        if (file) { if (fscanf(file, "%ld", &ahead) != 1) ahead = 0; fclose(file); }
        ts->tv_sec += ahead;
    }
    return rc;
}
"""


def attack(start, hours=range(1, 13)):
    """`hours`: how far ahead the clock is, one after the other."""
    with tempfile.TemporaryDirectory(prefix="cleanplate-hostile-clock-") as folder:
        folder = pathlib.Path(folder)
        source, library, ahead = folder / "ahead.c", folder / "ahead.so", folder / "ahead"
        source.write_text(SHIM)
        ahead.write_text("0")
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
        return jumped(start, library, ahead, hours)


def jumped(start, library, ahead, hours):
    begun = time.monotonic()
    env = {"LD_PRELOAD": str(library), "CLOCK_AHEAD_FILE": str(ahead)}
    daemon = start("[rate_limits]\nremoval_per_minute = 100000\n", env=env)
    key, ends, statuses = daemon.key(), threading.Event(), []
    pair = form(("image", "a.png", photo(1600, 1200)), ("mask", "m.png", mask(1600, 1200, 400, 300, 600)))

    def client():
        while not ends.is_set():
            statuses.append(daemon.post_form(REMOVAL, pair, key=key, timeout=120).status)

    # The daemon looks every minute, the first time as it starts.
    time.sleep(max(0.0, 55 - (time.monotonic() - begun)))
    clients = [threading.Thread(target=client) for _ in range(3)]
    for thread in clients:
        thread.start()
    time.sleep(2)
    for hour in hours:
        fresh = ahead.with_suffix(".new")
        fresh.write_text(str(3600 * hour))
        fresh.rename(ahead)
        time.sleep(0.5)
    time.sleep(3)
    ends.set()
    for thread in clients:
        thread.join()
    account = daemon.get("/v1/account", key=key).body.decode()
    failed = sum(status != 200 for status in statuses)
    held = '"held":0' not in account
    figure = f"{failed} of {len(statuses)} jobs failed, {'credits' if held else 'nothing'} held"
    return Outcome(figure, failed == 0 < len(statuses) and not held)
