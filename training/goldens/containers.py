"""What PyTorch's files hold, read without PyTorch and without the product: `python -m training.goldens.containers FILE...`.

Prints a SHA-256 of the network's weights in each file (`torch.save` and TorchScript archives, packed by gzip or not): over the tensors by
name, each with its name, its shape and its values as little-endian f32. The product's tests hold their own readers against it.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

#: Where the name of a weight begins, whatever wrapper saved it.
ROOT = re.compile(r"generator\.|(encoder|synthesis)\.b\d")
STORAGES = {"FloatStorage": np.float32, "HalfStorage": np.float16, "DoubleStorage": np.float64, "LongStorage": np.int64}


class Thing:
    """Any object of a pickled module: its attributes are its state."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        self.state = state


class Reader(pickle.Unpickler):
    def __init__(self, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(io.BytesIO(archive.read(f"{folder}data.pkl")))
        self.archive, self.folder = archive, folder

    def find_class(self, module: str, name: str) -> object:
        if name in STORAGES:
            return STORAGES[name]
        if name == "OrderedDict":
            return dict
        return {"_rebuild_tensor_v2": tensor, "_rebuild_parameter": lambda value, *_: value}.get(name, Thing)

    def persistent_load(self, saved: tuple) -> np.ndarray:
        _, kind, key, *_ = saved
        return np.frombuffer(self.archive.read(f"{self.folder}data/{key}"), kind)


def tensor(storage: np.ndarray, offset: int, shape: tuple, strides: tuple, *_: object) -> np.ndarray:
    steps = [step * storage.itemsize for step in strides]
    return np.lib.stride_tricks.as_strided(storage[offset:], shape, steps).copy()


def named(value: object, name: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """Every tensor with its path through dictionaries and modules."""
    if isinstance(value, np.ndarray):
        yield name, value
    entries = getattr(value, "state", value)
    if isinstance(entries, dict):
        for key, inner in entries.items():
            yield from named(inner, f"{name}.{key}" if name else str(key))


def weights(file: Path) -> dict[str, np.ndarray]:
    """The network's weights by their published names."""
    data = file.read_bytes()
    archive = zipfile.ZipFile(io.BytesIO(gzip.decompress(data) if file.suffix == ".gz" else data))
    (pickled,) = [name for name in archive.namelist() if name.endswith("data.pkl")]
    root = Reader(archive, pickled.removesuffix("data.pkl")).load()
    found = {}
    for name, value in named(root):
        begin = ROOT.search(name)
        derived = name.endswith("num_batches_tracked") or ".filter" in name
        if begin and not derived:
            found[name[begin.start() :]] = value.astype("<f4")
    return found


def digest(found: dict[str, np.ndarray]) -> str:
    hashed = hashlib.sha256()
    for name in sorted(found):
        hashed.update(f"{name} {list(found[name].shape)}\n".encode())
        hashed.update(found[name].tobytes())
    return hashed.hexdigest()


def main() -> None:
    for file in map(Path, sys.argv[1:]):
        found = weights(file)
        print(digest(found), len(found), file)


if __name__ == "__main__":
    main()
