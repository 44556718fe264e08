"""Pictures that are small as files and large in memory, several at once."""

import threading
import zlib
import struct

from daemon import REMOVAL, Outcome, form

TITLE = "4 pairs of 25 MP, 16-bit RGBA image and mask, at once; then one of 49 MP"
TARGET = "peak memory + < 2048 MiB (limits.memory_mib_max); what cannot fit is refused"
SIDE, TOO_LARGE = 5_000, 7_000
HOLE = range(2_000, 2_200)


def deep(side, hole):
    """A black 16-bit RGBA PNG, with a white square if it is the mask; packed without ever holding it."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    opaque = bytes(6) + b"\xff\xff"
    row = b"\0" + opaque * side
    marked = b"\0" + opaque * HOLE.start + b"\xff" * 8 * len(HOLE) + opaque * (side - HOLE.stop)
    packer = zlib.compressobj(1)
    data = b"".join(packer.compress(marked if hole and y in HOLE else row) for y in range(side)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, 16, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def pair(side):
    return form(("image", "a.png", deep(side, False)), ("mask", "m.png", deep(side, True)))


def attack(start):
    daemon = start("[queue]\nat_once_max = 4\n")
    fits, key, peak, ends = pair(SIDE), daemon.key(), [0.0], threading.Event()
    before = daemon.memory_mib()

    def watch():
        while not ends.wait(0.02):
            peak[0] = max(peak[0], daemon.memory_mib() - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    replies = []

    def send():
        replies.append(daemon.post_form(REMOVAL, fits, key=key, timeout=200).status)

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refused = daemon.post_form(REMOVAL, pair(TOO_LARGE), key=key, timeout=200)
    ends.set()
    watcher.join()
    told = refused.status == 422 and b"limits.memory_mib_max" in refused.body
    return Outcome(
        f"peak {peak[0]:.0f} MiB, {sorted(replies)}, then {refused.status}",
        peak[0] < 2048 and set(replies) == {200} and told,
    )
