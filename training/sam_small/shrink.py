"""Makes sam-small's first weights of MobileSAM's: `python -m training.sam_small.shrink --teacher mobile_sam.pt --features DIR --out FILE`.

The encoder loses its last stage. Of every layer between two linear ones, the channels that add most to the output stay, and the second
linear layer is fitted anew (least squares) to give what all of them gave. The neck's 3x3 convolution becomes a 1x1 to the directions of its
input that matter most, and a 3x3 from there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from training.sam_small.model import FOREGROUND, NO_POINT, Config, SamSmall
from training.sam_small.teacher import load_teacher

VIEWS = 24
PROMPTS = 16


def thinned(first: nn.Linear, second: nn.Linear, hidden: Tensor, keep: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Weights and biases of both layers with `keep` channels between them; `hidden` `[T, channels]` are values seen there."""
    wanted = F.linear(hidden, second.weight, second.bias)
    centred = hidden - hidden.mean(0)
    importance = centred.pow(2).mean(0) * second.weight.pow(2).sum(0)
    chosen = importance.argsort(descending=True)[:keep].sort().values
    x = torch.cat([hidden[:, chosen], torch.ones(len(hidden), 1)], 1).double()
    gram = x.T @ x
    gram += 1e-4 * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
    fitted = torch.linalg.solve(gram, x.T @ wanted.double()).float()  # [keep + 1, OC]
    return first.weight[chosen], first.bias[chosen], fitted[:-1].T, fitted[-1]


def shrunk(teacher: SamSmall, taps: Tensor, embeddings: Tensor, config: Config) -> dict[str, Tensor]:
    """A state of the smaller network; `taps` `[N, C, S, S]` and `embeddings` `[N, D, S, S]` are some photos' features."""
    hidden: dict[str, list[Tensor]] = {}

    def watch(name: str, layer: nn.Module) -> None:
        layer.register_forward_pre_hook(lambda _, x: hidden.setdefault(name, []).append(x[0].detach().flatten(0, -2)))

    pairs: dict[str, tuple[str, str, int]] = {}
    for i in range(config.depths[2]):
        pairs[f"image_encoder.layers.2.blocks.{i}.mlp"] = ("fc1", "fc2", config.mlps[2])
    for i in range(config.depth):
        pairs[f"mask_decoder.transformer.layers.{i}.mlp"] = ("lin1", "lin2", config.mlp)
    for name, (_, second, _) in pairs.items():
        watch(name, teacher.get_submodule(f"{name}.{second}"))
    conv = teacher.get_submodule("image_encoder.neck.2")
    teacher.image_encoder.rest(taps)
    rng, side = np.random.default_rng(0), embeddings.shape[-1] * 16
    owner = torch.arange(len(embeddings)).repeat_interleave(PROMPTS)
    places = torch.from_numpy(rng.uniform(0, side, (len(owner), 2, 2)).astype(np.float32))
    labels = torch.tensor([[FOREGROUND, NO_POINT]]).repeat(len(owner), 1)
    boxes = torch.arange(len(owner)) % 2 == 1
    places[boxes] = torch.stack([places[boxes].amin(1), places[boxes].amax(1)], 1)
    labels[boxes] = torch.tensor([2, 3])
    for part in torch.arange(len(owner)).split(64):
        teacher.decode(embeddings, owner[part], places[part], labels[part], side)
    state = dict(teacher.state_dict())
    state = {name: t for name, t in state.items() if not name.startswith("image_encoder.layers.3.blocks.")}
    for name, (first, second, keep) in pairs.items():
        seen = torch.cat(hidden[name])
        values = thinned(teacher.get_submodule(f"{name}.{first}"), teacher.get_submodule(f"{name}.{second}"), seen, keep)
        for part, value in zip((f"{first}.weight", f"{first}.bias", f"{second}.weight", f"{second}.bias"), values):
            state[f"{name}.{part}"] = value.clone()
    # The second moment of what enters the neck's convolution, and of what its weights make of it.
    neck = teacher.image_encoder.neck
    rows = neck[1](neck[0](teacher.image_encoder.layers[3](teacher.image_encoder.layers[2](taps)))).permute(0, 2, 3, 1).flatten(0, 2)
    root = torch.linalg.cholesky((rows.T @ rows / len(rows)).double() + 1e-6 * torch.eye(rows.shape[1], dtype=torch.double))
    taken = conv.weight.permute(0, 2, 3, 1).flatten(0, 2).double() @ root  # [9 D, D]
    _, _, directions = torch.linalg.svd(taken, full_matrices=False)
    basis = directions[: config.squeeze]
    state.pop("image_encoder.neck.2.weight")
    state["image_encoder.neck.2.0.weight"] = (basis @ torch.linalg.inv(root)).float()[:, :, None, None]
    back = (taken @ basis.T).float().unflatten(0, (conv.weight.shape[0], 3, 3))
    state["image_encoder.neck.2.1.weight"] = back.permute(0, 3, 1, 2)
    return {name: t.contiguous() for name, t in state.items()}


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--features", type=Path, required=True, help="folder that features.py fills; some views are enough")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    config, teacher = Config(), load_teacher(args.teacher)
    cells = config.side // 16

    def stored(name: str, channels: int) -> Tensor:
        maps = np.fromfile(args.features / name, np.float16, VIEWS * cells * cells * channels)
        return torch.from_numpy(maps).view(-1, cells, cells, channels).permute(0, 3, 1, 2).float()

    state = shrunk(teacher, stored("tap.f16", config.dims[2]), stored("embedding.f16", config.dim), config)
    student = SamSmall(config)
    student.load_state_dict(state)
    save_file(state, args.out)
    print(f"{sum(p.numel() for p in student.parameters()):,} parameters, {sum(t.numel() for t in state.values()):,} numbers")


if __name__ == "__main__":
    main()
