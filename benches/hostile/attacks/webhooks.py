"""Receivers of one account that accept a webhook's connection and never answer."""

import http.server
import json
import socket
import threading
import time
import urllib.parse

from daemon import ATTACKER, REMOVAL, Outcome, small_pair

TITLE = "8 hanging webhook receivers of one account"
TARGET = "another account's webhook 2 s after its job"
MOST_S = 120


def attack(start):
    daemon = start(f'[webhooks]\nallowed_hosts = ["{ATTACKER}"]\n')
    held = []
    for _ in range(8):
        listener = socket.socket()
        listener.bind((ATTACKER, 0))
        listener.listen()
        held.append(listener)
        hook = urllib.parse.quote(f"http://{ATTACKER}:{listener.getsockname()[1]}/", safe="")
        accepted = daemon.post_form(f"{REMOVAL}?async=true&webhook_url={hook}", small_pair(), key=daemon.key())
        assert accepted.status == 202, accepted.body
    daemon.cli("accounts", "create", "other")
    daemon.cli("accounts", "top-up", "other", "30")
    key = json.loads(daemon.cli("keys", "create", "--account", "other", "--name", "k"))["key"]
    time.sleep(3)
    came = threading.Event()

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            came.set()

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer((ATTACKER, 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    hook = urllib.parse.quote(f"http://{ATTACKER}:{server.server_port}/", safe="")
    accepted = daemon.post_form(f"{REMOVAL}?async=true&webhook_url={hook}", small_pair(), key=key)
    assert accepted.status == 202, accepted.body
    job = json.loads(accepted.body)["job_id"]
    while json.loads(daemon.get(f"/v1/jobs/{job}", key=key).body)["status"] != "completed":
        time.sleep(0.05)
    begun = time.monotonic()
    delivered = came.wait(MOST_S)
    took = time.monotonic() - begun
    server.shutdown()
    for listener in held:
        listener.close()
    return Outcome(f"{'over ' if not delivered else ''}{took:.1f} s", delivered and took < 2)
