"""Runs the teacher over the training photos once: `python -m training.sam_small.features --data DIR --teacher mobile_sam.pt --out DIR`.

The first layers of the teacher's encoder are the student's, and stay as they are. What they give for a photo, and what the whole
encoder gives, is stored as f16, so that training reads photos no more: `tap.f16` `[N, S, S, 160]`, `embedding.f16` `[N, S, S, 256]` and a
line of `index.jsonl` a view. Views come photo by photo in a shuffled order, first whole, in the second round cropped and mirrored.
May be stopped at any time and goes on where it was; training may begin before it has ended.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from training.data import Photo, Shards
from training.sam_small.samples import fitted, normalised
from training.sam_small.teacher import load_teacher


@dataclasses.dataclass(frozen=True)
class View:
    """A rectangle of a photo (x1, y1, x2, y2 in its pixels, the last ones not included), perhaps mirrored."""

    name: str
    crop: tuple[int, int, int, int]
    mirrored: bool

    def cut(self, pixels: np.ndarray) -> np.ndarray:
        x1, y1, x2, y2 = self.crop
        part = pixels[y1:y2, x1:x2]
        return np.ascontiguousarray(part[:, ::-1] if self.mirrored else part)


def views(photos: list[Photo], rounds: int, seed: int) -> Iterator[tuple[Photo, View]]:
    """The same list in every call."""
    draw = random.Random(seed)
    for round_ in range(rounds):
        for photo in draw.sample(photos, len(photos)):
            crop = (0, 0, photo.width, photo.height)
            if round_ > 0:
                w, h = (max(64, int(n * draw.uniform(0.55, 1.0))) for n in (photo.width, photo.height))
                w, h = min(w, photo.width), min(h, photo.height)
                x, y = draw.randint(0, photo.width - w), draw.randint(0, photo.height - h)
                crop = (x, y, x + w, y + h)
            yield photo, View(photo.name, crop, round_ > 0 and draw.random() < 0.7)


def prepared(photo: np.ndarray, side: int) -> np.ndarray:
    """A photo u8 `[h, w, 3]` fitted into the square: f32 `[3, side, side]`."""
    height, width = fitted(*photo.shape[:2], side)
    shrinks = height < photo.shape[0]
    return normalised(cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR), side)


def coloured(photo: np.ndarray, seed: int) -> np.ndarray:
    """Other light, other contrast; sometimes without colour."""
    draw = random.Random(seed).uniform
    out = photo.astype(np.float32) * [draw(0.85, 1.15) for _ in range(3)]
    if draw(0, 1) < 0.1:
        out = np.repeat(out.mean(2, keepdims=True), 3, 2)
    return np.clip((out - 128) * draw(0.8, 1.2) + 128 + draw(-20, 20), 0, 255).astype(np.uint8)


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True, help="mobile_sam.pt as published")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--licences", choices=("all", "permissive"), default="all")
    parser.add_argument("--side", type=int, default=448)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    shards = Shards(args.data, licences=args.licences, masks_only=True)
    encoder = load_teacher(args.teacher).image_encoder.eval().to(args.device)
    args.out.mkdir(parents=True, exist_ok=True)
    index = args.out / "index.jsonl"
    done = sum(1 for _ in open(index)) if index.exists() else 0
    todo = list(views(shards.photos, args.rounds, seed=0))
    cells = (args.side // 16) ** 2
    with open(index, "a") as lines, open(args.out / "tap.f16", "ab") as taps, open(args.out / "embedding.f16", "ab") as embeddings:
        # A stop between two files leaves half a view.
        taps.truncate(done * cells * encoder.tap_channels * 2)
        embeddings.truncate(done * cells * encoder.channels * 2)

        def store(file, maps: Tensor) -> None:
            file.write(maps.permute(0, 2, 3, 1).half().cpu().contiguous().numpy().tobytes())
            file.flush()

        for at in range(done, len(todo), args.batch):
            part = todo[at : at + args.batch]
            photos = [view.cut(shards.image(photo)) for photo, view in part]
            photos = [coloured(p, at + i) if v.mirrored else p for i, (p, (_, v)) in enumerate(zip(photos, part))]
            square = torch.from_numpy(np.stack([prepared(p, args.side) for p in photos])).to(args.device)
            with torch.autocast(torch.device(args.device).type, torch.bfloat16):
                tap = encoder.tap(square.contiguous(memory_format=torch.channels_last))
                embedding = encoder.rest(tap)
            store(taps, tap)
            store(embeddings, embedding)
            for _, view in part:
                print(json.dumps(dataclasses.asdict(view)), file=lines)
            lines.flush()


if __name__ == "__main__":
    main()
