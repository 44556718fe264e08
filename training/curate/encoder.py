"""sam-small's image encoder on ONNX Runtime: embeddings of the crop round a hole, for a critic that tells photos from fills."""

import json
import pathlib
import struct

import cv2
import numpy as np

import candidates
from lpips import Graph

FILE = pathlib.Path(__file__).parents[2] / "models" / "sam-small" / "sam-small.safetensors"
MEAN, DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
#: Side of the square that the crop is fitted into: whole windows at every stage.
SIDE = 224
STRIDE = 16


def build(file=FILE, side=SIDE):
    """[1, 3, side, side] on 0..255 to [1, 256, side / 16, side / 16]."""
    data = pathlib.Path(file).read_bytes()
    sizes = json.loads(json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]])["__metadata__"]["config"])["encoder"]
    w, g = candidates.safetensors(file), Graph()
    prefix = "image_encoder."
    constant = lambda name: g.constant(w[prefix + name])
    shape = lambda x, *dims: g.add("Reshape", x, g.constant(np.array(dims)))

    def gelu(x):
        half = g.add("Mul", x, g.constant(np.float32(0.5)))
        erf = g.add("Erf", g.add("Mul", x, g.constant(np.float32(0.5**0.5))))
        return g.add("Mul", half, g.add("Add", erf, g.constant(np.float32(1))))

    def conv_norm(x, name, stride=1):
        kernel = w[f"{prefix}{name}.c.weight"]
        p = {k: w[f"{prefix}{name}.bn.{k}"] for k in ("weight", "bias", "running_mean", "running_var")}
        factor = p["weight"] / np.sqrt(p["running_var"] + 1e-5)
        bias = p["bias"] - factor * p["running_mean"]
        group = kernel.shape[0] if kernel.shape[1] == 1 else 1
        pad = kernel.shape[2] // 2
        kernel = g.constant(kernel * factor[:, None, None, None])
        return g.add("Conv", x, kernel, g.constant(bias), group=group, strides=[stride] * 2, pads=[pad] * 4)

    def layer_norm(x, name, epsilon=1e-5):
        return g.add("LayerNormalization", x, constant(f"{name}.weight"), constant(f"{name}.bias"), axis=-1, epsilon=epsilon)

    def linear(x, name):
        return g.add("Add", g.add("MatMul", x, g.constant(w[f"{prefix}{name}.weight"].T)), constant(f"{name}.bias"))

    def block(x, name, dim, heads, window, at):
        tokens, d, n = window * window, dim // heads, at // window
        rows = g.add("Transpose", x, perm=[0, 2, 3, 1])
        parts = shape(g.add("Transpose", shape(rows, n, window, n, window, dim), perm=[0, 2, 1, 3, 4]), n * n, tokens, dim)
        qkv = linear(layer_norm(parts, f"{name}.attn.norm"), f"{name}.attn.qkv")
        qkv = g.add("Transpose", shape(qkv, n * n, tokens, heads, 3, d), perm=[3, 0, 2, 1, 4])
        q, k, v = (g.add("Gather", qkv, g.constant(np.array(i)), axis=0) for i in range(3))
        y, x_at = np.divmod(np.arange(tokens), window)
        index = np.abs(y[:, None] - y) * window + np.abs(x_at[:, None] - x_at)
        biases = g.constant(w[f"{prefix}{name}.attn.attention_biases"][:, index][None])
        scores = g.add("MatMul", g.add("Mul", q, g.constant(np.float32(d**-0.5))), g.add("Transpose", k, perm=[0, 1, 3, 2]))
        mixed = g.add("MatMul", g.add("Softmax", g.add("Add", scores, biases), axis=-1), v)
        mixed = shape(g.add("Transpose", mixed, perm=[0, 2, 1, 3]), n * n, tokens, dim)
        back = shape(linear(mixed, f"{name}.attn.proj"), n, n, window, window, dim)
        back = shape(g.add("Transpose", back, perm=[0, 2, 1, 3, 4]), 1, at, at, dim)
        x = conv_norm(g.add("Transpose", g.add("Add", rows, back), perm=[0, 3, 1, 2]), f"{name}.local_conv")
        rows = g.add("Transpose", x, perm=[0, 2, 3, 1])
        inner = gelu(linear(layer_norm(rows, f"{name}.mlp.norm"), f"{name}.mlp.fc1"))
        return g.add("Transpose", g.add("Add", rows, linear(inner, f"{name}.mlp.fc2")), perm=[0, 3, 1, 2])

    vector = lambda v: g.constant(np.array(v, np.float32).reshape(1, 3, 1, 1))
    x = g.add("Div", g.add("Sub", "x", vector(MEAN)), vector(DEVIATION))
    x = conv_norm(gelu(conv_norm(x, "patch_embed.seq.0", 2)), "patch_embed.seq.2", 2)
    at = side // 4
    for stage, (dim, depth) in enumerate(zip(sizes["embed_dims"], sizes["depths"])):
        for i in range(depth):
            name = f"layers.{stage}.blocks.{i}"
            if stage == 0:
                y = conv_norm(gelu(conv_norm(gelu(conv_norm(x, f"{name}.conv1")), f"{name}.conv2")), f"{name}.conv3")
                x = gelu(g.add("Add", x, y))
            else:
                x = block(x, name, dim, sizes["num_heads"][stage], sizes["window_sizes"][stage], at)
        if stage + 1 < len(sizes["embed_dims"]):
            name, stride = f"layers.{stage}.downsample", 1 if sizes["embed_dims"][stage + 1] == 320 else 2
            x = conv_norm(gelu(conv_norm(gelu(conv_norm(x, f"{name}.conv1")), f"{name}.conv2", stride)), f"{name}.conv3")
            at //= stride

    def norm2d(x, name):
        rows = layer_norm(g.add("Transpose", x, perm=[0, 2, 3, 1]), name, 1e-6)
        return g.add("Transpose", rows, perm=[0, 3, 1, 2])

    x = norm2d(g.add("Conv", x, constant("neck.0.weight")), "neck.1")
    x = g.add("Conv", g.add("Conv", x, constant("neck.2.0.weight")), constant("neck.2.1.weight"), pads=[1] * 4)
    x = norm2d(x, "neck.3")
    return g.session([("x", [1, 3, side, side])], [(x, [1, 256, at, at])], threads=1)


class Encoder:
    """`Encoder()(place, picture)`: the embedding [n, 256] of the cells in the hole and of those round it."""

    def __init__(self):
        self.session = build()

    def __call__(self, place, picture):
        part = picture[place.box]
        scale = SIDE / max(part.shape[:2])
        size = [max(round(n * scale), 1) for n in part.shape[1::-1]]
        square = np.zeros((SIDE, SIDE, 3), np.float32) + np.array(MEAN, np.float32)
        square[: size[1], : size[0]] = cv2.resize(part, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        found = self.session.run(None, {"x": square.transpose(2, 0, 1)[None]})[0][0]
        hole = np.zeros((SIDE, SIDE), np.float32)
        hole[: size[1], : size[0]] = cv2.resize(place.holes[0].astype(np.float32), size, interpolation=cv2.INTER_AREA)
        cells = hole.reshape(SIDE // STRIDE, STRIDE, SIDE // STRIDE, STRIDE).mean((1, 3))
        inside = cells >= min(0.5, cells.max())
        used = np.zeros(cells.shape, bool)
        used[: size[1] // STRIDE, : size[0] // STRIDE] = True
        outside = (cells == 0) & used
        return found[:, inside].T, found[:, outside].T
