"""The wall clock is set back by a day in mid-work, and forth again."""

from attacks import clock_jump

TITLE = "Wall clock set back a day and forth again, 6 times within 6 s, under 3 clients"
TARGET = "no job fails, nothing held"


def attack(start):
    return clock_jump.attack(start, [0 if step % 2 else -24 for step in range(12)])
