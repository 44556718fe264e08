"""Writes the file that the product loads: `python -m training.sam_small.export --weights STATE/average.safetensors --out FILE`.

f16, names as trained; batch norms keep their four parts, with the difference between Keras' and the product's epsilon moved into the
variance. Sizes are read off the tensors' shapes, the side of the square from the metadata.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from training.sam_small.model import BATCH_NORM_EPSILON, Config, SamSmall

#: Epsilon that the product adds to every stored variance.
PRODUCT_EPSILON = 1e-5
#: Largest file that may ship, in bytes.
FILE_BYTES_MAX = 8 * 1024 * 1024
_MARK = "epsilon_moved"


def exported(model: SamSmall) -> dict[str, Tensor]:
    """The tensors as stored, in f32."""
    out = {}
    for name, t in model.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        if name.endswith("running_var"):
            t = t + (BATCH_NORM_EPSILON - PRODUCT_EPSILON)
        out[name] = t.detach().float().cpu().contiguous()
    return out


def sizes(tensors: dict[str, Tensor], side: int) -> Config:
    """The network's sizes from its tensors."""
    trunk = "image_encoder.trunk"
    base, channels, block = Config(), [], 0
    for depth in base.depths:
        channels.append(tensors[f"{trunk}.blocks.{block}.project.c.weight"].shape[0])
        block += depth
    decoder = "mask_decoder"
    return Config(
        side=side,
        stem=tensors[f"{trunk}.stem.c.weight"].shape[0],
        channels=tuple(channels),
        dim=tensors[f"{decoder}.iou_token.weight"].shape[1],
        mlp=tensors[f"{decoder}.transformer.layers.0.mlp.lin1.weight"].shape[0],
        iou_hidden=tensors[f"{decoder}.iou_prediction_head.layers.0.weight"].shape[0],
    )


def read(path: Path) -> SamSmall:
    """A network from an exported file or from a training state's weights."""
    with safe_open(path, "pt") as file:
        metadata = file.metadata() or {}
        tensors = {name: file.get_tensor(name).float() for name in file.keys()}
    if metadata.get(_MARK):
        for name, t in tensors.items():
            if name.endswith("running_var"):
                t -= BATCH_NORM_EPSILON - PRODUCT_EPSILON
    model = SamSmall(sizes(tensors, int(metadata.get("img_size", Config().side))))
    missing, unknown = model.load_state_dict(tensors, strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or unknown:
        raise ValueError(f"{path}: lacks {missing[:3]}, has unknown {unknown[:3]}: wanted the tensors of sam-small")
    return model.eval()


def write(model: SamSmall, path: Path) -> None:
    """Stores the network in f16."""
    tensors = {name: t.half() for name, t in exported(model).items()}
    broken = [name for name, t in tensors.items() if not torch.isfinite(t).all()]
    if broken:
        raise ValueError(f"{broken[:3]} do not fit into f16")
    save_file(tensors, path, {"arch": "sam-small", "img_size": str(model.config.side), _MARK: "1"})
    if path.stat().st_size > FILE_BYTES_MAX:
        raise ValueError(f"{path} takes {path.stat().st_size} bytes, at most {FILE_BYTES_MAX} may ship")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    write(read(args.weights), args.out)
    data = args.out.read_bytes()
    print(json.dumps({"file": args.out.name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}))


if __name__ == "__main__":
    main()
