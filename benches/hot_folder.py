"""Measures a hot folder under what studios do to it: memory, processor time and the time to the first result.

    python benches/hot_folder.py [--binary target/release/cleanplate] [--files 100000] [--folders 1000] [--seconds 30]
                                 [--only NAME]... [--out benches/results/hot-folder.json]

    waiting   --files photos without a mask in --folders folders; then one pair is dropped among them
    pairs     --files files, half of them photos and half their masks, in --folders folders, there before the start;
              kill -9 in mid-work and a second start
    vanish    the folder is renamed away in mid-work and comes back
    full      the output lies on a volume of 1 MiB, which is emptied later (needs the right to mount)
    readonly  the output's volume is read-only for a while (needs the right to mount)
    afternoon three folders at once: photos with masks, photos with clicks, frames of a shot with one mask; copied in pieces, among
              files that do not fit; each result is compared with that of `cleanplate run`, byte for byte
    slow      the folder lies on a file system of this script that answers each call after --delay-ms (needs mfusepy and /dev/fuse)

Pairs are 32x32 pixels, each of its own content, so that each is charged. After every scenario the ledger is compared with
the reports: a pair that is done has cost its price once, and nothing is held. Prints one JSON object and writes it to --out.
What could not be measured here says why.
"""

import argparse
import functools
import json
import os
import pathlib
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import time
import zlib

PRICE = 3
CREDITS = 10_000_000


def png(width, height, colour, rows):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows), 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


MASK = png(32, 32, 0, [bytes(255 if 12 <= x < 18 and 12 <= y < 18 else 0 for x in range(32)) for y in range(32)])
REST = [bytes(v for x in range(32) for v in (x * 7, y * 5, 90)) for y in range(1, 32)]


def photo(number):
    return png(32, 32, 2, [struct.pack(">I", number) * 24] + REST)


