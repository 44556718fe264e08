"""Data of this version, kept for the tests of later ones: accounts, keys, jobs of every end and some that wait.

    python tests/upgrade/make.py target/release/cleanplate tests/upgrade/data-NN.tar.gz

NN is the schema's version (`PRAGMA user_version`). Made once before a version that changes it, and never again. The file holds `all.tar`
(`cleanplate backup --results` of a daemon that was at work) and `expected.json`: what was true then. The standard library alone, and curl.
"""

import gzip, io, json, pathlib, re, socket, struct, subprocess, sys, tarfile, tempfile, time, zlib


def png(size, channels, pixel):
    rows = b"".join(b"\0" + b"".join(pixel(x, y) for x in range(size)) for y in range(size))
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    head = struct.pack(">IIBBBBB", size, size, 8, {1: 0, 3: 2}[channels], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def main(program, out):
    folder = tempfile.TemporaryDirectory()
    root = pathlib.Path(folder.name)
    data = root / "data"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        at = "127.0.0.1:%d" % free.getsockname()[1]
    # One job at a time, so that some still wait when the copy is made.
    (root / "c.toml").write_text(f'[server]\nlisten = "{at}"\n[results]\nkeep_h = 8760\n[queue]\nat_once_max = 1\n')
    (root / "image.png").write_bytes(png(48, 3, lambda x, y: bytes([x * 5, y * 5, 90])))
    (root / "mask.png").write_bytes(png(48, 1, lambda x, y: b"\xff" if 20 <= x < 26 and 20 <= y < 26 else b"\0"))
    (root / "empty.png").write_bytes(png(48, 1, lambda x, y: b"\0"))
    log = open(root / "log", "w+")
    daemon = subprocess.Popen([program, "serve", "--config", root / "c.toml", "--data", data, "--backend", "cpu"], stdout=log, stderr=log)

    def cli(*words):
        return json.loads(subprocess.run([program, *words, "--data", data, "--json"], check=True, capture_output=True).stdout)

    def curl(path, *more, key=None):
        auth = ["-H", f"Authorization: Bearer {key}"] if key else []
        return json.loads(subprocess.run(["curl", "-s", *auth, *more, f"http://{at}{path}"], check=True, capture_output=True).stdout)

    def form(image="image.png", mask="mask.png"):
        return ["-F", f"image=@{root / image}", "-F", f"mask=@{root / mask}"]

    for _ in range(600):
        time.sleep(0.1)
        found = re.search(r"sk-live-[A-Za-z0-9]{38}", (root / "log").read_text())
        if found and subprocess.run(["curl", "-sf", f"http://{at}/readyz"], capture_output=True).returncode == 0:
            break
    if not found:
        sys.exit((root / "log").read_text())
    key = found.group()
    removal = "/v1/services/object-removal"
    cli("accounts", "create", "studio", "--credits", "500")
    studio = cli("keys", "create", "--name", "studio", "--account", "studio", "--removals-per-minute", "77", "--expires-in", "36500")
    gone = cli("keys", "create", "--name", "gone")
    cli("keys", "revoke", str(gone["id"]))
    sync = curl(removal, "-H", "Idempotency-Key: order-1", *form(), key=key)
    curl(removal + "?candidates=2", *form(), key=key)
    curl(removal, *form(mask="empty.png"), key=key)
    curl("/v1/services/object-removal/batch", "-F", f"images=@{root / 'image.png'}", "-F", f"masks=@{root / 'mask.png'}",
         "-F", f"images=@{root / 'image.png'};filename=b.png", "-F", f"masks=@{root / 'empty.png'};filename=b.png", key=studio["key"])
    cancelled = curl(removal + "?async=true", *form(), key=key)["job_id"]
    curl(f"/v1/jobs/{cancelled}", "-X", "DELETE", key=key)
    for _ in range(200):
        time.sleep(0.1)
        listing = [job["result"] for each in (key, studio["key"]) for job in curl("/v1/jobs", key=each)["items"]]
        if all(job["status"] in ("completed", "failed") for job in listing):
            break
    # What waits in the copy ends with the daemon that takes it up.
    waiting = [curl(removal + "?async=true", *form(), key=studio["key"])["job_id"] for _ in range(12)]
    subprocess.run([program, "backup", root / "all.tar", "--results", "--data", data], check=True)
    ended = [job for job in listing if job["job_id"] not in waiting]
    expected = {
        "key": key, "studio_key": studio["key"], "revoked_key": gone["key"], "waiting": waiting,
        "balance": curl("/v1/account", key=key)["balance"],
        "studio_credits": 500,
        "ended": {job["job_id"]: job["status"] for job in ended},
        "sync": {"job_id": sync["job_id"]},
    }
    daemon.terminate()
    daemon.wait()
    with open(out, "xb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in [("all.tar", (root / "all.tar").read_bytes()), ("expected.json", json.dumps(expected, indent=1).encode())]:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    print(json.dumps(expected, indent=1))


main(*sys.argv[1:])
