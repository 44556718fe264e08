"""Writes the file the product loads: f16, names of the published checkpoints, the configuration in the metadata.

    python -m training.lama_small.export RUN/best.safetensors models/weights/lama-small/lama-small.safetensors

prints the file's size and SHA-256 as JSON, the two lines of model.toml that belong to it.
"""

import argparse
import hashlib
import json
import os
from pathlib import Path

import torch
from safetensors.torch import save_file

from .model import CHECKPOINT_PREFIX, load_generator

FILE_BYTES_MAX = 8 * 1024 * 1024


def write_generator(generator, path, dtype):
    """Stores a generator; a reader never sees half a file."""
    path = Path(path)
    tensors = {}
    for name, tensor in generator.state_dict().items():
        if not tensor.dtype.is_floating_point:
            continue  # batch norm's count of batches: nothing reads it
        tensor = tensor.detach().to("cpu", dtype).contiguous()
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{name} is not finite as {dtype}: not written to {path}")
        tensors[CHECKPOINT_PREFIX + name] = tensor
    temporary = path.with_name(path.name + ".tmp")
    save_file(tensors, temporary, metadata={"arch": "lama", "config": generator.config.to_json()})
    os.replace(temporary, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("target")
    options = parser.parse_args()
    write_generator(load_generator(options.source), options.target, torch.float16)
    data = Path(options.target).read_bytes()
    if len(data) > FILE_BYTES_MAX:
        raise SystemExit(f"{options.target} has {len(data)} bytes, at most {FILE_BYTES_MAX} may ship: fewer channels or blocks")
    print(json.dumps({"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}))


if __name__ == "__main__":
    main()
