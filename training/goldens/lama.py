"""Writes LaMa's golden file: `python -m training.goldens.lama --out models/lama/golden/lama_tiny.safetensors.gz`.

What the generator in training/lama_small/model.py (PyTorch, float32 on a CPU) answers for random weights from a seed: the file holds the
seed, photos, masks and answers. `--against FILE` compares with the answers in a file for its seed. The published implementation's answers, for
weights of the same sizes, were reproduced bit by bit.
"""

from __future__ import annotations

import argparse
import gzip
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load, save

from training.goldens import random_weights
from training.goldens.photos import photo
from training.lama_small.model import CHECKPOINT_PREFIX, Config, Generator, network_input

CONFIG = Config(ngf=8, n_blocks=2)
SEED = 1
#: Heights and widths. The second is no multiple of 8: the network pads it.
SIZES = [(48, 48), (45, 61), (24, 72)]


def generator(config: Config, weight) -> Generator:
    """In evaluation mode, with `weight(name, shape)` for each published name."""
    network = Generator(config)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point():
                tensor.copy_(torch.from_numpy(weight(CHECKPOINT_PREFIX + name, tuple(tensor.shape))))
    return network.eval()


@torch.no_grad()
def answers(network: Generator, image: np.ndarray, mask: np.ndarray) -> dict[str, np.ndarray]:
    height, width = mask.shape
    pads = [(0, -height % 8), (0, -width % 8)]
    pixels = np.pad(image, [*pads, (0, 0)], "symmetric").astype(np.float32) / 255
    hole = (np.pad(mask, pads, "symmetric") >= 128).astype(np.float32)
    batch = torch.from_numpy(pixels).permute(2, 0, 1)[None], torch.from_numpy(hole)[None, None]
    taps, x = {}, network_input(*batch)
    names = {1: "stem", 1 + CONFIG.n_downsampling: "down3", 2 + CONFIG.n_downsampling: "block0"}
    for i, layer in enumerate(network.model):
        x = layer(x)
        if i in names:
            parts = [part for part in x if part is not None]
            taps[f"expect.{names[i]}"] = torch.cat(parts, 1)[0].numpy()
    output = x[0].numpy()
    shown = output[:, :height, :width].transpose(1, 2, 0)
    hole = (mask >= 128)[..., None].astype(np.float32)
    composite = (255 * (hole * shown + (1 - hole) * image.astype(np.float32) / 255)).astype(np.uint8)
    return taps | {"expect.output": output, "expect.composite_u8": composite}


def compare(file: Path) -> None:
    data = file.read_bytes()
    data = gzip.decompress(data) if file.suffix == ".gz" else data
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    tensors, seed = load(data), int(header["seed"])
    network = generator(Config(**json.loads(header["config"])), lambda name, shape: random_weights.tensor(name, shape, seed))
    case = 0
    while f"case{case}.image" in tensors:
        for name, got in answers(network, tensors[f"case{case}.image"], tensors[f"case{case}.mask"]).items():
            want = tensors[f"case{case}.{name}"]
            print(f"case{case}.{name}: {np.abs(got.astype(np.float64) - want).max():.2e}")
        case += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--against", type=Path)
    args = parser.parse_args()
    if args.against:
        compare(args.against)
    if args.out:
        network = generator(CONFIG, lambda name, shape: random_weights.tensor(name, shape, SEED))
        tensors = {}
        for case, size in enumerate(SIZES):
            image, mask = photo(*size)
            tensors |= {f"case{case}.image": image, f"case{case}.mask": mask}
            found = answers(network, image, mask)
            spread = float(found["expect.output"].std())
            assert spread > 0.01, f"case {case}: the answer is nearly constant ({spread}): choose another seed"
            tensors |= {f"case{case}.{name}": np.ascontiguousarray(v) for name, v in found.items()}
        metadata = {"arch": "lama", "seed": str(SEED), "config": json.dumps(asdict(CONFIG))}
        args.out.write_bytes(gzip.compress(save(tensors, metadata), 9, mtime=0))
        print(args.out, args.out.stat().st_size)


if __name__ == "__main__":
    main()
