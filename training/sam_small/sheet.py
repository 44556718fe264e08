"""Pictures of what works and what does not: `python -m training.sam_small.sheet --data DIR --weights FILE --out FOLDER`.

One object of every n-th held-out photo, its largest, from one click and from its box, side by side; `successes.jpg` has the best and
`failures.jpg` the worst by the mean of the two IoU. Red is found, the white line is wanted, the prompt is yellow.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from training.data import Shards
from training.sam_small import prompts
from training.sam_small.evaluate import Segmenter, instances, iou, with_padding
from training.sam_small.export import read
from training.sam_small.model import CORNER_FIRST, CORNER_SECOND, FOREGROUND

TILE_PX = 220
ROWS, COLUMNS = 3, 3


def tile(photo: np.ndarray, found: np.ndarray, wanted: np.ndarray, mark) -> np.ndarray:
    """One answer on its photo, `[TILE_PX, TILE_PX, 3]`; `mark` draws the prompt."""
    picture = photo.copy()
    picture[found] = (picture[found] * 0.45 + np.array([230, 30, 30]) * 0.55).astype(np.uint8)
    outline, _ = cv2.findContours(wanted.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, outline, -1, (255, 255, 255), 2)
    mark(picture)
    scale = TILE_PX / max(photo.shape[:2])
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    out = np.full((TILE_PX, TILE_PX, 3), 24, np.uint8)
    out[: small.shape[0], : small.shape[1]] = small[:TILE_PX, :TILE_PX]
    return out


def answered(segmenter: Segmenter, photo: np.ndarray, wanted: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean IoU of click and box, and both tiles side by side."""
    segmenter.open(photo)
    x, y = prompts.innermost(wanted)
    x1, y1, x2, y2 = prompts.bounds(wanted)
    by_click = with_padding(segmenter)([np.array([[x, y]], np.float32)], [np.array([FOREGROUND])])[0]
    corners = np.array([[x1, y1], [x2 + 1, y2 + 1]], np.float32)
    by_box = segmenter.masks([corners], [np.array([CORNER_FIRST, CORNER_SECOND])])[0]
    yellow = (255, 220, 0)
    pair = [
        tile(photo, by_click, wanted, lambda p: cv2.circle(p, (x, y), 7, yellow, -1)),
        tile(photo, by_box, wanted, lambda p: cv2.rectangle(p, (x1, y1), (x2, y2), yellow, 2)),
    ]
    return (iou(by_click, wanted) + iou(by_box, wanted)) / 2, np.concatenate(pair, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--every", type=int, default=4, help="photos")
    args = parser.parse_args()
    shards = Shards(args.data, held_out=True, masks_only=True)
    segmenter = Segmenter(read(args.weights))
    rows = []
    for photo in shards.photos[:: args.every]:
        wanted = instances(shards.labels(photo))
        if wanted:
            rows.append(answered(segmenter, shards.image(photo), max(wanted, key=np.count_nonzero)))
    rows.sort(key=lambda row: -row[0])
    count = ROWS * COLUMNS
    for name, chosen in (("successes", rows[:count]), ("failures", rows[-count:])):
        lines = [np.concatenate([t for _, t in chosen[i : i + COLUMNS]], 1) for i in range(0, count, COLUMNS)]
        Image.fromarray(np.concatenate(lines)).save(args.out / f"{name}.jpg", quality=65)


if __name__ == "__main__":
    main()
