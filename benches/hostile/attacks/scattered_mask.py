"""A mask of thousands of dots: each wants a crop of its own."""

import time

from daemon import REMOVAL, Outcome, form, png

TITLE = "24 MP with 3,000 dots, dilate=0"
TARGET = "422 within 20 CPU s, memory + < 512 MiB"
WIDTH, HEIGHT, STEP = 6_000, 4_000, 89


def attack(start):
    daemon = start()
    plain = png(WIDTH, HEIGHT, [bytes(3 * WIDTH)] * HEIGHT)
    dotted = bytes(255 if x % STEP == 0 else 0 for x in range(WIDTH))
    dots = png(WIDTH, HEIGHT, [dotted if y % STEP == 0 else bytes(WIDTH) for y in range(HEIGHT)], color=0)
    before, cpu, begun = daemon.memory_mib(), daemon.cpu_s(), time.monotonic()
    reply = daemon.post_form(
        f"{REMOVAL}?dilate=0&feather=0", form(("image", "a.png", plain), ("mask", "m.png", dots)), key=daemon.key(), timeout=300
    )
    took, cpu, grown = time.monotonic() - begun, daemon.cpu_s() - cpu, daemon.memory_mib() - before
    met = reply.status == 422 and b"scattered" in reply.body and cpu < 20 and grown < 512
    return Outcome(f"{reply.status} after {took:.0f} s, {cpu:.0f} CPU s, {grown:.0f} MiB", met)
