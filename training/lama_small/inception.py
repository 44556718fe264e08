"""Inception-V3's features out of npm `nsfwjs` (MIT), for an FID-like distance.

The package holds an 8-bit TensorFlow.js layers model inside JavaScript bundles (fetch it with `npm pack nsfwjs` and unpack the
tarball). Its trunk was trained on ImageNet and adapted to five kinds of pictures; its features are therefore not those of the
published FID, and distances are comparable with each other only.
"""

import base64
import json
import re
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

SIDE = 299
CLASSES = ("Drawing", "Hentai", "Neutral", "Porn", "Sexy")
MODEL_FOLDER = Path("dist/models/inception_v3")
_PAYLOAD = re.compile(r'"([A-Za-z0-9+/=]{10000,})"')


def _literal(text, start):
    """The JavaScript object literal that begins at `start` of a minified bundle, parsed."""
    depth, quoted, end = 0, False, start
    for end in range(start, len(text)):
        character = text[end]
        if character == '"':
            quoted = not quoted
        elif not quoted:
            depth += (character in "{[") - (character in "}]")
            if depth == 0:
                break
    body = text[start : end + 1].replace("!0", "true").replace("!1", "false")
    body = re.sub(r"([{,])([A-Za-z_]\w*):", r'\1"\2":', body)
    return json.loads(re.sub(r"([:\[,]-?)\.(\d)", r"\g<1>0.\2", body))


def _same_pad(x, kernel, stride, value):
    """TensorFlow's "same" padding: the odd pixel goes to the bottom and right."""
    pads = []
    for size, k, s in zip(x.shape[:1:-1], kernel[::-1], stride[::-1]):
        total = max((-(-size // s) - 1) * s + k - size, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads, value=value)


class Inception:
    """`features(rgb)` gives `[N, 2048]`, `classes(rgb)` the five probabilities; `rgb` is `[N, 3, H, W]` in 0..1, any size."""

    def __init__(self, package, device="cpu"):
        folder = Path(package) / MODEL_FOLDER
        if not (folder / "model.min.js").is_file():
            raise FileNotFoundError(f"{folder}/model.min.js: unpack `npm pack nsfwjs` and name its `package` folder")
        text = (folder / "model.min.js").read_text()
        self.layers = _literal(text, text.index("{modelTopology:"))
        specs = self.layers["weightsManifest"][0]["weights"]
        self.layers = self.layers["modelTopology"]["model_config"]["config"]["layers"]
        shards = sorted(folder.glob("group1-shard*.min.js"))
        data = b"".join(base64.b64decode(_PAYLOAD.search(shard.read_text()).group(1)) for shard in shards)
        codes, at, self.weights = np.frombuffer(data, np.uint8), 0, {}
        for spec in specs:
            count, scale = int(np.prod(spec["shape"])), spec["quantization"]
            values = codes[at : at + count].astype(np.float32) * scale["scale"] + scale["min"]
            at += count
            tensor = torch.from_numpy(values.reshape(spec["shape"]))
            if tensor.dim() == 4:
                tensor = tensor.permute(3, 2, 0, 1)
            self.weights[spec["name"]] = tensor.contiguous().to(device)
        if at != codes.size:
            raise ValueError(f"{folder}: the listing names {at} weights of {codes.size}: wanted nsfwjs 4.x")

    def _layer(self, layer, inputs):
        kind, config, name = layer["class_name"], layer["config"], layer["name"]
        x = inputs[0]
        if kind == "Conv2D":
            kernel = self.weights[f"{name}/kernel"]
            if config["padding"] == "same":
                x = _same_pad(x, config["kernel_size"], config["strides"], 0.0)
            return F.conv2d(x, kernel, self.weights.get(f"{name}/bias"), config["strides"])
        if kind == "BatchNormalization":
            mean, variance, beta = (self.weights[f"{name}/{part}"] for part in ("moving_mean", "moving_variance", "beta"))
            return F.batch_norm(x, mean, variance, self.weights.get(f"{name}/gamma"), beta, eps=config["epsilon"])
        if kind == "Activation":
            return F.relu(x)
        if kind == "Concatenate":
            return torch.cat(inputs, dim=1)
        if kind == "MaxPooling2D":
            if config["padding"] == "same":
                x = _same_pad(x, config["pool_size"], config["strides"], -torch.inf)
            return F.max_pool2d(x, config["pool_size"], config["strides"])
        if kind == "AveragePooling2D":
            if config["padding"] == "same":
                # Only 3x3 with stride 1 occurs; padding does not count in the mean.
                return F.avg_pool2d(x, config["pool_size"], config["strides"], padding=1, count_include_pad=False)
            return F.avg_pool2d(x, config["pool_size"], config["strides"])
        if kind == "Flatten":
            return x.permute(0, 2, 3, 1).flatten(1)
        if kind == "Dense":
            x = x @ self.weights[f"{name}/kernel"] + self.weights[f"{name}/bias"]
            return {"relu": torch.relu, "softmax": lambda v: v.softmax(1), "linear": lambda v: v}[config["activation"]](x)
        if kind in ("InputLayer", "Dropout"):
            return x
        raise ValueError(f"layer {name} is a {kind}: not an Inception-V3 of nsfwjs 4.x")

    @torch.no_grad()
    def _run(self, rgb, until):
        rgb = F.interpolate(rgb, (SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True)
        done = {}
        for layer in self.layers:
            nodes = layer["inbound_nodes"]
            done[layer["name"]] = self._layer(layer, [done[source[0]] for source in nodes[0]] if nodes else [rgb])
            if layer["class_name"] == until:
                break
        return done[layer["name"]]

    def features(self, rgb):
        return self._run(rgb, "Flatten")

    def classes(self, rgb):
        return self._run(rgb, None)


def frechet(a, b):
    """Frechet distance of two sets of features `[N, D]` taken as Gaussians; exact for N below D as well."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    mean = np.square(a.mean(0) - b.mean(0)).sum()
    a, b = (a - a.mean(0)) / np.sqrt(len(a) - 1), (b - b.mean(0)) / np.sqrt(len(b) - 1)
    # tr sqrt(A'A B'B) is the nuclear norm of A B': N x N instead of D x D.
    overlap = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return float(mean + np.square(a).sum() + np.square(b).sum() - 2 * overlap)
