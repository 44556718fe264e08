"""A body in a content coding that the service does not take."""

import gzip

from daemon import REMOVAL, Outcome, small_pair

TITLE = "a gzip body"
TARGET = "415"


def attack(start):
    daemon = start()
    reply = daemon.post_form(
        REMOVAL, gzip.compress(small_pair()), headers={"Content-Encoding": "gzip"}, key=daemon.key()
    )
    return Outcome(str(reply.status), reply.status == 415)
