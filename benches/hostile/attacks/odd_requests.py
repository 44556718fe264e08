"""Requests that no client of good will sends: heads, paths, bodies and forms out of all measure, one after the other."""

import re
import time

from daemon import BOUNDARY, REMOVAL, Outcome, form, mask, photo, small_pair

TITLE = "45 requests out of all measure: heads, paths, forms, chunks, upgrades"
TARGET = "no 5xx, each answered or closed within 20 s, < 1 CPU s, no file beside the data folder"
MOST_S = 25
QUOTE = f"{REMOVAL}?dry_run=true"
MIB = 1 << 20


def post(key, body, more="", path=REMOVAL, boundary=BOUNDARY, length=None):
    """A multipart request; `length` None announces the true one."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: multipart/form-data; boundary={boundary}\r\n{more}"
    )
    if "Transfer-Encoding" not in more:
        head += f"Content-Length: {len(body) if length is None else length}\r\n"
    return head.encode() + b"\r\n" + body


def named(name):
    """A pair whose photo has this file name."""
    return form(("image", name, photo(64, 48)), ("mask", "m.png", mask(64, 48, 26, 18, 12)))


def chunked(body, size, extension=b""):
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x%s\r\n%s\r\n" % (len(piece), extension, piece) for piece in pieces) + b"0\r\n\r\n"


def requests(key, evil):
    get = "GET /healthz HTTP/1.1\r\nHost: a\r\n"
    part = f"--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\ny\r\n".encode()
    end = f"--{BOUNDARY}--\r\n".encode()
    sent = "Transfer-Encoding: chunked\r\n"
    pair = small_pair()
    yield "10,000 headers", (get + "a: b\r\n" * 10_000 + "\r\n").encode()
    yield "90 headers of 1 KB", (get + ("a: " + "b" * 1000 + "\r\n") * 90 + "\r\n").encode()
    yield "a header of 1 MiB", (get + "a: " + "b" * MIB + "\r\n\r\n").encode()
    yield "a path of 1 MiB", f"GET /{'a' * MIB} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    yield "a query of 60 KB", f"GET /v1/account?{'a=1&' * 15_000} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
    yield "a key of 30 KB", f"GET /v1/account HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {'k' * 30_000}\r\n\r\n".encode()
    for path in ("/v1/files/..%2f..%2fcleanplate.db?expires=9999999999&sig=00", "/v1/files/%00?expires=1&sig=x", "//v1//account",
                 "/v1/jobs/../../etc/passwd", "/%ff%fe", "/v1/jobs/%2e%2e/events", "*"):
        yield path, f"GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
    for method in ("CONNECT", "TRACE", "BREW", "OPTIONS"):
        yield method, f"{method} /healthz HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    yield "a WebSocket", (get + "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n").encode()
    yield "h2c", (get + "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n").encode()
    yield "an HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(200)
    yield "TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)
    yield "two lengths", (get + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab").encode()
    yield "length and chunks", (get + "Content-Length: 1\r\n" + sent + "\r\n0\r\n\r\n").encode()
    yield "a negative length", (get + "Content-Length: -1\r\n\r\n").encode()
    yield "a length of 2^64", post(key, b"", length=1 << 64)
    yield "a length of 2^63", post(key, b"", length=1 << 63)
    yield "a chunk of 2^64 bytes", post(key, b"ffffffffffffffff\r\n", sent)
    yield "a chunk size of 1 MiB of zeros", post(key, b"0" * MIB, sent)
    yield "chunks of one byte with extensions", post(key, chunked(pair, 1, b";a=b"), sent, path=QUOTE)
    yield "10,000 parts", post(key, part * 10_000 + end)
    yield "a part head of 1 MiB", post(key, f"--{BOUNDARY}\r\nX: {'a' * MIB}\r\n".encode())
    yield "a boundary of 8 KB", post(key, b"--" + b"b" * 8000 + b"\r\n", boundary="b" * 8000)
    yield "no boundary", post(key, pair, boundary="")
    yield "a boundary that never comes", post(key, b"\r\n--" * 250_000, boundary="x")
    yield "2 MB of half boundaries in a part", post(key, part[:-5] + f"\r\n--{BOUNDARY[:-1]}".encode() * 60_000 + end)
    yield "5 MB of line ends in a file", post(key, form(("image", "a.png", photo(8, 8)[:33] + b"\r\n" * 2_500_000)))
    for name in (f"../../../../../..{evil}", evil, "a\0b", "a" * 50_000, "\x1b]0;x\x07.png", "con", "\u00fc" * 2000):
        yield f"a file name {name[:20]!r}", post(key, named(name), path=QUOTE)
    yield "an idempotency key of 20 KB", post(key, pair, f"Idempotency-Key: {'i' * 20_000}\r\n", path=QUOTE)
    yield "3,000 points", post(key, pair, path=f"{QUOTE}&points={','.join(['[1,1]'] * 3000)}")


def ask(daemon, request, most_s=MOST_S):
    """The status line's code, or 0 when the connection was just closed; and the seconds until it was."""
    begun, text = time.monotonic(), b""
    with daemon.connect(timeout=most_s) as raw:
        try:
            raw.sendall(request)
        except OSError:
            # Refused before all of it was sent.
            pass
        try:
            while b"\r\n" not in text:
                got = raw.recv(4096)
                if not got:
                    break
                text += got
        except ConnectionResetError:
            pass
        except TimeoutError:
            return -1, time.monotonic() - begun
    found = re.match(rb"HTTP/1\.[01] (\d{3})", text)
    return int(found.group(1)) if found else 0, time.monotonic() - begun


def attack(start):
    daemon = start("[accounts]\nfirst_credits = 1000\n[rate_limits]\nremoval_per_minute = 1000\npublic_per_minute = 1000\n")
    evil = daemon.data.with_name(f"{daemon.data.name}-evil.png")
    bad, slowest, dearest, count = [], 0.0, 0.0, 0
    for name, request in requests(daemon.key(), str(evil)):
        cpu, count = daemon.cpu_s(), count + 1
        status, took = ask(daemon, request)
        cpu = daemon.cpu_s() - cpu
        slowest, dearest = max(slowest, took), max(dearest, cpu)
        if status >= 500 or status < 0 or took > 20 or cpu > 1:
            bad.append(f"{name}: {status} after {took:.1f} s, {cpu:.1f} CPU s")
    alive = daemon.get("/healthz").status == 200
    panics = daemon.text().count("panicked")
    met = not bad and alive and not panics and not evil.exists()
    figure = f"{count} requests, slowest {slowest:.1f} s, {dearest:.2f} CPU s, {panics} panics"
    return Outcome("; ".join([figure, *bad]), met)
