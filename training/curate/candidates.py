"""The candidates that a judge chooses from, and the cases it learns from, all kept in a store (benches/quality/fills.py).

    python training/curate/candidates.py --set labels|insertion|large|removals --store DIR --binary FILE --deep-binary FILE
        --migan-weights FILE --heldout DIR --cutouts DIR --wallpapers DIR [--removals DIR]

Kinds: `patches` (the product's default), `patches deep` (the same from a coarser start), `offsets` (global offsets: OpenCV's SHIFTMAP),
`network` (MI-GAN on a crop at 512 px) and `network half` (the same crop at 256 px, rebuilt from patches that follow it).
"""

import argparse
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
from functools import partial

import cv2
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "benches" / "quality"))
import cases  # noqa: E402
import fills  # noqa: E402
from lpips import Graph  # noqa: E402

KINDS = ("patches", "patches deep", "offsets", "network", "network half")
RESOLUTIONS = (512, 256, 128, 64, 32, 16, 8, 4)
#: Real masks cover this much of the photo.
MASK_SHARE = (0.012, 0.16)


def safetensors(file):
    data = pathlib.Path(file).read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    out = {}
    for name, entry in json.loads(data[8 : 8 + length]).items():
        if name != "__metadata__":
            start, end = entry["data_offsets"]
            kind = {"F16": np.float16, "F32": np.float32}[entry["dtype"]]
            out[name] = np.frombuffer(data[8 + length + start : 8 + length + end], kind).reshape(entry["shape"]).astype(np.float32)
    return out


def migan(file, size):
    """MI-GAN's generator on `size` x `size`: [1, 4, size, size] -> [1, 3, size, size]."""
    w, g = safetensors(file), Graph()
    # The activation's factor sqrt 2 stands in the weights before it; its clamp at 256 is beyond what photos reach.
    act = lambda x: g.add("LeakyRelu", x, alpha=0.2)
    scaled = lambda name: g.constant(w[name] * np.float32(2**0.5))
    taps = np.outer([1, 3, 3, 1], [1, 3, 3, 1]).astype(np.float32) / 64

    def down(x, channels):
        kernel = g.constant(np.tile(taps, (channels, 1, 1, 1)))
        return g.add("Conv", x, kernel, group=channels, strides=[2, 2], pads=[1] * 4)

    def up(x):
        """Zero insertion and the filter: what bilinear doubling is, with zeros beyond the border."""
        wide = g.add("Pad", x, g.constant(np.array([0, 0, 1, 1, 0, 0, 1, 1])))
        scales = g.constant(np.array([1, 1, 2, 2], np.float32))
        wide = g.add("Resize", wide, "", scales, mode="linear", coordinate_transformation_mode="half_pixel")
        cut = [g.constant(np.array(v)) for v in ([2, 2], [-2, -2], [2, 3])]
        return g.add("Slice", wide, *cut)

    def separable(x, name, change=None, noise=None):
        channels = w[f"{name}.conv1.weight"].shape[0]
        parts = [scaled(f"{name}.conv1.{p}") for p in ("weight", "bias")]
        x = act(g.add("Conv", x, *parts, group=channels, pads=[1] * 4))
        if change == "down":
            x = down(x, channels)
        x = g.add("Conv", x, scaled(f"{name}.conv2.weight"))
        if change == "up":
            x = up(x)
        if noise is not None:
            x = g.add("Add", x, noise)
        return act(x)

    x = act(g.add("Conv", "x", *(scaled(f"encoder.b512.fromrgb.{p}") for p in ("weight", "bias"))))
    features = {}
    for r in RESOLUTIONS:
        features[r] = separable(x, f"encoder.b{r}.conv1")
        x = separable(features[r], f"encoder.b{r}.conv2", "down" if r > 4 else None)
    picture = None
    for r in reversed(RESOLUTIONS):
        name = f"synthesis.b{r}"
        side = r * size // 512
        noise = lambda k: None if r == 4 else g.constant(w[f"{name}.{k}.noise"][None, None, :side, :side] * np.float32(2**0.5))
        x = g.add("Add", separable(x, f"{name}.conv1", "up" if r > 4 else None, noise("conv1")), features[r])
        x = separable(x, f"{name}.conv2", None, noise("conv2"))
        rgb = g.add("Conv", x, *(g.constant(w[f"{name}.torgb.{p}"]) for p in ("weight", "bias")))
        picture = rgb if picture is None else g.add("Add", up(picture), rgb)
    return g.session([("x", [1, 4, size, size])], [(picture, [1, 3, size, size])])


class Network:
    """The network on one square crop around the hole, at 512 px or less."""

    def __init__(self, file):
        self.file, self.sessions = file, {}

    def run(self, photo, hole, size):
        """The photo with its hole filled, the network seeing the crop at `size`."""
        rect = crop(hole)
        y0, y1, x0, x1 = rect
        part, unknown = photo[y0:y1, x0:x1], hole[y0:y1, x0:x1]
        side = max(part.shape[:2])
        border = (0, max(side, 512) - part.shape[0], 0, max(side, 512) - part.shape[1], cv2.BORDER_REFLECT_101)
        square = cv2.copyMakeBorder(part, *border)
        unknown = cv2.copyMakeBorder(unknown.astype(np.uint8), *border)
        side = square.shape[0]
        # The hole's colours must not bleed into its surroundings when they are averaged.
        known = (1 - unknown).astype(np.float32)
        area = cv2.INTER_AREA
        weight = cv2.resize(known, (size, size), interpolation=area)
        small = cv2.resize(square * known[..., None], (size, size), interpolation=area) / np.maximum(weight, 1e-6)[..., None]
        small_known = (weight > 0.999).astype(np.float32)
        rgb = small / 127.5 - 1
        stack = np.concatenate([small_known[..., None] - 0.5, rgb * small_known[..., None]], -1).transpose(2, 0, 1)[None]
        if size not in self.sessions:
            self.sessions[size] = migan(self.file, size)
        answer = self.sessions[size].run(None, {"x": stack.astype(np.float32)})[0][0].transpose(1, 2, 0)
        answer = np.clip((answer + 1) * 127.5, 0, 255)
        if side != size:
            answer = np.where(small_known[..., None] > 0, small, answer).astype(np.float32)
            answer = np.clip(cv2.resize(answer, (side, side), interpolation=cv2.INTER_CUBIC), 0, 255)
        out = photo.copy()
        answer = np.rint(answer[: y1 - y0, : x1 - x0]).astype(np.uint8)
        inside = hole[y0:y1, x0:x1]
        out[y0:y1, x0:x1][inside] = answer[inside]
        return out


