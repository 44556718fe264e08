"""Another process takes the memory while a job is under way: the system refuses what the daemon asks for from then on."""

import json
import pathlib
import re
import resource
import threading
import time

from daemon import REMOVAL, Outcome, form, mask, photo

TITLE = "No more memory (RLIMIT_AS at what is in use + 2 MiB) once a job runs, 3 times, photos of 12 MP"
TARGET = "the daemon lives, each reply is 200 or 503, nothing held"


def take_all(daemon):
    """Leaves the daemon 2 MiB of address space besides what it has."""
    status = pathlib.Path(f"/proc/{daemon.process.pid}/status").read_text()
    used = int(re.search(r"VmSize:\s+(\d+)", status).group(1)) << 10
    resource.prlimit(daemon.process.pid, resource.RLIMIT_AS, (used + (2 << 20), resource.RLIM_INFINITY))


def runs(daemon):
    """Whether a job is under way; also of a daemon that ended."""
    try:
        return json.loads(daemon.get("/healthz").body)["queue"]["running"] > 0
    except OSError:
        return daemon.process.poll() is not None


def attack(start):
    daemon = start('[pipelines]\ndefault = "patchmatch"\n[rate_limits]\nremoval_per_minute = 100000\n')
    key, pair = daemon.key(), form(("image", "a.png", photo(4000, 3000)), ("mask", "m.png", mask(4000, 3000, 200, 200, 60)))
    # What the first one starts stays.
    assert daemon.post_form(REMOVAL, pair, key=key, timeout=300).status == 200
    replies = []

    def send():
        try:
            replies.append(daemon.post_form(REMOVAL, pair, key=key, timeout=300).status)
        except OSError as error:
            replies.append(type(error).__name__)

    for _ in range(3):
        client = threading.Thread(target=send)
        client.start()
        while client.is_alive() and not runs(daemon):
            time.sleep(0.002)
        if daemon.process.poll() is None:
            take_all(daemon)
        client.join()
        if daemon.process.poll() is not None:
            return Outcome(f"the daemon ended with {daemon.process.poll()} after {replies}", False)
        resource.prlimit(daemon.process.pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    held = '"held":0' not in daemon.get("/v1/account", key=key).body.decode()
    figure = f"{replies}, {'credits' if held else 'nothing'} held"
    return Outcome(figure, set(replies) <= {200, 503} and not held)
