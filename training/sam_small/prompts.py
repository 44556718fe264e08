"""Simulated users: where they click, and the boxes they draw."""

from __future__ import annotations

import cv2
import numpy as np

from training.sam_small.model import BACKGROUND, FOREGROUND


def depth(region: np.ndarray) -> np.ndarray:
    """Distance f32 `[h, w]` of each pixel of a bool region to its outside, the frame included."""
    padded = np.pad(region.astype(np.uint8), 1)
    return cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]


def innermost(region: np.ndarray) -> tuple[int, int]:
    """x, y of the region's innermost pixel."""
    distance = depth(region)
    y, x = np.unravel_index(int(distance.argmax()), distance.shape)
    return int(x), int(y)


def loose(region: np.ndarray, rng: np.random.Generator) -> tuple[int, int]:
    """x, y of a pixel of the region: anything between any pixel and the innermost."""
    distance = depth(region)
    ys, xs = np.nonzero(distance >= max(rng.random() * distance.max(), 1e-6))
    pick = int(rng.integers(len(ys)))
    return int(xs[pick]), int(ys[pick])


def bounds(region: np.ndarray) -> tuple[int, int, int, int]:
    """First and last x and y as x1, y1, x2, y2, the last ones included."""
    ys, xs = np.flatnonzero(region.any(1)), np.flatnonzero(region.any(0))
    return int(xs[0]), int(ys[0]), int(xs[-1]), int(ys[-1])


def jittered_box(region: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A box as people draw it: each side off by up to a tenth of the object's size. f32 x1, y1, x2, y2 in the region's pixels."""
    x1, y1, x2, y2 = bounds(region)
    w, h = x2 + 1 - x1, y2 + 1 - y1
    spread = np.clip(rng.normal(0, 0.05, 4), -0.1, 0.12) * [w, h, w, h]
    frame = np.array([region.shape[1], region.shape[0]] * 2, np.float32)
    return np.clip(np.array([x1, y1, x2 + 1, y2 + 1], np.float32) + spread, 0, frame).astype(np.float32)


def correction(found: np.ndarray, wanted: np.ndarray, rng: np.random.Generator | None) -> tuple[int, int, int]:
    """x, y, label of the next click: in the larger of missed and surplus area, loosely, or (without `rng`) the innermost point of
    the largest connected error."""
    if rng is not None:
        missed, surplus = wanted & ~found, found & ~wanted
        total = int(missed.sum()) + int(surplus.sum())
        if total == 0:
            return (*loose(wanted, rng), FOREGROUND)
        of_missed = rng.random() < missed.sum() / total
        return (*loose(missed if of_missed else surplus, rng), FOREGROUND if of_missed else BACKGROUND)
    best, choice = 0, None
    for region, label in ((wanted & ~found, FOREGROUND), (found & ~wanted, BACKGROUND)):
        count, parts, stats, _ = cv2.connectedComponentsWithStats(region.astype(np.uint8), connectivity=8)
        if count > 1:
            part = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
            if stats[part, cv2.CC_STAT_AREA] > best:
                best, choice = int(stats[part, cv2.CC_STAT_AREA]), (parts == part, label)
    if choice is None:
        return (*innermost(wanted), FOREGROUND)
    return (*innermost(choice[0]), choice[1])
