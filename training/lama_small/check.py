"""Measures a run's averaged network on the training photos set aside, and keeps the best.

    python -m training.lama_small.check --data DATA RUN

does beside a running training what the training does by itself every `--check-steps`: RUN/best.safetensors, RUN/best.json and
RUN/sheet.jpg (photo, hole, fill). The least `vgg + texture / 2` is best: both have to fall, and texture is the noisier one.
"""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import torch

from . import checkpoint, losses, metrics
from .export import write_generator
from .model import Config, Generator, network_input
from .photos import validation_cases

SIDE = 256
SHEET_CASES = 12


@torch.no_grad()
def measure(generator, vgg, cases, device, sheet_path):
    """Mean `vgg` and `texture` over the cases; writes the contact sheet."""
    scores, rows = [], []
    for photo, hole in cases:
        photo, hole = photo.to(device), hole.to(device)
        filled = photo + hole * (generator(network_input(photo, hole)) - photo)
        scores.append(metrics.features(vgg(photo), vgg(filled), hole))
        if len(rows) < SHEET_CASES:
            strip = torch.cat((photo, photo * (1 - hole), filled), dim=3)[0].permute(1, 2, 0)
            rows.append((strip.cpu().numpy() * 255).round().astype(np.uint8))
    half = (len(rows) + 1) // 2
    rows += [np.zeros_like(rows[0])] * (2 * half - len(rows))
    sheet = np.hstack([np.vstack(rows[:half]), np.vstack(rows[half:])])
    cv2.imwrite(str(sheet_path), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])
    return {name: round(float(np.mean([score[name] for score in scores])), 4) for name in scores[0]}


def check(generator, step, vgg, cases, device, out):
    """Measures one checkpoint and keeps it in `out` if it is the best so far; its scores, and whether it is."""
    out = Path(out)
    scores = measure(generator, vgg, cases, device, out / "sheet.jpg")
    kept = out / "best.json"
    total = scores["vgg"] + scores["texture"] / 2
    better = not kept.exists() or total < json.loads(kept.read_text())["total"]
    if better:
        write_generator(generator, out / "best.safetensors", torch.float32)
        kept.write_text(json.dumps({"total": total, "step": step, "photos": len(cases), **scores}) + "\n")
    return {"step": step, "check": scores, "best": better}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--data", required=True)
    parser.add_argument("--licences", choices=("all", "permissive"), default="all")
    parser.add_argument("--photos", type=int, default=32)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    stored = checkpoint.load(Path(options.run) / "state")
    if stored is None:
        raise SystemExit(f"{options.run}/state: no state yet; train.py writes one every few minutes")
    tensors, info = stored
    generator = Generator(Config(**info["config"]))
    generator.load_state_dict(checkpoint.unpack("average", tensors))
    device = torch.device(options.device)
    cases = list(validation_cases(options.data, options.licences, SIDE, options.photos))
    vgg = losses.Vgg16().to(device)
    print(json.dumps(check(generator.eval().to(device), info["step"], vgg, cases, device, options.run)))


if __name__ == "__main__":
    main()
