"""Throughput of the service: a batch beside single calls, with and without micro-batching, against a running daemon.

    python benches/batch.py [--binary target/release/cleanplate] [--backend cpu|wgpu] [--pipeline lama-small]
                            [--pairs 50] [--side 256] [--rounds 3] [--out FILE.json]

Starts a daemon on a folder of its own for each value of `engine.micro_batch_max`, sends the same pairs (squares cut from
benches/photos, each with a hole of its own) in every way, and prints one line per way and a JSON object:

    singles      one client, one call after the other
    clients      as many single calls at a time as a key may have in flight
    batch        all pairs in one call of the batch service

The ways take turns within a round; times are medians over the rounds. Every way must give the same pictures: on the
processor to the byte, elsewhere the largest difference is printed. Needs Python 3.10 with numpy and Pillow.
"""

import argparse
import concurrent.futures
import hashlib
import io
import json
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

import numpy as np
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parent.parent
REMOVAL = "/v1/services/object-removal"
IN_FLIGHT = 16


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", default=str(ROOT / "target/release/cleanplate"))
    parser.add_argument("--backend", default="cpu", choices=["cpu", "wgpu", "auto"])
    parser.add_argument("--pipeline", default="lama-small")
    parser.add_argument("--pairs", type=int, default=50, help="1 to 50")
    parser.add_argument("--side", type=int, default=256, help="side of the photos, pixels")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--at-once", type=int, default=0, help="queue.at_once_max; 0: the daemon's own choice")
    parser.add_argument("--micro-batch", type=int, nargs="+", default=[1, 8], help="values of engine.micro_batch_max")
    parser.add_argument("--out", help="file for the JSON object")
    return parser.parse_args()


def png(array):
    out = io.BytesIO()
    Image.fromarray(array).save(out, "PNG", compress_level=1)
    return out.getvalue()


def pairs(count, side):
    """Squares of the photos, no two alike, and holes of an eighth of their side."""
    photos = [np.asarray(Image.open(path).convert("RGB")) for path in sorted((ROOT / "benches/photos").glob("*.png")) if "_mask" not in path.name]
    made = []
    for number in range(count):
        photo = photos[number % len(photos)]
        height, width = photo.shape[:2]
        step = number // len(photos)
        top, left = (step * 37) % (height - side + 1), (step * 53) % (width - side + 1)
        mask = np.zeros((side, side), np.uint8)
        low = side * 7 // 16
        mask[low : low + side // 8, low : low + side // 8] = 255
        made.append((png(photo[top : top + side, left : left + side]), png(mask)))
    return made


def form(files):
    """A multipart body of (field, bytes)."""
    edge = "cleanplate-bench"
    parts = []
    for field, data in files:
        head = f'--{edge}\r\nContent-Disposition: form-data; name="{field}"; filename="{field}.png"\r\nContent-Type: image/png\r\n\r\n'
        parts += [head.encode(), data, b"\r\n"]
    return b"".join(parts) + f"--{edge}--\r\n".encode(), f"multipart/form-data; boundary={edge}"


class Daemon:
    def __init__(self, args, micro_batch):
        self.args = args
        self.folder = tempfile.TemporaryDirectory()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"
        config = pathlib.Path(self.folder.name, "bench.toml")
        config.write_text(
            f'[engine]\nmicro_batch_max = {micro_batch}\n[queue]\nat_once_max = {args.at_once}\n[accounts]\nfirst_credits = 1000000\n'
            f'[rate_limits]\nremoval_per_minute = 100000\nbatch_per_minute = 100000\nread_per_minute = 100000\npublic_per_minute = 100000\n'
            f'[pipelines]\nallowed = ["{args.pipeline}"]\n'
        )
        command = [args.binary, "serve", "--backend", args.backend, "--listen", self.address, "--data", self.folder.name, "--config", str(config)]
        self.log = open(pathlib.Path(self.folder.name, "log"), "w+")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT)
        self.wait()
        self.key = re.search(r"sk-live-\w+", pathlib.Path(self.log.name).read_text()).group()

    def wait(self):
        for _ in range(1200):
            if self.process.poll() is not None:
                sys.exit(pathlib.Path(self.log.name).read_text())
            try:
                return self.read("/readyz")
            except OSError:
                time.sleep(0.05)
        sys.exit("the daemon was not ready within a minute")

    def read(self, path):
        url = path if path.startswith("http") else f"http://{self.address}{path}"
        with urllib.request.urlopen(url, timeout=600) as reply:
            return reply.read()

    def post(self, path, files, query=""):
        body, kind = form(files)
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": kind}
        request = urllib.request.Request(f"http://{self.address}{path}?pipeline={self.args.pipeline}{query}", body, headers)
        with urllib.request.urlopen(request, timeout=600) as reply:
            return json.load(reply)

    def single(self, pair):
        return self.post(REMOVAL, [("image", pair[0]), ("mask", pair[1])])["result"]["output_url"]

    def singles(self, work):
        return [self.single(pair) for pair in work]

    def clients(self, work):
        with concurrent.futures.ThreadPoolExecutor(IN_FLIGHT) as pool:
            return list(pool.map(self.single, work))

    def batch(self, work):
        files = [("images", image) for image, _ in work] + [("masks", mask) for _, mask in work]
        reply = self.post(f"{REMOVAL}/batch", files)
        assert reply["completed"] == len(work), reply
        return [result["output_url"] for result in reply["results"]]

    def network(self):
        text = self.read("/metrics").decode()
        return [int(float(re.search(rf"^cleanplate_network_{name}_total (\S+)", text, re.M).group(1))) for name in ("runs", "crops")]

    def device(self):
        return json.loads(self.read("/healthz"))["device"]

    def stop(self):
        self.process.terminate()
        self.process.wait(60)


