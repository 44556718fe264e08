#!/usr/bin/env python3
"""Times `cleanplate bench` beside PyTorch on the same machine in the same run, in alternation, and prints the ratio.

    python benches/compare_lama.py --model big-lama --size 512x512 --rounds 3 [--binary target/release/cleanplate]
                                   [--out benches/results/NAME.json]

A ratio of 1.5 means that the product takes half as long again as PyTorch. Needs `torch` (see lama_torch.py).
"""

import argparse
import json
import pathlib
import platform
import statistics
import subprocess
import sys


def last_json(command):
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(result.stdout.strip().splitlines()[-1])


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="big-lama")
    parser.add_argument("--size", default="512x512")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--binary", default="target/release/cleanplate")
    parser.add_argument("--out")
    args = parser.parse_args()

    here = pathlib.Path(__file__).parent
    common = ["--model", args.model, "--size", args.size, "--runs", str(args.runs)]
    ours, theirs = [], []
    for _ in range(args.rounds):
        ours.append(last_json([args.binary, "bench", *common, "--random-weights", "--backend", "cpu", "--json"]))
        theirs.append(last_json([sys.executable, str(here / "lama_torch.py"), *common]))
    median = lambda rows: statistics.median(row["median_ms"] for row in rows)
    report = {
        "what": f"{args.model} {args.size}, CPU, {args.rounds} rounds of {args.runs} runs in alternation",
        "processor": processor(),
        "cleanplate_median_ms": median(ours),
        "cleanplate_gflop_per_s": statistics.median(row["gflop_per_s"] for row in ours),
        "cleanplate_peak_bytes": ours[0]["peak_bytes"],
        "torch_version": theirs[0]["version"],
        "torch_threads": theirs[0]["threads"],
        "torch_median_ms": median(theirs),
        "ratio": median(ours) / median(theirs),
        "ratios": [o["median_ms"] / t["median_ms"] for o, t in zip(ours, theirs)],
    }
    text = json.dumps(report, indent=1)
    print(text)
    if args.out:
        pathlib.Path(args.out).write_text(text + "\n")


if __name__ == "__main__":
    main()