def fill(root, files, folders, masks):
    """Writes so many files; the names say nothing of the order in which they were written."""
    for at in range(folders):
        (root / f"f{at:04}").mkdir(parents=True, exist_ok=True)
    for number in range(files // 2 if masks else files):
        place = root / f"f{number % folders:04}" / f"p{number:06}"
        place.with_suffix(".png").write_bytes(photo(number))
        if masks:
            place.with_name(place.name + "_mask.png").write_bytes(MASK)


class Daemon:
    running = None

    def __init__(self, binary, work, root, output, more=""):
        self.binary, self.data = binary, work / "data"
        self.data.mkdir(exist_ok=True)
        self.config = work / "own.toml"
        out = f'output = "{output}"\n' if output else ""
        self.config.write_text(f'[accounts]\nfirst_credits = {CREDITS}\n[[hot_folder]]\npath = "{root}"\naccount = 1\n{out}{more}')
        self.start()

    def start(self):
        self.log = open(self.data.parent / "log", "ab")
        self.begun = time.monotonic()
        Daemon.running = self
        self.child = subprocess.Popen([self.binary, "serve", "--backend", "cpu", "--listen", "127.0.0.1:0", "--data", self.data,
                                       "--config", self.config], stdout=self.log, stderr=self.log)

    def end(self, kind=signal.SIGTERM):
        self.child.send_signal(kind)
        self.child.wait()
        Daemon.running = None

    def usage(self):
        """Processor seconds so far and peak of resident memory in MiB."""
        stat = pathlib.Path(f"/proc/{self.child.pid}/stat").read_text().rpartition(")")[2].split()
        status = pathlib.Path(f"/proc/{self.child.pid}/status").read_text()
        peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK"), int(peak.split()[1]) / 1024

    def credits(self):
        out = subprocess.run([self.binary, "accounts", "list", "--json", "--data", self.data], capture_output=True, check=True)
        account = json.loads(out.stdout)["accounts"][0]
        return CREDITS - account["available"] - account["held"], account["held"]


def until(what, seconds, is_so):
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            raise SystemExit(f"{what}: not within {seconds} s")
        time.sleep(0.02)


def reports(root):
    return list((root / "done").rglob("*.report.json"))


def status(root):
    try:
        return json.loads((root / "working" / "status.json").read_text())
    except (OSError, ValueError):
        return {}


def ledger(daemon, root):
    """Once the daemon has ended: what was charged against what the reports say."""
    daemon.end()
    done = [json.loads(report.read_text()) for report in reports(root)]
    paid = sum(report["credits"] for report in done)
    charged, held = daemon.credits()
    under_way = charged - paid
    # A job that was cut off between its charge and its report is paid for, and delivered at the next start.
    if held or not 0 <= under_way <= PRICE * 4:
        raise SystemExit(f"the ledger has {charged} charged and {held} held, the reports {paid}")
    twice = len(done) - len({report["content_sha256"] for report in done if not report["duplicate"]})
    if twice:
        raise SystemExit(f"{twice} contents were done twice")
    return {"done": len(done), "credits_charged": charged, "credits_in_reports": paid, "credits_held": held}


def first_result(daemon, root, seconds=120):
    """Seconds to the first result, and those of processor time: what they are on an idle machine."""
    until("the first result", seconds, lambda: reports(root))
    return {"first_result_s": round(time.monotonic() - daemon.begun, 2), "first_result_cpu_s": round(daemon.usage()[0], 2)}


def waiting(args, work):
    root = work / "in"
    fill(root, args.files, args.folders, False)
    daemon = Daemon(args.binary, work, root, None)
    until("the folder is listed", 400, lambda: status(root).get("waiting_for_mask") == args.files)
    listed = round(time.monotonic() - daemon.begun, 2)
    before, begun = daemon.usage()[0], time.monotonic()
    time.sleep(args.seconds)
    idle = (daemon.usage()[0] - before) / (time.monotonic() - begun)
    (root / "f0000" / "new_mask.png").write_bytes(MASK)
    (root / "f0000" / "new.png").write_bytes(photo(args.files))
    dropped = time.monotonic()
    until("the dropped pair", 400, lambda: reports(root))
    took = round(time.monotonic() - dropped, 2)
    cpu, peak = daemon.usage()
    return {"listed_s": listed, "idle_share_of_a_core": round(idle, 4), "dropped_pair_s": took, "peak_mib": round(peak),
            "cpu_s": round(cpu, 1)} | ledger(daemon, root)


def pairs(args, work):
    root = work / "in"
    fill(root, args.files, args.folders, True)
    daemon = Daemon(args.binary, work, root, None, "in_flight_max = 8\n")
    first = first_result(daemon, root)
    time.sleep(args.seconds)
    many, (cpu, peak) = len(reports(root)), daemon.usage()
    daemon.end(signal.SIGKILL)
    daemon.start()
    until("work after the kill", 400, lambda: len(reports(root)) > many + 20)
    again = daemon.usage()[1]
    return first | {"pairs_per_s": round(many / (args.seconds + first["first_result_s"]), 1), "cpu_s": round(cpu, 1),
                    "peak_mib": round(max(peak, again))} | ledger(daemon, root)


def vanish(args, work):
    root, away = work / "in", work / "away"
    fill(root, 400, 10, True)
    daemon = Daemon(args.binary, work, root, work / "out")
    first = first_result(daemon, root)
    until("some work", 400, lambda: len(reports(root)) > 20)
    root.rename(away)
    time.sleep(3)
    away.rename(root)
    begun = time.monotonic()
    many = len(reports(root))
    until("work goes on", 400, lambda: len(reports(root)) > many)
    resumed = round(time.monotonic() - begun, 2)
    until("every pair", 300, lambda: len(reports(root)) == 200)
    return first | {"goes_on_after_s": resumed} | ledger(daemon, root)


def volume(work, options):
    out = work / "out"
    out.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", out], check=True, capture_output=True)
    return out


def full(args, work):
    out = volume(work, "size=1m")
    try:
        root = work / "in"
        fill(root, 40, 1, True)
        (out / "ballast").write_bytes(b"x" * (1 << 20))
        daemon = Daemon(args.binary, work, root, out)
        until("the pause", 60, lambda: "output" in (status(root).get("paused") or ""))
        time.sleep(5)
        cpu = daemon.usage()[0]
        (out / "ballast").unlink()
        until("every pair", 400, lambda: len(reports(root)) == 20)
        return {"cpu_s_until_room": round(cpu, 1)} | ledger(daemon, root)
    finally:
        subprocess.run(["umount", "-l", out], check=True)


def readonly(args, work):
    out = volume(work, "size=64m")
    try:
        root = work / "in"
        fill(root, 40, 1, True)
        subprocess.run(["mount", "-o", "remount,ro", out], check=True)
        daemon = Daemon(args.binary, work, root, out)
        until("the pause", 60, lambda: "output" in (status(root).get("paused") or ""))
        subprocess.run(["mount", "-o", "remount,rw", out], check=True)
        until("every pair", 400, lambda: len(reports(root)) == 20)
        return {"pairs": 20} | ledger(daemon, root)
    finally:
        subprocess.run(["umount", "-l", out], check=True)


def drop(data, place):
    """As copying programs do it: in pieces, under the name that the file is to have."""
    with open(place, "wb") as file:
        for piece in range(3):
            file.write(data[len(data) * piece // 3 : len(data) * (piece + 1) // 3])
            file.flush()
            time.sleep(0.3)


def afternoon(args, work):
    photos = pathlib.Path(__file__).parent / "photos"
    masks, clicks, shots = (work / name for name in ("masks", "clicks", "shots"))
    others = "".join(f'[[hot_folder]]\npath = "{root}"\naccount = 1\n' for root in (clicks, shots))
    for root in (masks, clicks, shots):
        (root / "day").mkdir(parents=True)
    daemon, orders = Daemon(args.binary, work, masks, None, others), []
    for photo in sorted(photos.glob("*[!k].png")):
        mask, data = photo.with_name(photo.stem + "_mask.png"), photo.read_bytes()
        x, y = (side // 2 for side in struct.unpack(">II", data[16:24]))
        drop(data, masks / "day" / photo.name)
        drop(mask.read_bytes(), masks / "day" / mask.name)
        drop(json.dumps({"points": [[x, y]]}).encode(), clicks / "day" / f"{photo.stem}.json")
        drop(data, clicks / "day" / photo.name)
        orders += [(masks, photo, [mask]), (clicks, photo, ["--point", f"{x},{y}"])]
    for frame in range(1, 4):
        # Of one content they would be charged once: each says its number in front of the last chunk.
        data, number = (photos / "boat.png").read_bytes(), b"tEXt" + f"frame\0{frame}".encode()
        text = struct.pack(">I", len(number) - 4) + number + struct.pack(">I", zlib.crc32(number))
        drop(data[:-12] + text + data[-12:], shots / f"shot_{frame:04}.png")
    drop((photos / "boat_mask.png").read_bytes(), shots / "shot_mask.png")
    drop(photo.read_bytes(), masks / "small.png")
    drop(MASK, masks / "small_mask.png")
    drop(b"call the agency", masks / "notes.txt")
    count = len(orders) + 4
    ended = lambda: [report for root in (masks, clicks, shots) for home in ("done", "failed") for report in (root / home).rglob("*.report.json")]
    until("every photo", 1200, lambda: len(ended()) == count)
    took = round(time.monotonic() - daemon.begun, 1)
    daemon.end()
    same = refused = 0
    for root, photo, what in orders:
        own, out = work / "own.png", root / "output" / "day" / photo.name
        own.unlink(missing_ok=True)
        run = subprocess.run([args.binary, "run", photo, *what, "-o", own, "--backend", "cpu"], capture_output=True)
        if (run.returncode == 0) != out.exists() or (out.exists() and own.read_bytes() != out.read_bytes()):
            raise SystemExit(f"{out} is not what `cleanplate run` makes of {photo.name}: {run.stderr.decode()}")
        same, refused = same + out.exists(), refused + (not out.exists())
    failed = [report.name for report in ended() if report.parent.name == "failed" or "failed" in report.parts[-3:-1]]
    frames = sorted(frame.name for frame in (shots / "output").glob("*.png"))
    charged, held = daemon.credits()
    made = same + len(frames)
    if held or charged != PRICE * made or len(frames) != 3 or len(failed) != refused + 1 or not (masks / "notes.txt").exists():
        raise SystemExit(f"{charged} charged and {held} held for {made} results, frames {frames}, failed {failed}")
    return {"photos": count, "took_s": took, "equal_to_run": same, "refused_by_both": refused, "frames": len(frames),
            "failed_with_report": len(failed), "credits_charged": charged}


def slow(args, work):
    import mfusepy

    behind, root = work / "behind", work / "in"
    fill(behind, 2_000, 20, True)
    root.mkdir()
    server = subprocess.Popen([sys.executable, __file__, "--serve", behind, root, "--delay-ms", str(args.delay_ms)])
    try:
        until("the file system", 20, lambda: os.path.ismount(root))
        daemon = Daemon(args.binary, work, root, work / "out", "poll_s = 5\n")
        first = first_result(daemon, behind)
        time.sleep(args.seconds)
        cpu, peak = daemon.usage()
        many = len(reports(behind))
        rate = many / (args.seconds + first["first_result_s"])
        return {"library": mfusepy.__name__, "delay_ms": args.delay_ms, "files": 2_000} | first | {
            "pairs_per_s": round(rate, 2), "cpu_s": round(cpu, 1), "peak_mib": round(peak)} | ledger(daemon, behind)
    finally:
        subprocess.run(["umount", "-l", root], check=False)
        server.wait()


def serve(behind, mount, delay_ms):
    """The slow file system: every call takes its time, then goes to the folder behind."""
    import mfusepy

    class Behind(mfusepy.Operations):
        use_ns = True

        def at(self, path):
            return os.path.join(behind, path.lstrip("/"))

        def getattr(self, path, fh=None):
            found = os.lstat(self.at(path))
            return {key: getattr(found, key) for key in ("st_atime", "st_ctime", "st_gid", "st_mode", "st_mtime", "st_nlink",
                                                         "st_size", "st_uid", "st_ino")}

        def readdir(self, path, fh):
            # With each one's type, as SMB and NFS list.
            with os.scandir(self.at(path)) as listed:
                types = {entry.name: stat.S_IFDIR if entry.is_dir(follow_symlinks=False) else stat.S_IFREG for entry in listed}
            return [".", "..", *((name, {"st_mode": kind}, 0) for name, kind in types.items())]

        def open(self, path, flags):
            return os.open(self.at(path), flags)

        def create(self, path, mode, fi=None):
            return os.open(self.at(path), os.O_RDWR | os.O_CREAT, mode)

        def read(self, path, size, offset, fh):
            return os.pread(fh, size, offset)

        def write(self, path, data, offset, fh):
            return os.pwrite(fh, data, offset)

        def truncate(self, path, length, fh=None):
            os.truncate(self.at(path), length)
            return 0

        def release(self, path, fh):
            os.close(fh)
            return 0

        def fsync(self, path, datasync, fh):
            os.fsync(fh)
            return 0

        def rename(self, old, new, *flags):
            os.rename(self.at(old), self.at(new))
            return 0

        def mkdir(self, path, mode):
            os.mkdir(self.at(path), mode)
            return 0

        def rmdir(self, path):
            os.rmdir(self.at(path))
            return 0

        def unlink(self, path):
            os.unlink(self.at(path))
            return 0

    def late(act):
        @functools.wraps(act)
        def wait(*args, **more):
            time.sleep(delay_ms / 1000)
            return act(*args, **more)

        return wait

    calls = {name: late(act) for name, act in vars(Behind).items() if callable(act) and name != "at"}
    mfusepy.FUSE(type("Slow", (Behind,), calls)(), str(mount), foreground=True, nothreads=False)


SCENARIOS = [waiting, pairs, vanish, full, readonly, afternoon, slow]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/release/cleanplate")
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--folders", type=int, default=1_000)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--delay-ms", type=float, default=5)
    parser.add_argument("--only", action="append", choices=[scenario.__name__ for scenario in SCENARIOS])
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        return serve(*args.serve, args.delay_ms)
    args.binary = str(pathlib.Path(args.binary).resolve())
    found = {"command": " ".join(["python", *sys.argv]), "load_at_start": round(os.getloadavg()[0], 1)}
    for scenario in SCENARIOS:
        if args.only and scenario.__name__ not in args.only:
            continue
        work = pathlib.Path(tempfile.mkdtemp(prefix="hot-folder-"))
        try:
            found[scenario.__name__] = scenario(args, work)
        except (ImportError, subprocess.CalledProcessError) as error:
            found[scenario.__name__] = {"not_measured": str(error)}
        finally:
            if Daemon.running:
                Daemon.running.end(signal.SIGKILL)
        print(scenario.__name__, found[scenario.__name__], file=sys.stderr)
        shutil.rmtree(work, ignore_errors=True)
    found["load_at_end"] = round(os.getloadavg()[0], 1)
    text = json.dumps(found, indent=1)
    print(text)
    if args.out:
        args.out.write_text(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
