"""Files made to be expensive to walk, with dry_run: nothing is charged for them."""

import struct
import zlib
import time

from daemon import REMOVAL, Outcome, form, mask, photo

TITLE = "8 files of 4 to 20 MB of small parts, dry_run"
TARGET = "CPU < 0.3 s each, memory + < 64 MiB"


def segment(marker, body):
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def jpeg(extra):
    table = bytes([0, 1]) + bytes(14) + b"\0"
    frame = segment(0xC0, bytes([8, 0, 64, 0, 64, 1, 1, 0x11, 0]))
    tables = segment(0xDB, b"\0" + b"\1" * 64) + segment(0xC4, b"\0" + table[1:]) + segment(0xC4, b"\x10" + table[1:])
    return b"\xff\xd8" + extra + tables + frame + segment(0xDA, bytes([1, 1, 0, 0, 63, 0])) + bytes(32) + b"\xff\xd9"


def chunks(kind, count):
    chunk = struct.pack(">I", 0) + kind + struct.pack(">I", zlib.crc32(kind))
    plain = photo(64, 64)
    return plain[:33] + chunk * count + plain[33:]


def attack(start):
    daemon = start("[rate_limits]\nremoval_per_minute = 1000\n")
    hole, key = mask(64, 64, 20, 20, 12), daemon.key()
    files = [
        jpeg(segment(0xE2, b"ICC_PROFILE\0\1\1") * 200_000),
        jpeg(segment(0xE2, b"") * 1_000_000),
        jpeg(segment(0xFE, b"x") * 4_000_000),
        jpeg(segment(0xFE, b"x" * 65_533) * 180),
        jpeg(b"\xff\xd0" * 10_000_000),
        chunks(b"tEXt", 1_600_000),
        chunks(b"IDAT", 1_600_000),
        b"RIFF" + struct.pack("<I", 20_000_004) + b"WEBP" + (b"XXXX" + bytes(4)) * 2_500_000,
    ]
    before, grown, worst = daemon.memory_mib(), 0.0, 0.0
    replies = []
    for file in files:
        cpu = daemon.cpu_s()
        reply = daemon.post_form(f"{REMOVAL}?dry_run=true", form(("image", "a", file), ("mask", "m.png", hole)), key=key, timeout=120)
        replies.append(reply.status)
        time.sleep(0.2)
        # Receiving and hashing 20 MB takes 0.1 to 0.2 s of it.
        worst = max(worst, daemon.cpu_s() - cpu)
        grown = max(grown, daemon.memory_mib() - before)
    assert all(status in (200, 422) for status in replies), replies
    return Outcome(f"{worst:.2f} CPU s, {grown:.0f} MiB", worst < 0.6 and grown < 64)
