"""A large result, asked for byte by byte."""

import json
import time

from daemon import REMOVAL, Outcome, form, mask, photo

TITLE = "150 ranges of 1 byte of an 18 MB result"
TARGET = "CPU < 1 s"
SIDE, RANGES = 2450, 150


def attack(start):
    daemon = start()
    pictures = form(("image", "a.png", photo(SIDE, SIDE, noise=True)), ("mask", "m.png", mask(SIDE, SIDE, 900, 900, 24)))
    done = daemon.post_form(REMOVAL, pictures, key=daemon.key(), timeout=120)
    assert done.status == 200, done.body
    url = json.loads(done.body)["result"]["output_url"]
    path = url[url.index("/v1/"):]
    time.sleep(4)
    before = daemon.cpu_s()
    for n in range(RANGES):
        reply = daemon.get(path, headers={"Range": f"bytes={n}-{n}"})
        assert (reply.status, len(reply.body)) == (206, 1)
    cpu_s = daemon.cpu_s() - before
    return Outcome(f"{cpu_s:.1f} CPU s", cpu_s < 1)
