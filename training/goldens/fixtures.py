"""Writes what PyTorch saves of small networks, for the tests of the readers: `python -m training.goldens.fixtures --out models`.

A Lightning checkpoint and a traced TorchScript of LaMa, and a state dict of MI-GAN with the published names. These files have to hold their
weights, so each tensor repeats the first numbers that its seed gives: that packs to next to nothing, and as their count is a prime, no axes
can be exchanged unseen.
"""

from __future__ import annotations

import argparse
import gzip
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from training.goldens import migan, random_weights

SEED = 2
#: Numbers after which a tensor repeats itself.
PERIOD = 31


def weight(name: str, shape: tuple[int, ...]) -> np.ndarray:
    return np.resize(random_weights.tensor(name, shape, SEED).ravel()[:PERIOD], shape)


def migan_layout() -> Iterator[tuple[str, tuple[int, ...]]]:
    """Published names and shapes, those of the fixed filters among them."""
    weights: dict[str, np.ndarray] = {}
    network = migan.Generator(migan.CONFIG, lambda name, shape: weights.setdefault(name, np.zeros(shape, np.float32)))
    side = migan.CONFIG["resolution"]
    network.answers(np.zeros((side, side, 3), np.uint8), np.zeros((side, side), np.uint8))
    for name, value in weights.items():
        if not name.endswith(".noise"):
            yield name, value.shape
            continue
        layer = name.removesuffix(".noise")
        yield f"{layer}.noise_strength", ()
        yield f"{layer}.noise_const", value.shape
        if layer.endswith(".conv1"):
            yield f"{layer}.upsample.filter_const", (1, 1, *value.shape)
            yield f"{layer}.upsample.filter.weight", (network.channels(len(value)), 1, 4, 4)


def packed(file: Path, save) -> None:
    """What `save` writes. The archive's inner folder has the file's name."""
    file.unlink(missing_ok=True)
    plain = file.with_suffix("")
    save(str(plain))
    file.write_bytes(gzip.compress(plain.read_bytes(), 9, mtime=0))
    plain.unlink()
    print(file, file.stat().st_size)


def main() -> None:
    import torch

    from training.goldens.lama import CONFIG, generator
    from training.lama_small.model import CHECKPOINT_PREFIX, network_input

    class Whole(torch.nn.Module):
        """As the published script: photo and hole in."""

        def __init__(self) -> None:
            super().__init__()
            self.model = torch.nn.ModuleDict({"generator": generator(CONFIG, weight)})

        def forward(self, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return self.model["generator"](network_input(image, mask))

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out

    network = generator(CONFIG, weight)
    state = {CHECKPOINT_PREFIX + name: value for name, value in network.state_dict().items()}
    foreign = {"discriminator.model0.0.weight": torch.zeros(8, 3, 4, 4), "loss_resnet_pl.impl.conv1.weight": torch.zeros(4, 3, 3, 3)}
    about = {"epoch": 1, "global_step": 10, "pytorch-lightning_version": "1.2.9", "hparams_name": "config"}
    packed(out / "lama/golden/lama_tiny.ckpt.gz", lambda file: torch.save(about | {"state_dict": state | foreign}, file))

    whole = Whole().eval()
    example = torch.zeros(1, 3, 16, 16), torch.zeros(1, 1, 16, 16)
    packed(out / "lama/golden/lama_tiny_jit.pt.gz", lambda file: torch.jit.trace(whole, example).save(file))

    tensors = {name: torch.from_numpy(weight(name, shape)) for name, shape in migan_layout()}
    packed(out / "migan/golden/migan_tiny.pt.gz", lambda file: torch.save(tensors, file))


if __name__ == "__main__":
    main()
