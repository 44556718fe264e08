"""Photos, label maps and cut-outs from tar shards, read in place.

A data folder holds `index.tsv` and some of its shards: a shard that has not arrived yet is skipped, so training can begin with
the first one. Held-out photos are only ever given by `Shards(..., held_out=True)`.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import os
import tarfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

HELD_OUT_SHARD = "heldout.tar"

#: Licence class of every set, as the data's own README states it.
LICENCES: dict[str, str] = {
    "osie": "permissive (MIT on the repository)",
    "nips2017": "permissive (CC BY 2.0 each)",
    "ccp": "permissive (Apache-2.0 on the repository)",
    "feral_cats": "permissive (MIT on the repository)",
    "facades574": "permissive (CC BY 4.0)",
    "clothing_cc0": "permissive (CC0)",
    "feedme_food": "permissive (Pexels, Flickr CC with credits)",
    "cats_maxogden": "permissive (BSD stated)",
    "coco_minto": "mixed (annotations CC BY 4.0, photos Flickr CC, part of them NC)",
    "coco_lightly": "mixed (COCO subset)",
    "coco_mini": "mixed (COCO subset)",
    "coco_tiny_zz": "mixed (COCO subset)",
    "coco_tiny_liz": "mixed (COCO subset)",
    "bag600": "non-commercial (CC BY-NC-SA 4.0)",
    "camvid": "non-commercial (research / BY-NC)",
    "mit8scenes": "research (Oliva & Torralba research data)",
    "imagenet_sample": "research (ImageNet terms)",
    "ecssd": "research (CUHK research set)",
    "pets600": "research (CC BY-SA 4.0 upstream; this copy says research only)",
    "bsds500": "research (non-commercial research)",
    "imagewoof2_320": "research (ImageNet terms)",
    "hymenoptera": "research (ImageNet subset)",
    "deepphoto120": "research (academic use only)",
    "houses": "unstated",
    "human_seg290": "unstated",
    "weather840": "unstated",
    "viet_landmarks": "unstated",
    "coworking160": "unstated",
    "carparts500": "unstated",
    "rabbits197": "unstated",
    "kangaroo": "unstated",
}

#: Sets whose training photos carry salt-and-pepper noise: `Shards.image` cleans them, and inpainting must not learn from them.
NOISY_SETS = frozenset({"feral_cats"})


@dataclasses.dataclass(frozen=True)
class Photo:
    """One row of the index. `width` and `height` in pixels."""

    name: str
    shard: str
    set: str
    width: int
    height: int
    has_mask: bool


class _Members:
    """Bytes of a tar file's members by name, without unpacking it. Safe to share between threads."""

    def __init__(self, path: Path) -> None:
        with tarfile.open(path) as tar:
            self._at = {member.name: (member.offset_data, member.size) for member in tar if member.isfile()}
        self._file = os.open(path, os.O_RDONLY)

    def __contains__(self, name: str) -> bool:
        return name in self._at

    def names(self) -> list[str]:
        return sorted(self._at)

    def read(self, name: str) -> bytes:
        offset, size = self._at[name]
        return os.pread(self._file, size, offset)


def _index(rows: Iterable[dict[str, str]]) -> list[Photo]:
    """The index's rows. A few names occur twice, in a training shard and held out, and both rows name the training shard: the
    second one is the held-out photo."""
    photos: list[Photo] = []
    seen: set[str] = set()
    for r in rows:
        shard = HELD_OUT_SHARD if r["name"] in seen else r["shard"]
        seen.add(r["name"])
        photos.append(Photo(r["name"], shard, r["set"], int(r["width"]), int(r["height"]), r["has_mask"] == "1"))
    return photos


class Shards:
    """The photos of a data folder: training ones, or with `held_out` the evaluation ones; never both."""

    def __init__(self, folder: str | Path, *, licences: str = "all", held_out: bool = False, masks_only: bool = False) -> None:
        if licences not in ("all", "permissive"):
            raise ValueError(f"licences = {licences!r}: wanted all or permissive")
        folder = Path(folder)
        with open(folder / "index.tsv", newline="") as file:
            photos = _index(csv.DictReader(file, delimiter="\t"))
        photos = [p for p in photos if (p.shard == HELD_OUT_SHARD) == held_out]
        if licences == "permissive" and not held_out:
            photos = [p for p in photos if LICENCES.get(p.set, "unstated").startswith("permissive")]
        if masks_only:
            photos = [p for p in photos if p.has_mask]
        present = sorted({p.shard for p in photos if (folder / p.shard).is_file()})
        self._members = {shard: _Members(folder / shard) for shard in present}
        self.photos = [p for p in photos if p.shard in self._members]
        if not self.photos:
            raise FileNotFoundError(f"{folder} holds none of the wanted shards: put train-*.tar or {HELD_OUT_SHARD} there")

    def image(self, photo: Photo) -> np.ndarray:
        """RGB u8 `[height, width, 3]`."""
        data = self._members[photo.shard].read(f"{photo.name}.webp")
        image = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        if photo.set in NOISY_SETS and photo.shard != HELD_OUT_SHARD:
            import cv2

            image = cv2.medianBlur(image, 3)
        return image

    def labels(self, photo: Photo) -> np.ndarray:
        """Label map u8 `[height, width]`: 0 is background, k is instance k."""
        data = self._members[photo.shard].read(f"{photo.name}.png")
        return np.asarray(Image.open(io.BytesIO(data)))

    def by_set(self) -> dict[str, list[Photo]]:
        """The photos of each set, so that sets can be sampled evenly rather than photos."""
        sets: dict[str, list[Photo]] = defaultdict(list)
        for photo in self.photos:
            sets[photo.set].append(photo)
        return dict(sets)


class Cutouts:
    """Photographic objects with alpha, for exact composites."""

    def __init__(self, folder: str | Path) -> None:
        path = Path(folder) / "cutouts.tar"
        self._members = _Members(path) if path.is_file() else None
        self.names = [n for n in self._members.names() if n.endswith(".webp")] if self._members else []

    def image(self, name: str) -> np.ndarray:
        """RGBA u8 `[height, width, 4]`."""
        assert self._members is not None
        return np.asarray(Image.open(io.BytesIO(self._members.read(name))).convert("RGBA"))
