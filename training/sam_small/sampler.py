"""Training samples: stored features of a view, and masks of objects in it."""

from __future__ import annotations

import dataclasses
import json
import random
from pathlib import Path

import numpy as np
from torch import Tensor
import torch

from training.data import Photo, Shards
from training.sam_small.features import View
from training.sam_small.samples import coarse, fitted

#: How often a set is drawn beside the square root of its size: scenes with every object labelled teach most about which pixels
#: belong together; windows of facades and car parts are many and alike.
_PREFERENCE = {
    "coco_lightly": 2.0, "coco_mini": 2.0, "coco_tiny_zz": 2.0, "coco_tiny_liz": 2.0, "coco_minto": 1.5, "bsds500": 2.0,
    "ecssd": 1.3, "facades574": 0.4, "carparts500": 0.6, "camvid": 0.7, "bag600": 0.6,
}  # fmt: skip
#: Smallest share of the photo that an object may take.
AREA_MIN = 0.004
#: Fewest logits that an object must fill: nobody can be asked to click on less.
CELLS_MIN = 8


@dataclasses.dataclass
class Sample:
    """`tap` f16 `[C, S, S]` and `embedding` f16 `[D, S, S]` as the teacher gave them; `size` = [height, width] of the photo inside the
    square; `masks` f32 `[M, 4 S, 4 S]`: share of each logit's pixels that belong to the object."""

    tap: Tensor
    embedding: Tensor
    size: tuple[int, int]
    masks: np.ndarray


class Sampler:
    """Draws views, sets evenly, and objects on them. Not to be shared between threads."""

    def __init__(self, shards: Shards, features: Path, side: int, channels: tuple[int, int], seed: int, objects: int) -> None:
        self._shards, self._folder, self._side, self._objects = shards, features, side, objects
        self._cells, self._channels = side // 16, channels
        self._random = random.Random(seed)
        self._photos = {p.name: p for p in shards.photos}
        self._known = 0
        self.look()

    def look(self) -> None:
        """Takes in the views that have been stored since."""
        views = [json.loads(line) for line in open(self._folder / "index.jsonl")]
        if len(views) == self._known:
            return
        self._known = len(views)
        self._sets: dict[str, list[tuple[int, Photo, View]]] = {}
        for at, v in enumerate(views):
            # Without the ones of other licences.
            if (photo := self._photos.get(v["name"])) is not None:
                self._sets.setdefault(photo.set, []).append((at, photo, View(v["name"], tuple(v["crop"]), v["mirrored"])))
        self._names = list(self._sets)
        self._weights = [len(self._sets[n]) ** 0.5 * _PREFERENCE.get(n, 1.0) for n in self._names]
        shape = (self._known, self._cells, self._cells)
        self._taps, self._embeddings = (
            np.memmap(self._folder / name, np.float16, "r", shape=(*shape, c))
            for name, c in zip(("tap.f16", "embedding.f16"), self._channels)
        )

    def draw(self) -> Sample:
        """A sample with exactly `objects` masks (some twice where a photo has fewer)."""
        while True:
            at, photo, view = self._random.choice(self._sets[self._random.choices(self._names, self._weights)[0]])
            labels = view.cut(self._shards.labels(photo).astype(np.int32))
            size = fitted(*labels.shape, self._side)
            shares = [coarse(mask, size, self._side) for mask in self._masks(photo, labels)]
            shares = [s for s in shares if np.count_nonzero(s > 0.5) >= CELLS_MIN]
            if shares:
                break
        shares += self._random.choices(shares, k=self._objects - len(shares))
        tap, embedding = (torch.from_numpy(np.array(maps[at])).permute(2, 0, 1) for maps in (self._taps, self._embeddings))
        return Sample(tap, embedding, size, np.stack(shares))

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
