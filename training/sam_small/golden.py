"""Writes a tiny random sam-small with its answers, for the product's tests: `python -m training.sam_small.golden --out FILE.gz`.

Weights come from a seed and are not stored; the answers are those of float32 on a CPU.
"""

from __future__ import annotations

import argparse
import gzip
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from training.goldens import random_weights
from training.sam_small import export
from training.sam_small.evaluate import Segmenter
from training.sam_small.model import BACKGROUND, CORNER_FIRST, CORNER_SECOND, FOREGROUND, NO_POINT, Config, SamSmall

#: One whose masks are neither empty nor full.
SEED = 1
TINY = Config(
    side=128, dims=(16, 24, 32, 320), depths=(1, 1, 2, 0), encoder_heads=(1, 2, 4, 10), windows=(1, 5, 7, 3), mlps=(40, 64, 24, 48),
    squeeze=12, dim=32, mlp=48, heads=4, iou_hidden=24,
)  # fmt: skip
#: Height and width of the photos: wider than high, higher than wide, larger than the square.
SIZES = ((96, 120), (120, 77), (150, 200))


def network() -> SamSmall:
    """Random, from the seed that the file states."""
    model = SamSmall(TINY)
    with torch.no_grad():
        for name, t in model.state_dict().items():
            if t.is_floating_point():
                t.copy_(torch.from_numpy(random_weights.tensor(name, tuple(t.shape), SEED)))
    return model.eval()


def photo(height: int, width: int) -> np.ndarray:
    """Blobs and noise, u8 `[height, width, 3]`."""
    rng = np.random.default_rng(height)
    y, x = np.mgrid[:height, :width][..., None] / max(height, width)
    waves = np.sin(rng.uniform(3, 20, 3) * x + rng.uniform(3, 20, 3) * y + rng.uniform(0, 6, 3))
    return np.clip(128 + 90 * waves + rng.normal(0, 12, (height, width, 3)), 0, 255).astype(np.uint8)


def prompts(height: int, width: int) -> list[dict[str, object]]:
    """One click; two clicks; a click and a box."""
    one, two, box = [width * 0.4, height * 0.55], [width * 0.8, height * 0.2], [width * 0.2, height * 0.3, width * 0.9, height * 0.85]
    return [
        {"points": [one], "labels": [1], "box": None},
        {"points": [one, two], "labels": [1, 0], "box": None},
        {"points": [two], "labels": [1], "box": [round(v) for v in box]},
    ]


def answers(segmenter: Segmenter, prompt: dict[str, object]) -> dict[str, Tensor]:
    points = list(prompt["points"])
    labels = [FOREGROUND if l == 1 else BACKGROUND for l in prompt["labels"]]
    if prompt["box"]:
        x1, y1, x2, y2 = prompt["box"]
        points, labels = points + [[x1, y1], [x2, y2]], labels + [CORNER_FIRST, CORNER_SECOND]
    else:
        points, labels = points + [[0, 0]], labels + [NO_POINT]
    logits, quality = segmenter.answers([np.array(points, np.float32)], [np.array(labels)])
    best = 1 + int(quality[0, 1:].argmax())
    mask = segmenter.restored(logits[:, best])[0].to(torch.uint8) * 255
    return {"low_res_logits": logits[0].half().contiguous(), "iou": quality[0].float(), "mask_u8": mask}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    segmenter = Segmenter(network())
    tensors = {}
    cases = []
    for k, (height, width) in enumerate(SIZES):
        image = photo(height, width)
        segmenter.open(image)
        tensors[f"case{k}.image"] = torch.from_numpy(image)
        tensors[f"case{k}.expect.embedding"] = segmenter.embedding[0].half().contiguous()
        cases.append({"prompts": prompts(height, width)})
        for j, prompt in enumerate(cases[-1]["prompts"]):
            tensors |= {f"case{k}.prompt{j}.expect.{name}": t for name, t in answers(segmenter, prompt).items()}
    args.out.write_bytes(gzip.compress(save(tensors, export.metadata(TINY) | {"seed": str(SEED), "cases": json.dumps(cases)}), mtime=0))


if __name__ == "__main__":
    main()