def crop(hole):
    """Rows and columns of a crop with the hole in its middle: as wide as the hole and its surroundings, at least 512 px."""
    x, y, w, h = cv2.boundingRect(hole.astype(np.uint8))
    want = max(max(w, h) + 2 * max(128, max(w, h) // 4), 512)

    def axis(low, length, limit):
        size = min(want, limit)
        start = min(max(low + length // 2 - size // 2, 0), limit - size)
        return start, start + size

    return *axis(y, h, hole.shape[0]), *axis(x, w, hole.shape[1])


def network(net, photo, mask, exact):
    """A method: MI-GAN alone."""
    alpha = (mask > 0).astype(np.float32) if exact else fills.widened(mask)[1]
    filled = net.run(photo, alpha > 0, 512)
    return np.rint(photo + alpha[..., None] * (filled.astype(np.float32) - photo)).astype(np.uint8)


def network_half(net, binary, photo, mask, _exact):
    """A method: MI-GAN at half the size, rebuilt by the product from patches that follow it."""
    filled = net.run(photo, fills.widened(mask)[1] > 0, 256)
    with tempfile.TemporaryDirectory() as folder:
        for name, picture in (("photo", photo), ("given", filled)):
            cv2.imwrite(f"{folder}/{name}.png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 1])
        cv2.imwrite(f"{folder}/mask.png", mask)
        data = pathlib.Path(__file__).parent / "data"
        shutil.copytree(data, f"{folder}/data")
        files = [f"{folder}/{n}.png" for n in ("photo", "mask", "out")]
        command = [binary, "run", *files[:2], "-o", files[2], "--pipeline", "given-refined", "--backend", "cpu", "--data", f"{folder}/data"]
        path = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"TMPDIR": folder, "PATH": path})
        if done.returncode:
            raise SystemExit(f"given-refined: {done.stderr}")
        return cv2.cvtColor(cv2.imread(files[2]), cv2.COLOR_BGR2RGB)


def methods(args):
    """Kind -> (version, method); the names of the store are those of benches/quality where the answers are the same."""
    of = fills.methods(args.binary, ["default"], None)
    deep = fills.methods(args.deep_binary, ["default"], None)["default"] if args.deep_binary else None
    net = Network(args.migan_weights)
    out = {
        "patches": ("default", *of["default"]),
        "patches deep": ("default", *deep) if deep else None,
        "network": ("network", "1", partial(network, net)),
        "network half": ("network half", "1", partial(network_half, net, args.binary)),
        "offsets": ("OpenCV SHIFTMAP", *of["OpenCV SHIFTMAP"]),
    }
    return {kind: out[kind] for kind in args.kind if out[kind]}


def real_masks(heldout, insertion_names):
    """Photos with one labelled object each as the mask: nothing is known behind it. Photos of the insertions are left out."""
    for file in sorted(pathlib.Path(heldout).glob("[0-9][0-9][0-9][0-9][0-9]_*.png")):
        name = file.stem
        if name in insertion_names or name.endswith(cases.SETS_LEFT_OUT):
            continue
        labels, rng = cases.read(file, cv2.IMREAD_UNCHANGED), cases.generator(name)
        shares = {int(k): (labels == k).mean() for k in np.unique(labels) if k}
        fitting = [k for k, share in shares.items() if MASK_SHARE[0] <= share <= MASK_SHARE[1]]
        if not fitting:
            continue
        mask = (labels == fitting[rng.integers(len(fitting))]).astype(np.uint8) * 255
        mask = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5)))
        photo = cases.read(file.with_suffix(".webp"))
        if mask.shape != photo.shape[:2]:
            mask = cv2.resize(mask, photo.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        yield {"name": name, "group": name, "photo": photo, "mask": mask, "truth": None, "published": {}}


def case_set(args, name):
    folders = (args.heldout, args.cutouts, args.wallpapers)
    if name == "insertion":
        return cases.insertion_cases(*folders)
    if name == "large":
        return cases.insertion_cases(*folders, long_px=2048)
    if name == "removals":
        return cases.removal_cases(args.removals)
    return real_masks(args.heldout, {n for n, _, _ in cases.small_truths(*folders[::2])})


def arguments(doc):
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("heldout", "cutouts", "wallpapers", "store", "binary", "migan-weights"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--deep-binary")
    parser.add_argument("--removals")
    parser.add_argument("--kind", nargs="+", default=list(KINDS))
    parser.add_argument("--set", nargs="+", required=True)
    return parser


def main():
    args = arguments(__doc__).parse_args()
    store, of = fills.Store(args.store), methods(args)
    for name in args.set:
        for case in case_set(args, name):
            for kind, (stored, version, method) in of.items():
                key, _ = store.picture(case, stored, version, method)
                print(name, case["name"], kind, round(store.notes(key)["cpu_s"], 1), flush=True)


if __name__ == "__main__":
    main()
