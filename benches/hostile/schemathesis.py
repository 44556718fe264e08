#!/usr/bin/env python3
"""Property tests of both OpenAPI documents with Schemathesis (`pip install schemathesis`): no case may get a 5xx.

    benches/hostile/schemathesis.py [CASES] [--binary target/release/cleanplate] [--st st] [--at-once 4] [--seed 1]

CASES (2,000 by default, 50,000 before a release) is how many there are at least, spread over the operations of the public and
the admin interface: for each document one process works through what follows from its schema, then processes with seeds of
their own go on with random cases until there are enough. The daemon gets a key with credits, an admin token, limits that no
case meets by its rate, and the fill without a network. Half of the cases name things that exist (hooks/existing.py).

The exit code is 0 when no document found a server error and the daemon lives. Output of a process that found one is printed.
"""

import argparse
import base64
import concurrent.futures
import contextlib
import itertools
import json
import os
import pathlib
import re
import secrets
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
# This file has the name of the package: what is imported is the neighbour.
sys.path[0] = str(HERE)

from daemon import ATTACKER, REMOVAL, Daemons, form, photo, png  # noqa: E402

METHODS = {"get", "put", "post", "delete", "patch", "head"}
# What follows from the schema alone, and calls that follow each other: once. Random cases: until there are enough.
ONCE, RANDOM = "examples,coverage,stateful", "fuzzing"
# Random cases of an operation in one process: fewer would cost mostly the start of processes.
PER_OPERATION_MAX = 200
# An event stream is cut after its first event: waiting for more would take as long as the time limit of a request.
SETTINGS = "max-stream-events = 1\nrequest-timeout = 60\n"
MINUTE = 1_000_000


def free_port():
    with socket.socket() as free:
        free.bind((ATTACKER, 0))
        return free.getsockname()[1]


class Document:
    """An OpenAPI document of the daemon, and what is known of its cases so far."""

    def __init__(self, name, address, path, bearer):
        self.name, self.url, self.bearer = name, f"http://{address}{path}", bearer
        with urllib.request.urlopen(urllib.request.Request(self.url, headers=self.headers())) as reply:
            described = json.load(reply)
        self.operations = sum(len(METHODS & set(item)) for item in described["paths"].values())
        self.cases, self.sound = 0, True

    def headers(self):
        return {"Authorization": f"Bearer {self.bearer}"}

    def run(self, options, phases, seed, per_operation):
        """One process of Schemathesis: how many cases it had."""
        authorization = f"Authorization: {self.headers()['Authorization']}"
        # Schemathesis keeps what it learned in the folder it runs in.
        with tempfile.TemporaryDirectory() as scratch:
            settings = pathlib.Path(scratch) / "schemathesis.toml"
            settings.write_text(SETTINGS)
            command = [options.st, "--config-file", settings, "--no-color", "run", self.url, "--header", authorization,
                       "--checks", "not_a_server_error", "--phases", phases, "--seed", str(seed), "--max-examples",
                       str(per_operation), "--workers", "1", "--continue-on-failure", "--no-shrink",
                       "--generation-database", "none", "--warnings", "off", "--suppress-health-check", "all"]
            ended = subprocess.run(command, cwd=scratch, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        found = re.search(r"(\d[\d,]*) generated", ended.stdout)
        count = int(found.group(1).replace(",", "")) if found else 0
        self.cases += count
        if ended.returncode != 0 or count == 0:
            self.sound = False
            print(ended.stdout, flush=True)
        return count


def existing(daemon):
    """Names of a job and of an account and a key that may go, and pictures of a pair, for hooks/existing.py."""
    image, mask = photo(24, 16), png(24, 16, [b"\0" * 8 + b"\xff" * 8 + b"\0" * 8] * 16, color=0)
    pair = form(("image", "p.png", image), ("mask", "m.png", mask))
    job = json.loads(daemon.post_form(f"{REMOVAL}?async=true", pair, key=daemon.key()).body)["job_id"]
    done = json.loads(daemon.post_form(REMOVAL, pair, key=daemon.key()).body)
    account = json.loads(daemon.cli("accounts", "create", "existing"))["id"]
    key = json.loads(daemon.cli("keys", "create", "--name", "existing", "--account", "existing"))["id"]
    names, queries = {}, {}
    for path in ("/v1/jobs/{job_id}", "/v1/jobs/{job_id}/events"):
        names[path] = {"job_id": job}
    for path, url in (("/v1/files/{job_id}", "output_url"), ("/v1/files/{job_id}/mask", "mask_url")):
        names[path] = {"job_id": done["job_id"]}
        queries[path] = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(done["result"][url]).query))
    for rest in ("", "/cancel", "/retry", "/images/{part}"):
        names["/admin/v1/jobs/{id}" + rest] = {"id": job, "part": "result"}
    for rest in ("", "/ledger", "/top-ups"):
        names["/admin/v1/accounts/{id}" + rest] = {"id": str(account)}
    for rest in ("", "/revoke"):
        names["/admin/v1/keys/{id}" + rest] = {"id": str(key)}
    pictures = {"image": image, "mask": mask}
    return {"names": names, "queries": queries, "pictures": {name: base64.b64encode(text).decode() for name, text in pictures.items()}}


