"""A data volume that others fill to the last byte while jobs run, three times."""

import pathlib
import subprocess
import tempfile
import threading
import time

from daemon import REMOVAL, Outcome, small_pair

TITLE = "The data volume filled to the last byte under 3 clients, 3 times"
TARGET = "507 within 5 s, /readyz says so, nothing held, reads go on, recovery < 5 s, 2 log lines at most"
MIB, CYCLES = 64, 3


def attack(start):
    volume = tempfile.mkdtemp(prefix="cleanplate-hostile-volume-")
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={MIB}m", "tmpfs", volume], check=True)
    try:
        return filled(start, pathlib.Path(volume))
    finally:
        subprocess.run(["umount", "-l", volume], check=False)


def filled(start, volume):
    data = volume / "data"
    data.mkdir()
    daemon = start("[server]\nfree_mib_min = 8\n[rate_limits]\nremoval_per_minute = 100000\n", data=data)
    key, pair = daemon.key(), small_pair()
    since, ends, statuses, slowest, recovered = [None], threading.Event(), [], [0.0], []

    def client():
        while not ends.is_set():
            begun, was_full = time.monotonic(), since[0]
            try:
                status = daemon.post_form(REMOVAL, pair, key=key, timeout=120).status
            except OSError:
                status = 0
            full = was_full or since[0]
            # A call that came before the volume was full, or was answered after it, may be done.
            if full and (status != 200 or (was_full and since[0] == was_full)):
                statuses.append(status)
                slowest[0] = max(slowest[0], time.monotonic() - max(begun, full))
            time.sleep(0.02)

    def ready():
        try:
            return daemon.get("/readyz", timeout=5).status == 200
        except OSError:
            return False

    clients = [threading.Thread(target=client) for _ in range(3)]
    for thread in clients:
        thread.start()
    told = reads = 0
    for _ in range(CYCLES):
        time.sleep(1.5)
        filler = volume / "filler"
        with filler.open("wb", buffering=0) as file:
            for size in (1 << 20, 4096):
                try:
                    while file.write(bytes(size)):
                        pass
                except OSError:
                    pass
        since[0], before = time.monotonic(), len(statuses)
        # On a busy machine calls that came before are still being worked on.
        until = since[0] + 60
        while time.monotonic() < since[0] + 3 or (len(statuses) < before + 3 and time.monotonic() < until):
            time.sleep(0.1)
        told += not ready()
        reads += daemon.get("/v1/account", key=key).status == 200
        since[0] = None
        filler.unlink()
        begun = time.monotonic()
        while not ready() and time.monotonic() - begun < 60:
            time.sleep(0.05)
        recovered.append(time.monotonic() - begun)
    ends.set()
    for thread in clients:
        thread.join()
    until = time.monotonic() + 10
    while '"held":0' not in daemon.get("/v1/account", key=key).body.decode() and time.monotonic() < until:
        time.sleep(0.1)
    held = '"held":0' not in daemon.get("/v1/account", key=key).body.decode()
    lines, clean = daemon.text().count("ERROR"), statuses.count(507)
    figure = (
        f"{clean} of {len(statuses)} got 507, slowest {slowest[0]:.1f} s, not ready {told} of {CYCLES}, "
        f"recovered in {max(recovered):.1f} s, {'credits' if held else 'nothing'} held, {lines} error lines"
    )
    met = (
        clean == len(statuses) > 0 and slowest[0] < 5 and told == reads == CYCLES and max(recovered) < 5
        and not held and lines <= 2
    )
    return Outcome(figure, met)
