"""Pictures that are small as files and large in memory, several at once."""

import threading
import zlib
import struct

from daemon import REMOVAL, Outcome, form

TITLE = "4 pairs of 49 MP, 16-bit RGBA image and mask, at once"
TARGET = "peak memory + < 2048 MiB (limits.memory_mib_max)"
SIDE = 7_000


def deep():
    """A black 16-bit RGBA PNG, packed without ever holding it."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    packer, rows = zlib.compressobj(9), bytes((SIDE * 8 + 1) * 100)
    data = b"".join(packer.compress(rows) for _ in range(SIDE // 100)) + packer.flush()
    head = struct.pack(">IIBBBBB", SIDE, SIDE, 16, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def attack(start):
    daemon = start("[queue]\nat_once_max = 4\n")
    file, key, peak, ends = deep(), daemon.key(), [0.0], threading.Event()
    pair, before = form(("image", "a.png", file), ("mask", "m.png", file)), daemon.memory_mib()

    def watch():
        while not ends.wait(0.02):
            peak[0] = max(peak[0], daemon.memory_mib() - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    replies = []

    def send():
        replies.append(daemon.post_form(REMOVAL, pair, key=key, timeout=200).status)

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ends.set()
    watcher.join()
    # The mask removes nothing: each is refused, and nothing is charged.
    return Outcome(f"peak {peak[0]:.0f} MiB, {sorted(replies)}", peak[0] < 2048 and set(replies) == {422})