def count_charged(daemon):
    """Jobs that cases made and that were done; read from the file, for the cases also rename accounts."""
    with contextlib.closing(sqlite3.connect(f"file:{daemon.data}/cleanplate.db?mode=ro", uri=True)) as database:
        return database.execute("SELECT count(*) FROM ledger WHERE kind = 'settle'").fetchone()[0]


def run_all(documents, options):
    """Runs processes side by side until there are enough cases."""
    per_operation = options.cases // (options.at_once * sum(document.operations for document in documents))
    per_operation = max(5, min(PER_OPERATION_MAX, per_operation))
    begun, total = time.monotonic(), 0
    tasks = itertools.chain(
        ((document, ONCE, 0) for document in documents),
        ((document, RANDOM, seed) for seed in itertools.count(options.seed) for document in documents),
    )
    with concurrent.futures.ThreadPoolExecutor(options.at_once) as pool:
        running = {}
        while True:
            while len(running) < options.at_once and total < options.cases and all(d.sound for d in documents):
                document, phases, seed = next(tasks)
                running[pool.submit(document.run, options, phases, seed, per_operation)] = (document, phases, seed)
            if not running:
                return
            for ended in concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED).done:
                document, phases, seed = running.pop(ended)
                total += ended.result()
                print(f"{document.name}: {phases}, seed {seed}: {ended.result()} cases; {total} of {options.cases} after "
                      f"{time.monotonic() - begun:.0f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="?", default=2000, type=int)
    parser.add_argument("--binary", default=HERE.parent.parent / "target/release/cleanplate", type=pathlib.Path)
    parser.add_argument("--st", default="st")
    parser.add_argument("--at-once", default=4, type=int)
    parser.add_argument("--seed", default=1, type=int, help="of the first process with random cases")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    admin, token = f"{ATTACKER}:{free_port()}", secrets.token_hex(32)
    config = (
        f'[accounts]\nfirst_credits = 1000000\n[pipelines]\ndefault = "patchmatch"\n'
        f'[admin]\nlisten = "{admin}"\ntokens = ["schemathesis:{token}"]\nstreams_max = 256\n'
        f"[rate_limits]\nremoval_per_minute = {MINUTE}\nbatch_per_minute = {MINUTE}\nread_per_minute = {MINUTE}\n"
        f"public_per_minute = {MINUTE}\nauth_failures_per_minute = {MINUTE}\nsegmentation_per_minute = {MINUTE}\nfailures_per_day = 0\n"
    )
    daemons = Daemons(options.binary)
    try:
        daemon = daemons.start(config)
        os.environ["SCHEMATHESIS_HOOKS"] = "existing"
        os.environ["PYTHONPATH"] = str(HERE / "hooks")
        os.environ["CLEANPLATE_EXISTING"] = json.dumps(existing(daemon))
        documents = [Document("public", f"{ATTACKER}:{daemon.port}", "/openapi.json", daemon.key()),
                     Document("admin", admin, "/admin/v1/openapi.json", token)]
        run_all(documents, options)
        alive = daemon.process.poll() is None
        panics = daemon.text().count("panicked")
        charged = count_charged(daemon)
    finally:
        daemons.stop()
    for document in documents:
        print(f"{document.name}: {'no 5xx' if document.sound else 'FAILED'} in {document.cases} cases of "
              f"{document.operations} operations")
    print(f"{sum(d.cases for d in documents)} cases; {charged} removals charged; {panics} panics; "
          f"the daemon {'lives' if alive else 'DIED'}")
    return 0 if all(document.sound for document in documents) and alive and panics == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
