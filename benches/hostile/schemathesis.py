#!/usr/bin/env python3
"""Property tests of both OpenAPI documents with Schemathesis (`pip install schemathesis`): no case may get a 5xx.

    benches/hostile/schemathesis.py [CASES] [--binary target/release/cleanplate] [--st st]

CASES (2,000 by default, 50,000 before a release) are spread over the operations of the public and the admin interface; the
daemon gets a key with credits, an admin token, and limits that no case meets by its rate. Schemathesis' own output follows;
the exit code is 0 when neither document found a server error.
"""

import argparse
import json
import pathlib
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
# This file has the name of the package: what is imported is the neighbour.
sys.path[0] = str(HERE)

from daemon import ATTACKER, Daemons  # noqa: E402

METHODS = {"get", "put", "post", "delete", "patch", "head"}
# Each operation also gets the cases that follow from its schema alone; those come on top.
PHASES = "examples,coverage,fuzzing,stateful"


def free_port():
    with socket.socket() as free:
        free.bind((ATTACKER, 0))
        return free.getsockname()[1]


def run(options, address, path, bearer, cases):
    """Runs the document at this address; whether all was well, and how many cases there were."""
    url = f"http://{address}{path}"
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Authorization": f"Bearer {bearer}"})) as reply:
        document = json.load(reply)
    operations = sum(len(METHODS & set(item)) for item in document["paths"].values())
    command = [options.st, "run", url, "--header", f"Authorization: Bearer {bearer}", "--checks", "not_a_server_error",
               "--max-examples", str(max(1, cases // operations)), "--phases", PHASES, "--continue-on-failure",
               "--request-timeout", "60", "--workers", "2", "--warnings", "off", "--suppress-health-check", "all"]
    print(" ".join(command[:3]), f"({operations} operations)", flush=True)
    text = []
    # Schemathesis keeps what it learned in the folder it runs in.
    with tempfile.TemporaryDirectory() as scratch, subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=scratch
    ) as running:
        for line in running.stdout:
            print(line, end="", flush=True)
            text.append(line)
    found = re.search(r"(\d[\d,]*) generated", "".join(text))
    return running.returncode == 0, int(found.group(1).replace(",", "")) if found else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="?", default=2000, type=int)
    parser.add_argument("--binary", default=HERE.parent.parent / "target/release/cleanplate", type=pathlib.Path)
    parser.add_argument("--st", default="st")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    admin, token = f"{ATTACKER}:{free_port()}", secrets.token_hex(32)
    minute = 1_000_000
    config = (
        f'[accounts]\nfirst_credits = 1000000\n[admin]\nlisten = "{admin}"\ntokens = ["schemathesis:{token}"]\n'
        f"[rate_limits]\nremoval_per_minute = {minute}\nbatch_per_minute = {minute}\nread_per_minute = {minute}\n"
        f"public_per_minute = {minute}\nauth_failures_per_minute = {minute}\n"
    )
    daemons = Daemons(options.binary)
    try:
        daemon = daemons.start(config)
        half = options.cases // 2
        public = run(options, f"{ATTACKER}:{daemon.port}", "/openapi.json", daemon.key(), half)
        inner = run(options, admin, "/admin/v1/openapi.json", token, half)
        alive = daemon.process.poll() is None
    finally:
        daemons.stop()
    print(f"public: {'no 5xx' if public[0] else 'FAILED'} in {public[1]} cases; "
          f"admin: {'no 5xx' if inner[0] else 'FAILED'} in {inner[1]} cases; the daemon {'lives' if alive else 'DIED'}")
    return 0 if public[0] and inner[0] and alive else 1


if __name__ == "__main__":
    sys.exit(main())