def main():
    args = arguments()
    work = pairs(args.pairs, args.side)
    ways = ["singles", "clients", "batch"]
    daemons = {size: Daemon(args, size) for size in args.micro_batch}
    times = {(size, way): [] for size in daemons for way in ways}
    network, pictures = {}, {}
    for daemon in daemons.values():
        daemon.batch(work)
    for _ in range(args.rounds):
        for way in ways:
            for size, daemon in daemons.items():
                before = daemon.network()
                started = time.perf_counter()
                urls = getattr(daemon, way)(work)
                times[size, way].append(time.perf_counter() - started)
                after = daemon.network()
                network[size, way] = [end - start for start, end in zip(before, after)]
                pictures[size, way] = [daemon.read(url) for url in urls]
    device = next(iter(daemons.values())).device()
    for daemon in daemons.values():
        daemon.stop()
    first = pictures[args.micro_batch[0], "singles"]
    arrays = lambda files: [np.asarray(Image.open(io.BytesIO(data))).astype(int) for data in files]
    rows = []
    for size in args.micro_batch:
        for way in ways:
            seconds = times[size, way]
            median = statistics.median(seconds)
            runs, crops = network[size, way]
            same = pictures[size, way] == first
            largest = 0 if same else max(int(np.abs(a - b).max()) for a, b in zip(arrays(first), arrays(pictures[size, way])))
            rows.append(dict(micro_batch_max=size, way=way, median_s=round(median, 3), min_s=round(min(seconds), 3), photos_per_s=round(args.pairs / median, 2),
                             network_runs=runs, network_crops=crops, same_bytes=same, largest_difference=largest))
            print(f"micro_batch_max {size}  {way:8}  {median:7.2f} s  {args.pairs / median:6.2f} photos/s  {crops} crops in {runs} runs of the network"
                  f"  {'same bytes' if same else f'largest difference {largest} of 255'}", file=sys.stderr)
    report = dict(command=" ".join(["python", *sys.argv]), pairs=args.pairs, side=args.side, pipeline=args.pipeline, rounds=args.rounds,
                  clients=IN_FLIGHT, device=device, input_sha256=hashlib.sha256(b"".join(a + b for a, b in work)).hexdigest(), rows=rows)
    text = json.dumps(report, indent=1)
    print(text)
    if args.out:
        pathlib.Path(args.out).write_text(text + "\n")
    slower = [size for size in args.micro_batch if statistics.median(times[size, "batch"]) > statistics.median(times[size, "singles"])]
    if slower:
        sys.exit(f"a batch was slower than single calls at micro_batch_max {slower}")


if __name__ == "__main__":
    main()
