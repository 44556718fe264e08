"""Wrong keys behind a proxy, each with a first line of X-Forwarded-For of its own."""

import http.client

from daemon import ATTACKER, Outcome

TITLE = "30 wrong keys, X-Forwarded-For in two lines"
TARGET = "20 answered with 401, then 429"


def attack(start):
    daemon = start("[server]\nbehind_proxy = true\n[rate_limits]\nauth_failures_per_minute = 20\n")
    passed = 0
    for n in range(30):
        connection = http.client.HTTPConnection(ATTACKER, daemon.port, timeout=10)
        connection.putrequest("GET", "/v1/account")
        connection.putheader("X-Forwarded-For", f"198.51.100.{n}")
        connection.putheader("X-Forwarded-For", "192.0.2.1")
        connection.endheaders()
        passed += connection.getresponse().status == 401
        connection.close()
    # The quota of a minute comes back a little within it.
    return Outcome(f"{passed} answered with 401", 20 <= passed <= 22)
