"""Training samples: a photo fitted into the square, and masks of objects in it."""

from __future__ import annotations

import dataclasses
import random

import cv2
import numpy as np

from training.data import Cutouts, Photo, Shards
from training.sam_small.model import MEAN, STD

#: Logits per side of the padded square: one for 4 pixels.
MASK_STRIDE = 4
#: How often a set is drawn beside the square root of its size: scenes with every object labelled teach most about which pixels
#: belong together; windows of facades and car parts are many and alike.
_PREFERENCE = {
    "coco_lightly": 2.0, "coco_mini": 2.0, "coco_tiny_zz": 2.0, "coco_tiny_liz": 2.0, "coco_minto": 1.5, "bsds500": 2.0,
    "ecssd": 1.3, "facades574": 0.4, "carparts500": 0.6, "camvid": 0.7, "bag600": 0.6,
}  # fmt: skip
#: Sets whose single objects are whole and in front: fit to be pasted elsewhere.
_PASTE_SETS = ("ecssd", "pets600", "ccp", "human_seg290", "feral_cats", "bag600")
#: Smallest share of the photo that an object may take.
AREA_MIN = 0.004
#: Fewest logits that an object must fill: nobody can be asked to click on less.
CELLS_MIN = 8


@dataclasses.dataclass
class Sample:
    """`photo` f32 `[3, side, side]` normalised and zero-padded; `size` = [height, width] of the photo inside it;
    `masks` f32 `[M, side/4, side/4]`: share of each logit's pixels that belong to the object."""

    photo: np.ndarray
    size: tuple[int, int]
    masks: np.ndarray


def fitted(height: int, width: int, side: int) -> tuple[int, int]:
    """Height and width after the longer side became `side`, as SAM rounds."""
    scale = side / max(height, width)
    return max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))


def normalised(photo: np.ndarray, side: int) -> np.ndarray:
    """Resized RGB u8 `[h, w, 3]` to f32 `[3, side, side]`, padded with zeros right and below."""
    out = np.zeros((3, side, side), np.float32)
    out[:, : photo.shape[0], : photo.shape[1]] = ((photo.astype(np.float32) - MEAN) / STD).transpose(2, 0, 1)
    return out


def coarse(mask: np.ndarray, size: tuple[int, int], side: int) -> np.ndarray:
    """A mask bool `[h, w]` of a photo that is fitted to `size`, as shares f32 `[side/4, side/4]`."""
    full = np.zeros((side, side), np.float32)
    full[: size[0], : size[1]] = cv2.resize(mask.astype(np.float32), (size[1], size[0]), interpolation=cv2.INTER_AREA)
    cells = side // MASK_STRIDE
    return cv2.resize(full, (cells, cells), interpolation=cv2.INTER_AREA)


class Sampler:
    """Draws photos, sets evenly, and objects on them. Not to be shared between threads."""

    def __init__(self, shards: Shards, cutouts: Cutouts, seed: int, objects: int) -> None:
        self._shards, self._cutouts, self._objects = shards, cutouts, objects
        self._random = random.Random(seed)
        self._sets = shards.by_set()
        self._names = list(self._sets)
        self._weights = [len(self._sets[n]) ** 0.5 * _PREFERENCE.get(n, 1.0) for n in self._names]
        self._paste = [n for n in _PASTE_SETS if n in self._sets]

    def draw(self, side: int) -> Sample:
        """A sample with exactly `objects` masks (some twice where a photo has fewer)."""
        while True:
            photo = self._random.choice(self._sets[self._random.choices(self._names, self._weights)[0]])
            image, labels = self._shards.image(photo), self._shards.labels(photo).astype(np.int32)
            if self._random.random() < 0.25:
                image, labels = self._pasted(image, labels)
            image, labels = self._cropped(image, labels)
            size = fitted(*labels.shape, side)
            shares = [coarse(mask, size, side) for mask in self._masks(photo, labels)]
            shares = [s for s in shares if np.count_nonzero(s > 0.5) >= CELLS_MIN]
            if shares:
                break
        shares += self._random.choices(shares, k=self._objects - len(shares))
        shrinks = size[0] < labels.shape[0]
        image = cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        return Sample(normalised(self._coloured(image), side), size, np.stack(shares))

    def _masks(self, photo: Photo, labels: np.ndarray) -> list[np.ndarray]:
        ids, counts = np.unique(labels[labels > 0], return_counts=True)
        keep = counts >= AREA_MIN * labels.size
        ids, counts = ids[keep], counts[keep]
        if not len(ids):
            return []
        masks = []
        for label in self._random.choices(list(ids), list(np.sqrt(counts)), k=self._objects):
            if photo.set == "carparts500" and self._random.random() < 0.5:
                masks.append(labels > 0)
            else:
                masks.append(labels == label)
        return masks

    def _cropped(self, image: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self._random.random() < 0.5:
            image, labels = image[:, ::-1], labels[:, ::-1]
        if self._random.random() < 0.6:
            h, w = labels.shape
            ch, cw = (max(64, int(n * self._random.uniform(0.55, 1.0))) for n in (h, w))
            y, x = self._random.randint(0, max(0, h - ch)), self._random.randint(0, max(0, w - cw))
            image, labels = image[y : y + ch, x : x + cw], labels[y : y + ch, x : x + cw]
        return np.ascontiguousarray(image), labels

    def _pasted(self, image: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self._cutouts.names and (not self._paste or self._random.random() < 0.4):
            picture = self._cutouts.image(self._random.choice(self._cutouts.names))
            colour, alpha = picture[..., :3], picture[..., 3].astype(np.float32) / 255
        elif self._paste:
            photo = self._random.choice(self._sets[self._random.choice(self._paste)])
            colour, alpha = self._shards.image(photo), (self._shards.labels(photo) > 0).astype(np.float32)
            alpha = cv2.GaussianBlur(alpha, (3, 3), 0)
        else:
            return image, labels
        ys, xs = np.nonzero(alpha > 0.5)
        if len(ys) < 100:
            return image, labels
        box = np.s_[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
        colour, alpha = colour[box], alpha[box]
        h, w = labels.shape
        scale = self._random.uniform(0.2, 0.7) * min(h / alpha.shape[0], w / alpha.shape[1])
        size = (max(8, int(alpha.shape[1] * scale)), max(8, int(alpha.shape[0] * scale)))
        colour, alpha = (cv2.resize(a, size, interpolation=cv2.INTER_AREA) for a in (colour, alpha))
        if self._random.random() < 0.5:
            colour, alpha = colour[:, ::-1], alpha[:, ::-1]
        y, x = self._random.randint(0, max(0, h - size[1])), self._random.randint(0, max(0, w - size[0]))
        colour, alpha = colour[: h - y, : w - x], alpha[: h - y, : w - x]
        place = np.s_[y : y + alpha.shape[0], x : x + alpha.shape[1]]
        image, labels = image.copy(), labels.copy()
        image[place] = (image[place] * (1 - alpha[..., None]) + colour * alpha[..., None]).astype(np.uint8)
        labels[place][alpha > 0.5] = labels.max() + 1
        return image, labels

    def _coloured(self, image: np.ndarray) -> np.ndarray:
        draw = self._random.uniform
        out = image.astype(np.float32) * [draw(0.85, 1.15) for _ in range(3)]
        if self._random.random() < 0.1:
            out = np.repeat(out.mean(2, keepdims=True), 3, 2)
        out = (out - 128) * draw(0.8, 1.2) + 128 + draw(-20, 20)
        return np.clip(out, 0, 255).astype(np.uint8)
