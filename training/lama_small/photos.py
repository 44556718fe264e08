"""Batches for inpainting: square crops of photos with holes.

Sets are drawn by weight, not photos, so that no set with many near-equal photos rules. One photo in `VALIDATION_SHARE` of the
*training* shards is set aside by the hash of its name: the best checkpoint is chosen on those, never on held-out photos.
"""

import queue
import threading
import zlib

import cv2
import numpy as np
import torch

from training.data import NOISY_SETS, Shards

from . import masks

VALIDATION_SHARE = 100
#: How often a set is drawn; scenes teach plates, close-ups of one object hardly do. Sets not named here count 0.5.
SET_WEIGHTS = {
    "mit8scenes": 3,
    "coco_minto": 4,
    "nips2017": 2.5,
    "imagenet_sample": 2,
    "osie": 2.5,
    "houses": 2,
    "ecssd": 2.5,
    "ccp": 1.5,
    "bsds500": 2,
    "facades574": 1,
    "deepphoto120": 1,
    "viet_landmarks": 1,
    "coworking160": 1,
    "coco_lightly": 1,
    "bag600": 0.2,
    "carparts500": 0.2,
}
OTHER_SET_WEIGHT = 0.5
#: Crop sides in pixels with the batch size and how often each is drawn: small crops give variety, large ones teach wide holes. The
#: largest is what photos of 256 pixels give when enlarged as far as `square` does.
SHAPES = ((128, 4, 0.3), (192, 2, 0.2), (256, 1, 0.25), (352, 1, 0.25))


def is_validation(name):
    return zlib.crc32(name.encode()) % VALIDATION_SHARE == 0


def square(image, side, rng, zoom_max=1.4):
    """A random square, at most `zoom_max` times enlarged, mirrored half the time: uint8 `[side, side, 3]`."""
    height, width = image.shape[:2]
    largest = min(height, width)
    smallest = min(int(side / zoom_max), largest)
    source = int(rng.integers(smallest, largest + 1))
    y, x = rng.integers(0, height - source + 1), rng.integers(0, width - source + 1)
    crop = image[y : y + source, x : x + source]
    interpolation = cv2.INTER_AREA if source > side else cv2.INTER_CUBIC
    crop = cv2.resize(crop, (side, side), interpolation=interpolation)
    return crop[:, ::-1] if rng.random() < 0.5 else crop


def centre_square(image, side):
    """The middle square at `side` pixels, without randomness."""
    height, width = image.shape[:2]
    source = min(height, width)
    y, x = (height - source) // 2, (width - source) // 2
    interpolation = cv2.INTER_AREA if source > side else cv2.INTER_CUBIC
    return cv2.resize(image[y : y + source, x : x + source], (side, side), interpolation=interpolation)


def to_tensor(images):
    """uint8 `[N, H, W, 3]` to float `[N, 3, H, W]` in 0..1, channels last in memory."""
    return torch.from_numpy(np.ascontiguousarray(np.stack(images))).permute(0, 3, 1, 2).float().div_(255)


class Batches:
    """Endless random batches `(photo [N, 3, S, S], hole [N, 1, S, S])`, prepared by threads; depends on the seed alone
    when there is one thread."""

    def __init__(self, data, licences, seed, threads=1, batch_scale=1):
        self.shards = Shards(data, licences=licences)
        photos = [p for p in self.shards.photos if p.set not in NOISY_SETS and not is_validation(p.name)]
        self.sets = {}
        for photo in photos:
            self.sets.setdefault(photo.set, []).append(photo)
        self.names = sorted(self.sets)
        weights = np.array([SET_WEIGHTS.get(name, OTHER_SET_WEIGHT) for name in self.names], float)
        self.weights = weights / weights.sum()
        self.labelled = [p for p in photos if p.has_mask]
        self.batch_scale = batch_scale
        self.ready = queue.Queue(maxsize=3 * threads)
        for index in range(threads):
            threading.Thread(target=self._work, args=(np.random.default_rng((seed, index)),), daemon=True).start()

    def _work(self, rng):
        try:
            while True:
                self.ready.put(self._batch(rng))
        except Exception as error:  # handed to the training loop, which raises it
            self.ready.put(error)

    def _batch(self, rng):
        side, count, _ = SHAPES[rng.choice(len(SHAPES), p=[share for *_, share in SHAPES])]
        crops, holes = [], []
        for _ in range(count * self.batch_scale):
            members = self.sets[self.names[rng.choice(len(self.names), p=self.weights)]]
            crops.append(square(self.shards.image(members[rng.integers(len(members))]), side, rng))
            labels = None
            if self.labelled and rng.random() < 0.5:
                labels = self.shards.labels(self.labelled[rng.integers(len(self.labelled))])
            holes.append(masks.draw(side, rng, labels))
        return to_tensor(crops), torch.from_numpy(np.stack(holes))[:, None].float()

    def __iter__(self):
        return self

    def __next__(self):
        batch = self.ready.get()
        if isinstance(batch, Exception):
            raise batch
        return batch


def validation_cases(data, licences, side, count):
    """Fixed `(photo [1, 3, S, S], hole [1, 1, S, S])` pairs from the photos set aside."""
    shards = Shards(data, licences=licences)
    photos = [p for p in shards.photos if p.set in SET_WEIGHTS and is_validation(p.name)]
    photos = sorted(photos, key=lambda p: zlib.crc32(p.name[::-1].encode()))[:count]
    for index, photo in enumerate(photos):
        hole = torch.from_numpy(masks.evaluation_hole(side, index))[None, None].float()
        yield to_tensor([centre_square(shards.image(photo), side)]), hole
