"""Measures sam-small on held-out photos: `python -m training.sam_small.evaluate --data DIR --weights FILE --out JSON`.

Every instance above 1 % of its photo. First click: the instance's innermost point; each next one: the innermost point of the largest
error; the answer to one click is the candidate of the highest predicted IoU, to more prompts the single mask, as in the product.
Box: the tight one. IoU at the photo's own size. Beside it, from the same prompts: GrabCut (box) and a flood fill by colour (clicks).
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from training.data import Photo, Shards
from training.sam_small import prompts
from training.sam_small.export import read
from training.sam_small.model import BACKGROUND, CORNER_FIRST, CORNER_SECOND, FOREGROUND, NO_POINT, SamSmall
from training.sam_small.samples import fitted, normalised

AREA_MIN = 0.01
CLICKS = (1, 3, 5)
#: Colour distance that the flood fill bridges between neighbours, of 255.
FLOOD_TOLERANCE = 12


class Segmenter:
    """The network as the product runs it: photo once, prompts many times."""

    def __init__(self, model: SamSmall, device: str = "cpu", side: int | None = None) -> None:
        self.model, self.device = model.eval().to(device), device
        self.side = side or model.config.side

    @torch.no_grad()
    def open(self, photo: np.ndarray) -> None:
        """Takes a photo u8 `[H, W, 3]`."""
        self.photo = photo.shape[:2]
        self.size = fitted(*self.photo, self.side)
        resized = np.asarray(Image.fromarray(photo).resize((self.size[1], self.size[0]), Image.Resampling.BILINEAR))
        self.embedding = self.model.encode(torch.from_numpy(normalised(resized, self.side))[None].to(self.device))

    @torch.no_grad()
    def masks(self, points: list[np.ndarray], labels: list[np.ndarray]) -> np.ndarray:
        """One mask per prompt, bool `[P, H, W]`: `points[i]` `[T, 2]` x, y in photo pixels, all prompts of the same length."""
        logits, quality = self.answers(points, labels)
        one_click = len(labels[0]) == 2 and all(kinds[1] == NO_POINT for kinds in labels)
        best = 1 + quality[:, 1:].argmax(1) if one_click else torch.zeros(len(points), dtype=torch.long)
        return self.restored(logits[torch.arange(len(points)), best]).cpu().numpy()

    @torch.no_grad()
    def answers(self, points: list[np.ndarray], labels: list[np.ndarray]) -> tuple[Tensor, Tensor]:
        """Logits `[P, 4, side/4, side/4]` and predicted IoU `[P, 4]`."""
        scale = np.array([self.size[1] / self.photo[1], self.size[0] / self.photo[0]], np.float32)
        places = torch.from_numpy(np.stack(points).astype(np.float32) * scale).to(self.device)
        kinds = torch.from_numpy(np.stack(labels)).to(self.device)
        owner = torch.zeros(len(points), dtype=torch.long, device=self.device)
        return self.model.decode(self.embedding, owner, places, kinds, self.side)

    def restored(self, logits: Tensor) -> Tensor:
        """Logits `[P, h, w]` of the square to masks bool `[P, H, W]` of the photo."""
        square = F.interpolate(logits[:, None], (self.side, self.side), mode="bilinear", align_corners=False)
        return F.interpolate(square[:, :, : self.size[0], : self.size[1]], self.photo, mode="bilinear", align_corners=False)[:, 0] > 0


def iou(found: np.ndarray, wanted: np.ndarray) -> float:
    return float((found & wanted).sum() / max(1, (found | wanted).sum()))


def grabcut(photo: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """OpenCV's GrabCut, five rounds from the box (last pixels included)."""
    mask = np.zeros(photo.shape[:2], np.uint8)
    x1, y1, x2, y2 = box
    if x2 - x1 + 1 >= photo.shape[1] and y2 - y1 + 1 >= photo.shape[0]:
        return np.ones(photo.shape[:2], bool)  # no background to learn from
    cv2.setRNGSeed(0)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(photo[..., ::-1].copy(), mask, (x1, y1, x2 - x1 + 1, y2 - y1 + 1), *models, 5, cv2.GC_INIT_WITH_RECT)
    return (mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)


