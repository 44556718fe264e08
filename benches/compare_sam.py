#!/usr/bin/env python3
"""Times `cleanplate bench` of a SAM network beside PyTorch on the same machine in the same run, in alternation, and prints the ratios.

    python benches/compare_sam.py --model mobile-sam --rounds 3 [--binary target/release/cleanplate] [--out benches/results/NAME.json]

The encoder runs once a photo, the decoder once a prompt: from the second prompt on a photo costs the decoder only. A ratio of 1.5 means
that the product takes half as long again as PyTorch. Needs `torch` (see sam_torch.py).
"""

import argparse
import json
import pathlib
import statistics
import sys

from compare_lama import last_json, processor


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mobile-sam", choices=["mobile-sam", "sam-vit-b"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--binary", default="target/release/cleanplate")
    parser.add_argument("--out")
    args = parser.parse_args()

    here = pathlib.Path(__file__).parent
    common = ["--model", args.model, "--runs", str(args.runs)]
    encoders, decoders, torch = [], [], []
    for _ in range(args.rounds):
        ours = last_json([args.binary, "bench", *common, "--random-weights", "--backend", "cpu", "--json"])
        encoders.append(ours)
        decoders.append(next(part for part in ours["others"] if part["part"] == "decoder"))
        torch.append(last_json([sys.executable, str(here / "sam_torch.py"), *common]))

    def compare(ours, key):
        mine, theirs = [row["median_ms"] for row in ours], [row[key] for row in torch]
        return {
            "cleanplate_median_ms": statistics.median(mine),
            "cleanplate_gflop_per_s": statistics.median(row["gflop_per_s"] for row in ours),
            "cleanplate_peak_bytes": ours[0]["peak_bytes"],
            "torch_median_ms": statistics.median(theirs),
            "ratio": statistics.median(mine) / statistics.median(theirs),
            "ratios": [a / b for a, b in zip(mine, theirs)],
        }

    report = {
        "what": f"{args.model} at 1024x1024, CPU, {args.rounds} rounds of {args.runs} runs in alternation",
        "processor": processor(),
        "torch_version": torch[0]["version"],
        "torch_threads": torch[0]["threads"],
        "encoder": compare(encoders, "median_ms"),
        "decoder_of_one_click": compare(decoders, "decoder_median_ms"),
    }
    text = json.dumps(report, indent=1)
    print(text)
    if args.out:
        pathlib.Path(args.out).write_text(text + "\n")


if __name__ == "__main__":
    main()
