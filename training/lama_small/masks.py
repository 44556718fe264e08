"""Holes as LaMa's paper draws them (the "thick" recipe), plus holes of the shape of labelled objects.

Every generator takes a side in pixels and a `numpy.random.Generator` and returns uint8 `[side, side]`, 1 = fill. Lengths
are shares of the side, so a hole means the same at 128 and at 512 pixels.
"""

import cv2
import numpy as np

AREA_SHARE_MIN, AREA_SHARE_MAX = 0.02, 0.5
# The paper's figures are pixels of 256-pixel crops.
REFERENCE_SIDE = 256
STROKE_LENGTH_MAX, STROKE_WIDTH_MAX, STROKE_VERTICES_MAX, STROKES_MAX = 200, 100, 5, 5
BOX_MARGIN, BOX_SIDE_MIN, BOX_SIDE_MAX, BOXES_MAX = 10, 30, 150, 4


def strokes(side, rng):
    """Thick polylines that turn a little more than half way round at each vertex."""
    mask = np.zeros((side, side), np.uint8)
    scale = side / REFERENCE_SIDE
    for _ in range(rng.integers(1, STROKES_MAX + 1)):
        x, y = rng.integers(0, side, 2)
        for vertex in range(rng.integers(1, STROKE_VERTICES_MAX + 1)):
            angle = rng.uniform(0, 4) + (np.pi if vertex % 2 else 0)
            length = (10 + rng.uniform(0, STROKE_LENGTH_MAX)) * scale
            width = max(int((5 + rng.uniform(0, STROKE_WIDTH_MAX)) * scale), 1)
            end = np.clip([x + length * np.sin(angle), y + length * np.cos(angle)], 0, side - 1).astype(int)
            cv2.line(mask, (int(x), int(y)), (int(end[0]), int(end[1])), 1, width)
            x, y = end
    return mask


def boxes(side, rng):
    """One to four rectangles that keep off the border."""
    mask = np.zeros((side, side), np.uint8)
    scale = side / REFERENCE_SIDE
    margin = int(BOX_MARGIN * scale)
    for _ in range(rng.integers(1, BOXES_MAX + 1)):
        height, width = (rng.uniform(BOX_SIDE_MIN, BOX_SIDE_MAX, 2) * scale).astype(int)
        y, x = rng.integers(margin, side - margin - height), rng.integers(margin, side - margin - width)
        mask[y : y + height, x : x + width] = 1
    return mask


def blob(side, rng):
    """A few overlapping ellipses round the middle: an object without a label map."""
    mask = np.zeros((side, side), np.uint8)
    centre = rng.uniform(0.3, 0.7, 2) * side
    for _ in range(rng.integers(2, 6)):
        at = (centre + rng.normal(0, 0.1, 2) * side).astype(int)
        axes = np.maximum((rng.uniform(0.06, 0.24, 2) * side).astype(int), 1)
        cv2.ellipse(mask, tuple(map(int, at)), tuple(map(int, axes)), float(rng.uniform(0, 180)), 0, 360, 1, -1)
    return mask


def object_shape(labels, side, rng):
    """One instance of a label map (0 = background, k = instance k), scaled, mirrored, moved and grown; None if too small."""
    present = np.unique(labels)
    present = present[present > 0]
    if not len(present):
        return None
    shape = (labels == rng.choice(present)).astype(np.uint8)
    x, y, width, height = cv2.boundingRect(shape)
    if min(width, height) < 8:
        return None
    shape = shape[y : y + height, x : x + width]
    if rng.random() < 0.5:
        shape = shape[:, ::-1]
    scale = rng.uniform(0.25, 0.75) * side / max(width, height)
    size = max(int(width * scale), 2), max(int(height * scale), 2)
    shape = cv2.resize(np.ascontiguousarray(shape), size, interpolation=cv2.INTER_NEAREST)
    mask = np.zeros((side, side), np.uint8)
    y, x = rng.integers(0, side - size[1] + 1), rng.integers(0, side - size[0] + 1)
    mask[y : y + size[1], x : x + size[0]] = shape
    # A user's mask stands off the object by a few pixels.
    grow = 1 + 2 * rng.integers(1, max(side // 48, 2) + 1)
    return cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (int(grow), int(grow))))


def draw(side, rng, labels=None):
    """A random hole of 2 to 50 % of the square; `labels` is a label map to take an object's shape from, or None."""
    while True:
        kind = rng.random()
        mask = None
        if kind < 0.4:
            mask = strokes(side, rng)
        elif kind < 0.55:
            mask = boxes(side, rng)
        elif kind < 0.7 or labels is None:
            mask = blob(side, rng)
        else:
            mask = object_shape(labels, side, rng)
        if mask is not None and AREA_SHARE_MIN <= mask.mean() <= AREA_SHARE_MAX:
            return mask


def evaluation_hole(side, index):
    """The hole of photo `index` in every evaluation: blobs, strokes and boxes in turn, 8 to 30 % of the square."""
    rng = np.random.default_rng((20260101, index))
    kinds = (blob, strokes, blob, boxes)
    while True:
        mask = kinds[index % len(kinds)](REFERENCE_SIDE, rng)
        if 0.08 <= mask.mean() <= 0.3:
            return cv2.resize(mask, (side, side), interpolation=cv2.INTER_NEAREST)