def flood(photo: np.ndarray, points: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Pixels reached from the foreground clicks by small colour steps, without those reached from background clicks."""
    smooth = cv2.GaussianBlur(photo, (5, 5), 0)
    out = {FOREGROUND: np.zeros(photo.shape[:2], bool), BACKGROUND: np.zeros(photo.shape[:2], bool)}
    for (x, y), label in zip(points, labels):
        reached = np.zeros((photo.shape[0] + 2, photo.shape[1] + 2), np.uint8)
        flags = 4 | (255 << 8) | cv2.FLOODFILL_MASK_ONLY
        cv2.floodFill(smooth.copy(), reached, (int(x), int(y)), 0, (FLOOD_TOLERANCE,) * 3, (FLOOD_TOLERANCE,) * 3, flags)
        out[int(label)] |= reached[1:-1, 1:-1] > 0
    return out[FOREGROUND] & ~out[BACKGROUND]


def instances(labels: np.ndarray) -> list[np.ndarray]:
    """Masks bool of a label map's instances above the least area."""
    ids, counts = np.unique(labels[labels > 0], return_counts=True)
    return [labels == i for i, n in zip(ids, counts) if n >= AREA_MIN * labels.size]


def clicked(open_masks, wanted: list[np.ndarray]) -> dict[int, list[np.ndarray]]:
    """Answers after each number of clicks of `CLICKS`; `open_masks(points, labels)` answers all instances' prompts at once."""
    points = [np.array([prompts.innermost(w)], np.float32) for w in wanted]
    labels = [np.array([FOREGROUND]) for _ in wanted]
    answers = {}
    for count in range(1, max(CLICKS) + 1):
        found = open_masks(points, labels)
        if count in CLICKS:
            answers[count] = list(found)
        for i, (f, w) in enumerate(zip(found, wanted)):
            x, y, label = prompts.correction(f, w, None)
            points[i] = np.concatenate([points[i], np.array([[x, y]], np.float32)])
            labels[i] = np.append(labels[i], label)
    return answers


def with_padding(segmenter: Segmenter):
    """Clicks without a box get SAM's "no point" token."""

    def answer(points: list[np.ndarray], labels: list[np.ndarray]) -> np.ndarray:
        none = np.zeros((1, 2), np.float32)
        return segmenter.masks([np.concatenate([p, none]) for p in points], [np.append(l, NO_POINT) for l in labels])

    return answer


def measure(segmenter: Segmenter, photo: np.ndarray, wanted: list[np.ndarray], baselines: bool) -> list[dict[str, float]]:
    """IoU per instance and method."""
    segmenter.open(photo)
    boxes = [prompts.bounds(w) for w in wanted]
    corners = [np.array([[x1, y1], [x2 + 1, y2 + 1]], np.float32) for x1, y1, x2, y2 in boxes]
    by_box = segmenter.masks(corners, [np.array([CORNER_FIRST, CORNER_SECOND])] * len(wanted))
    by_click = clicked(with_padding(segmenter), wanted)
    rows = [{"box": iou(f, w)} | {f"clicks_{n}": iou(by_click[n][i], w) for n in CLICKS} for i, (f, w) in enumerate(zip(by_box, wanted))]
    if baselines:
        by_flood = clicked(lambda ps, ls: [flood(photo, p, l) for p, l in zip(ps, ls)], wanted)
        for i, (row, box, w) in enumerate(zip(rows, boxes, wanted)):
            row |= {"grabcut_box": iou(grabcut(photo, box), w)} | {f"flood_clicks_{n}": iou(by_flood[n][i], w) for n in CLICKS}
    return rows


def means(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(float(np.mean([r[name] for r in rows])), 4) for name in rows[0]}


def sampled(photos: list[Photo], share: float) -> list[Photo]:
    """Every n-th photo, for a quick look."""
    return photos[:: max(1, round(1 / share))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True, help="exported file, or average.safetensors of a training state")
    parser.add_argument("--out", type=Path, help="JSON file; standard output without")
    parser.add_argument("--side", type=int, help="another side of the square than the weights' own")
    parser.add_argument("--share", type=float, default=1.0, help="of the photos")
    parser.add_argument("--no-baselines", action="store_true")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    shards = Shards(args.data, held_out=True, masks_only=True)
    segmenter = Segmenter(read(args.weights), args.device, args.side)
    rows: dict[str, list[dict[str, float]]] = defaultdict(list)
    photos = sampled(shards.photos, args.share)
    for photo in photos:
        wanted = instances(shards.labels(photo))
        if wanted:
            rows[photo.set] += measure(segmenter, shards.image(photo), wanted, not args.no_baselines)
    everything = [row for of_set in rows.values() for row in of_set]
    sets = {name: {"instances": len(r)} | means(r) for name, r in sorted(rows.items())}
    over_sets = {name: round(float(np.mean([s[name] for s in sets.values()])), 4) for name in everything[0]}
    result = {
        "weights": args.weights.name,
        "side": segmenter.side,
        "photos": len(photos),
        "instances": len(everything),
        "mean_over_instances": means(everything),
        "mean_over_sets": over_sets,
        "sets": sets,
    }
    text = json.dumps(result, indent=1)
    args.out.write_text(text + "\n") if args.out else print(text)


if __name__ == "__main__":
    main()
