"""Uploads that come in the smallest pieces: half boundaries within a file, and HTTP chunks of one byte."""

from daemon import BOUNDARY, REMOVAL, Outcome, form, photo
from attacks.odd_requests import ask, chunked, post

TITLE = "4 MB of half boundaries, 0.5 MB of chunks of one byte"
TARGET = "CPU < 1.5 s each"
QUOTE = f"{REMOVAL}?dry_run=true"


def attack(start):
    daemon = start()
    key, start_of_png = daemon.key(), photo(8, 8)[:33]
    halves = form(("image", "a.png", start_of_png + f"\r\n--{BOUNDARY[:-1]}".encode() * 140_000))
    bytewise = chunked(form(("image", "a.png", start_of_png + bytes(500_000))), 1)
    replies, worst = [], 0.0
    for request in (post(key, halves, path=QUOTE), post(key, bytewise, "Transfer-Encoding: chunked\r\n", QUOTE)):
        before = daemon.cpu_s()
        replies.append(ask(daemon, request, 150)[0])
        worst = max(worst, daemon.cpu_s() - before)
    return Outcome(f"{worst:.1f} CPU s, {replies}", worst < 1.5 and replies == [422, 422])
