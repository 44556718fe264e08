"""Writes MI-GAN's golden file: `python -m training.goldens.migan --out models/migan/golden/migan_tiny.safetensors.gz`.

What the published generator (Picsart-AI-Research/MI-GAN, `migan_inference.py`), written down here in NumPy, answers for random weights from
a seed, float32: the file holds the seed, photos, masks and answers. `--against FILE` compares with the answers in a file for its seed.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from training.goldens import random_weights
from training.goldens.photos import photo

CONFIG = {"resolution": 64, "ch_base": 512, "ch_max": 32}
SEED = 1
#: Heights and widths. The noise of a level is tiled from the top left where the level is larger.
SIZES = [(64, 64), (96, 128), (48, 80)]
#: The [1, 3, 3, 1] filter of every change of size, of sum 1.
FILTER = np.outer([1, 3, 3, 1], [1, 3, 3, 1]).astype(np.float32) / 64

Weight = Callable[[str, tuple[int, ...]], np.ndarray]


def lrelu(x: np.ndarray) -> np.ndarray:
    """Slope 0.2, gain root 2, clamped at 256."""
    return np.clip(np.where(x > 0, x, x * np.float32(0.2)) * np.float32(2**0.5), -256, 256)


def depthwise(x: np.ndarray, kernel: np.ndarray, stride: int = 1) -> np.ndarray:
    """`[C, H, W]` with `[C, k, k]`, zero padding 1."""
    k = kernel.shape[-1]
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    height, width = ((side + 2 - k) // stride + 1 for side in x.shape[1:])
    out = np.zeros((len(x), height, width), np.float32)
    for dy in range(k):
        for dx in range(k):
            part = padded[:, dy : dy + (height - 1) * stride + 1 : stride, dx : dx + (width - 1) * stride + 1 : stride]
            out += kernel[:, dy, dx, None, None] * part
    return out


def halved(x: np.ndarray) -> np.ndarray:
    return depthwise(x, np.broadcast_to(FILTER, (len(x), 4, 4)), 2)


def doubled(x: np.ndarray) -> np.ndarray:
    """Zeros between the pixels, then the filter with four times its sum."""
    c, height, width = x.shape
    spread = np.zeros((c, 2 * height + 1, 2 * width + 1), np.float32)
    spread[:, 1::2, 1::2] = x
    return depthwise(np.pad(spread, ((0, 0), (0, 1), (0, 1))), np.broadcast_to(4 * FILTER, (c, 4, 4)))[:, : 2 * height, : 2 * width]


def pointwise(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    return np.einsum("oc,chw->ohw", kernel, x, optimize=True).astype(np.float32)


class Generator:
    """Of `weight(name, shape)` for each published name."""

    def __init__(self, config: dict[str, int], weight: Weight) -> None:
        self.config, self.weight = config, weight

    def channels(self, level: int) -> int:
        return min(self.config["ch_base"] // level, self.config["ch_max"])

    def levels(self) -> Iterator[int]:
        level = self.config["resolution"]
        while level >= 4:
            yield level
            level //= 2

    def biased(self, x: np.ndarray, name: str, out: int) -> np.ndarray:
        kernel = self.weight(f"{name}.weight", (out, len(x), 1, 1))[:, :, 0, 0]
        return pointwise(x, kernel) + self.weight(f"{name}.bias", (out,))[:, None, None]

    def separable(self, x: np.ndarray, name: str, out: int, scale: Callable | None = None, level: int = 0) -> np.ndarray:
        c = len(x)
        kernel = self.weight(f"{name}.conv1.weight", (c, 1, 3, 3))[:, 0]
        x = lrelu(depthwise(x, kernel) + self.weight(f"{name}.conv1.bias", (c,))[:, None, None])
        if scale is halved:
            x = halved(x)
        x = pointwise(x, self.weight(f"{name}.conv2.weight", (out, c, 1, 1))[:, :, 0, 0])
        if scale is doubled:
            x = doubled(x)
        if level:
            noise = self.weight(f"{name}.noise", (level, level))
            height, width = x.shape[1:]
            x = x + np.tile(noise, (-(-height // level), -(-width // level)))[:height, :width]
        return lrelu(x)

    def answers(self, image: np.ndarray, mask: np.ndarray) -> dict[str, np.ndarray]:
        """Of a photo u8 `[H, W, 3]` and a hole u8 0 or 255 `[H, W]`, of sides that the network need not pad."""
        known = (mask < 128).astype(np.float32)[None]
        pixels = image.transpose(2, 0, 1).astype(np.float32) / np.float32(127.5) - 1
        first = self.config["resolution"]
        x = lrelu(self.biased(np.concatenate([known - np.float32(0.5), pixels * known]), f"encoder.b{first}.fromrgb", self.channels(first)))
        skips = {}
        for level in self.levels():
            name, halves = f"encoder.b{level}", level > 4
            skips[level] = self.separable(x, f"{name}.conv1", self.channels(level))
            x = self.separable(skips[level], f"{name}.conv2", self.channels(level // 2 if halves else 4), halved if halves else None)
        bottleneck, picture = x, None
        for level in reversed(list(self.levels())):
            name, noise = f"synthesis.b{level}", level if level > 4 else 0
            x = self.separable(x, f"{name}.conv1", self.channels(level), doubled if noise else None, noise) + skips[level]
            x = self.separable(x, f"{name}.conv2", self.channels(level), None, noise)
            colours = self.biased(x, f"{name}.torgb", 3)
            picture = colours if picture is None else colours + doubled(picture)
        shown = np.rint(np.clip(picture * np.float32(127.5) + np.float32(127.5), 0, 255)).astype(np.uint8).transpose(1, 2, 0)
        composite = np.where(mask[..., None] >= 128, shown, image)
        found = {"bottleneck": bottleneck, f"skip{first}": skips[first], "output": picture, "composite_u8": composite}
        return {f"expect.{name}": np.ascontiguousarray(value) for name, value in found.items()}


def stored(file: Path) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """Metadata and tensors of a safetensors file."""
    from safetensors.numpy import load

    data = file.read_bytes()
    data = gzip.decompress(data) if file.suffix == ".gz" else data
    return json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"], load(data)


def differences(file: Path) -> Iterator[tuple[str, float]]:
    """Largest differences to the answers in a file."""
    metadata, tensors = stored(file)
    seed = int(metadata["seed"])
    network = Generator(json.loads(metadata["config"]), lambda name, shape: random_weights.tensor(name, shape, seed))
    case = 0
    while f"case{case}.image" in tensors:
        for name, got in network.answers(tensors[f"case{case}.image"], tensors[f"case{case}.mask"]).items():
            want = tensors.get(f"case{case}.{name}")
            if want is not None:
                yield f"case{case}.{name}", float(np.abs(got.astype(np.float64) - want).max())
        case += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--against", type=Path)
    args = parser.parse_args()
    if args.against:
        for name, largest in differences(args.against):
            print(f"{name}: {largest:.2e}")
    if args.out:
        from safetensors.numpy import save

        network = Generator(CONFIG, lambda name, shape: random_weights.tensor(name, shape, SEED))
        tensors = {}
        for case, size in enumerate(SIZES):
            image, mask = photo(*size)
            image = image // 16 * 16  # coarse steps pack well
            found = network.answers(image, mask)
            spread = float(np.clip(found["expect.output"], -1, 1).std())
            assert spread > 0.05, f"case {case}: the answer is nearly constant ({spread}): choose another seed"
            if case:
                # The largest answers, which all later ones depend on.
                del found[f"expect.skip{CONFIG['resolution']}"]
            tensors |= {f"case{case}.image": image, f"case{case}.mask": mask}
            tensors |= {f"case{case}.{name}": value for name, value in found.items()}
        metadata = {"arch": "migan", "seed": str(SEED), "config": json.dumps(CONFIG)}
        args.out.write_bytes(gzip.compress(save(tensors, metadata), 9, mtime=0))
        print(args.out, args.out.stat().st_size)


if __name__ == "__main__":
    main()
