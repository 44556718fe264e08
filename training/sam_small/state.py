"""Training state in files that each stay under 16 MB, so that they can be carried between machines one by one."""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

#: Largest file that may be written, in bytes.
FILE_BYTES_MAX = 16 * 1024 * 1024


def _save(path: Path, tensors: dict[str, Tensor]) -> None:
    temporary = path.with_suffix(".tmp")
    save_file({name: t.detach().cpu().contiguous() for name, t in tensors.items()}, temporary)
    if temporary.stat().st_size > FILE_BYTES_MAX:
        raise ValueError(f"{path.name} takes {temporary.stat().st_size} bytes, at most {FILE_BYTES_MAX} may be written")
    os.replace(temporary, path)


class Average:
    """Exponential moving average of weights and statistics; young averages follow faster."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.tensors = {name: t.detach().clone() for name, t in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, t in model.state_dict().items():
            if t.is_floating_point():
                self.tensors[name].lerp_(t, 1 - decay)
            else:
                self.tensors[name].copy_(t)


def save(folder: Path, model: nn.Module, average: Average, optimiser: torch.optim.AdamW, progress: dict[str, float]) -> None:
    """Writes everything a later run needs. Moments are stored by parameter name."""
    folder.mkdir(parents=True, exist_ok=True)
    names = {id(p): name for name, p in model.named_parameters()}
    moments: dict[str, dict[str, Tensor]] = {"exp_avg": {}, "exp_avg_sq": {}}
    for p, state in optimiser.state.items():
        for kind, tensors in moments.items():
            tensors[names[id(p)]] = state[kind]
    _save(folder / "weights.safetensors", model.state_dict())
    _save(folder / "average.safetensors", average.tensors)
    for kind, tensors in moments.items():
        _save(folder / f"{kind}.safetensors", tensors)
    temporary = folder / "progress.tmp"
    temporary.write_text(json.dumps(progress, indent=1))
    os.replace(temporary, folder / "progress.json")


def load(folder: Path, model: nn.Module, average: Average, optimiser: torch.optim.AdamW) -> dict[str, float] | None:
    """Reads what `save` wrote, if there is anything."""
    if not (folder / "progress.json").is_file():
        return None
    progress = json.loads((folder / "progress.json").read_text())
    model.load_state_dict(load_file(folder / "weights.safetensors"))
    stored = load_file(folder / "average.safetensors")
    for name, t in average.tensors.items():
        t.copy_(stored[name])
    moments = {kind: load_file(folder / f"{kind}.safetensors") for kind in ("exp_avg", "exp_avg_sq")}
    for name, p in model.named_parameters():
        if name in moments["exp_avg"]:
            held = {kind: tensors[name].to(p.device) for kind, tensors in moments.items()}
            optimiser.state[p] = {"step": torch.tensor(float(progress["step"])), **held}
    return progress
