"""Time of a fill of 0.1 megapixels, and time and memory of a 50-megapixel photo of which half is to be removed.

    python benches/fill_cost.py [--binary target/release/cleanplate] [--pipeline default] [--runs 5] [--backend cpu] [--no-large]

The small case is a demo photo at twice its size (1536x1024) with a disk of 0.1 megapixels as mask, run --runs times, every run a
process of its own; given are the medians of the pipeline's own stages (`cleanplate run --json`) and of the whole process. The
large case is a mosaic of the demo photos, 8660x5773, JPEG in and out, with its left half as mask; peak memory is what the
kernel says of the whole process. Prints one JSON object; needs numpy and OpenCV.
"""

import argparse
import json
import pathlib
import resource
import subprocess
import tempfile
import time

import cv2
import numpy as np

PHOTOS = pathlib.Path(__file__).parent / "photos"


def run(args, photo, mask, out):
    command = [args.binary, "run", str(photo), str(mask), "-o", str(out), "--pipeline", args.pipeline, "--backend", args.backend, "--json"]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(done.stderr)
    return seconds, json.loads(done.stdout)


def small(args, folder):
    photo = cv2.resize(cv2.imread(str(PHOTOS / "lighthouse.png")), (1536, 1024), interpolation=cv2.INTER_CUBIC)
    mask = np.zeros(photo.shape[:2], np.uint8)
    cv2.circle(mask, (700, 600), 178, 255, -1)
    cv2.imwrite(str(folder / "photo.png"), photo)
    cv2.imwrite(str(folder / "mask.png"), mask)
    rounds = [run(args, folder / "photo.png", folder / "mask.png", folder / "out.png") for _ in range(args.runs)]
    stages = {}
    for _, report in rounds:
        for stage in report["stages"]:
            stages.setdefault(stage["plugin"], []).append(stage["ms"])
    stages = {name: round(float(np.median(ms)), 1) for name, ms in stages.items()}
    return {
        "hole_megapixels": round(float((mask > 0).sum()) / 1e6, 4),
        "pipeline_s": round(sum(stages.values()) / 1000, 3),
        "process_s": round(float(np.median([seconds for seconds, _ in rounds])), 3),
        "stages_ms": stages,
    }


def large(args, folder):
    width, height = 8660, 5773
    tiles = [cv2.imread(str(PHOTOS / f"{name}.png"))[8:-8, 8:-8] for name in ("lighthouse", "boat", "beach", "caps", "door")]
    tile = np.vstack([np.hstack(tiles[:2]), np.hstack(tiles[2:4])])
    tile = cv2.resize(tile, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    repeat = (-(-height // tile.shape[0]), -(-width // tile.shape[1]), 1)
    photo = np.tile(tile, repeat)[:height, :width]
    mask = np.zeros((height, width), np.uint8)
    mask[:, : width // 2] = 255
    cv2.imwrite(str(folder / "photo.jpg"), photo, [cv2.IMWRITE_JPEG_QUALITY, 90])
    cv2.imwrite(str(folder / "mask.png"), mask)
    seconds, _ = run(args, folder / "photo.jpg", folder / "mask.png", folder / "out.jpg")
    # The largest of all children so far; the small runs before stay far below.
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return {"megapixels": round(width * height / 1e6, 1), "hole_share": 0.5, "process_s": round(seconds, 1), "peak_mib": round(peak / 2**20)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/release/cleanplate")
    parser.add_argument("--pipeline", default="default")
    parser.add_argument("--backend", default="cpu")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--no-large", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        report = {"pipeline": args.pipeline, "backend": args.backend, "small": small(args, folder)}
        if not args.no_large:
            report["large"] = large(args, folder)
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
