"""Training state in a folder of safetensors files of at most 15 MB each, so that any of them can be carried alone.

A state is written to a temporary folder beside the old one and renamed: a run that is killed at any moment leaves either the
old state or the new one.
"""

import json
import os
import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file

PART_BYTES_MAX = 14_900_000


def save(folder, tensors, info):
    """Replaces the state in `folder` by `tensors` (name to tensor) and `info` (anything JSON holds)."""
    folder = Path(folder)
    fresh, old = folder.with_name(folder.name + ".new"), folder.with_name(folder.name + ".old")
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    fresh.mkdir(parents=True)
    parts, size = [{}], 0
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous().clone()
        if size and size + tensor.nbytes > PART_BYTES_MAX:
            parts.append({})
            size = 0
        parts[-1][name] = tensor
        size += tensor.nbytes
    for index, part in enumerate(parts):
        save_file(part, fresh / f"part-{index:02}.safetensors")
    (fresh / "info.json").write_text(json.dumps(info, indent=1) + "\n")
    if folder.exists():
        os.rename(folder, old)
    os.rename(fresh, folder)
    shutil.rmtree(old, ignore_errors=True)


def load(folder):
    """(tensors, info) of the state in `folder`, or None where there is none."""
    folder = Path(folder)
    if not folder.exists():
        # A kill between the two renames leaves the old state alone.
        folder = folder.with_name(folder.name + ".old")
    if not folder.exists():
        return None
    tensors = {}
    for part in sorted(folder.glob("part-*.safetensors")):
        tensors.update(load_file(part))
    return tensors, json.loads((folder / "info.json").read_text())


def unpack(prefix, tensors):
    """The tensors whose names begin with `prefix/`, with that taken off."""
    start = prefix + "/"
    return {name[len(start) :]: tensor for name, tensor in tensors.items() if name.startswith(start)}
