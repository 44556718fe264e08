"""Writes the file that the product loads: `python -m training.sam_small.export --weights STATE/average.safetensors --out FILE`.

f16, names as trained and published. The metadata states the sizes.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from training.sam_small.model import MEAN, STD, Config, SamSmall

#: Largest file that may ship, in bytes.
FILE_BYTES_MAX = 8 * 1024 * 1024
#: Names of `Config`'s sizes in the file: the encoder's and the decoder's.
_ENCODER = {
    "embed_dims": "dims",
    "depths": "depths",
    "num_heads": "encoder_heads",
    "window_sizes": "windows",
    "hidden_dims": "mlps",
    "neck_squeeze": "squeeze",
}
_DECODER = {"transformer_dim": "dim", "depth": "depth", "mlp_dim": "mlp", "num_heads": "heads", "iou_head_hidden_dim": "iou_hidden"}


def exported(model: SamSmall) -> dict[str, Tensor]:
    """The tensors as stored, in f32."""
    state = model.state_dict().items()
    return {name: t.detach().float().cpu().contiguous() for name, t in state if not name.endswith("num_batches_tracked")}


def described(config: Config) -> dict[str, object]:
    """The sizes as the product's `SamConfig` reads them."""
    encoder = {"encoder": "tiny_vit"} | {name: getattr(config, own) for name, own in _ENCODER.items()}
    decoder = {name: getattr(config, own) for name, own in _DECODER.items()}
    decoder |= {"attention_downsample_rate": 2, "iou_head_depth": 3}
    return {"img_size": config.side, "normalisation": {"mean": MEAN, "std": STD}, "encoder": encoder, "decoder": decoder}


def sizes(stated: str) -> Config:
    """The other way round."""
    values = json.loads(stated)
    found = {"side": values["img_size"]}
    for part, names in (("encoder", _ENCODER), ("decoder", _DECODER)):
        found |= {own: values[part][name] for name, own in names.items()}
    return Config(**{name: tuple(v) if isinstance(v, list) else v for name, v in found.items()})


def metadata(config: Config) -> dict[str, str]:
    """What the file says about itself."""
    return {"arch": "sam-small", "config": json.dumps(described(config))}


def read(path: Path) -> SamSmall:
    """A network from an exported file or from a training state's weights."""
    with safe_open(path, "pt") as file:
        stated = file.metadata() or {}
        tensors = {name: file.get_tensor(name).float() for name in file.keys()}
    model = SamSmall(sizes(stated["config"]) if "config" in stated else Config())
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
    save_file(tensors, path, metadata(model.config))
    if path.stat().st_size > FILE_BYTES_MAX:
        raise ValueError(f"{path} takes {path.stat().st_size} bytes, at most {FILE_BYTES_MAX} may ship")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--side", type=int, default=Config().side, help="of the square that photos are fitted into, in pixels")
    args = parser.parse_args()
    model = read(args.weights)
    model.config = dataclasses.replace(model.config, side=args.side)
    write(model, args.out)
    data = args.out.read_bytes()
    print(json.dumps({"file": args.out.name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}))


if __name__ == "__main__":
    main()
