"""Measures fills of held-out photos, beside the classical fills.

    python -m training.lama_small.evaluate --data DATA --inception NSFWJS/package
        --weights new=FILE.safetensors --weights v0=FILE.safetensors [--patchmatch target/release/cleanplate]
        --size 256:294 --size 512:96 --slow 48 --cache FOLDER [--out FILE.json] [--sheet FILE.jpg]

prints JSON. A photo is cut to its middle square and resized to `--size SIDE:COUNT` (the first COUNT photos in a fixed shuffle);
its hole is masks.evaluation_hole; the pixels behind it are grey before any method sees them, and every method's pixels outside
it are the photo's. Measured inside the hole: l1 (0..1), psnr (dB), ssim, vgg (VGG16 features, position by position), texture
(mean and spread of VGG16 features over the hole). `fid_like` is the Frechet distance of Inception features (inception.py) of the
filled and the true pictures over all photos of a column: it falls with more photos, so only figures of one column compare.

Biharmonic filling and the product's patch fill take seconds a photo: they see the first `--slow` photos. So there are two
columns per size: `all` (every quick method) and `slow` (every method, on those photos alone).

Everything measured is kept in `--cache` by method (weights by their SHA-256), size and photo: a stopped run continues, and new
weights cost only their own share.
"""

import argparse
import functools
import hashlib
import json
import os
import subprocess
import tempfile
import time
import zlib
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import cv2
import numpy as np
import torch
from skimage.restoration import inpaint_biharmonic

from training.data import Shards

from . import losses, masks, metrics
from .inception import Inception, frechet
from .model import load_generator, network_input
from .photos import centre_square, to_tensor

GREY = 128
SHEET_TILE_PX = 200
#: Held-out photos that anyone may show.
SHEET_SETS = ("kodak24",)
DIGITS = 4


class OpenCv:
    radius_px = 5

    def __init__(self, flag):
        self.flag = flag

    def __call__(self, blanked, hole):
        return cv2.inpaint(blanked, hole, self.radius_px, self.flag)


def biharmonic(blanked, hole):
    filled = inpaint_biharmonic(blanked.astype(np.float64) / 255, hole.astype(bool), split_into_regions=True, channel_axis=2)
    return (np.clip(filled, 0, 1) * 255).round().astype(np.uint8)


class Network:
    def __init__(self, path, device):
        self.generator = load_generator(path).to(device)
        self.device = device

    @torch.no_grad()
    def __call__(self, blanked, hole):
        photo = to_tensor([blanked]).to(self.device)
        mask = torch.from_numpy(hole)[None, None].float().to(self.device)
        prediction = self.generator(network_input(photo, mask))[0].permute(1, 2, 0)
        return (prediction.cpu().numpy() * 255).round().astype(np.uint8)


class Product:
    """A pipeline of the product's command line, on the CPU."""

    def __init__(self, binary, pipeline):
        self.binary, self.pipeline = binary, pipeline

    def __call__(self, blanked, hole):
        with tempfile.TemporaryDirectory() as folder:
            photo, mask, out = (str(Path(folder) / name) for name in ("photo.png", "mask.png", "out.png"))
            cv2.imwrite(photo, cv2.cvtColor(blanked, cv2.COLOR_RGB2BGR))
            cv2.imwrite(mask, hole * 255)
            command = [self.binary, "run", photo, mask, "-o", out, "--pipeline", self.pipeline, "--backend", "cpu"]
            subprocess.run(command, check=True, capture_output=True)
            return cv2.cvtColor(cv2.imread(out), cv2.COLOR_BGR2RGB)


class Method:
    """A fill with its name in the results and its key in the cache."""

    def __init__(self, name, key, fill, slow=False):
        self.name, self.key, self.fill, self.slow = name, key, fill, slow


class Bench:
    """Held-out photos, feature networks and the cache of everything measured so far."""

    def __init__(self, options):
        self.device = torch.device(options.device if options.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu")
        self.shards = Shards(options.data, held_out=True)
        self.photos = sorted(self.shards.photos, key=lambda p: zlib.crc32(p.name.encode()))
        self.vgg = losses.Vgg16().to(self.device)
        self.inception = Inception(options.inception, self.device)
        self.cache = Path(options.cache)

    def case(self, index, side):
        return centre_square(self.shards.image(self.photos[index]), side), masks.evaluation_hole(side, index)

    def inception_features(self, rgb):
        return self.inception.features(to_tensor([rgb]).to(self.device))[0].cpu().numpy()

    def _path(self, key, side, index):
        return self.cache / f"{key}-{side}" / self.photos[index].name

    def truth(self, side, index):
        path = self._path("truth", side, index).with_suffix(".npy")
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, self.inception_features(self.case(index, side)[0]))
        return np.load(path)

    @functools.lru_cache(maxsize=1)
    @torch.no_grad()
    def truth_vgg(self, side, index):
        return self.vgg(to_tensor([self.case(index, side)[0]]).to(self.device))

    @torch.no_grad()
    def measured(self, method, side, index):
        """(scores, Inception features) of one method on one photo, from the cache or computed now."""
        path = self._path(method.key, side, index)
        if not path.with_suffix(".json").exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            truth, hole = self.case(index, side)
            blanked = truth.copy()
            blanked[hole > 0] = GREY
            begun = time.perf_counter()
            filled = method.fill(blanked, hole)
            seconds = time.perf_counter() - begun
            filled = np.where(hole[..., None] > 0, filled, truth)
            scores = metrics.pixels(truth, filled, hole > 0)
            real, fake = self.truth_vgg(side, index), self.vgg(to_tensor([filled]).to(self.device))
            scores |= metrics.features(real, fake, torch.from_numpy(hole)[None, None].float().to(self.device))
            cv2.imwrite(str(path.with_suffix(".png")), cv2.cvtColor(filled, cv2.COLOR_RGB2BGR))
            np.save(path.with_suffix(".npy"), self.inception_features(filled))
            path.with_suffix(".json").write_text(json.dumps(scores | {"seconds": seconds}))
        return json.loads(path.with_suffix(".json").read_text()), np.load(path.with_suffix(".npy"))

    def column(self, methods, side, count):
        truths = np.stack([self.truth(side, index) for index in range(count)])
        # Photo by photo: the methods share the features of the truth.
        measured = [[self.measured(method, side, index) for method in methods] for index in range(count)]
        rows = {}
        for method, results in zip(methods, zip(*measured)):
            scores, features = zip(*results)
            row = {name: round(float(np.mean([s[name] for s in scores])), DIGITS) for name in scores[0] if name != "seconds"}
            rows[method.name] = row | {"fid_like": round(frechet(truths, np.stack(features)), DIGITS)}
        return {"photos": count, "methods": rows}

    def sheet(self, methods, side, path):
        """Photo, hole and every method, best rows of the first method above, its worst at the bottom."""
        shown = [i for i, photo in enumerate(self.photos) if photo.set in SHEET_SETS]
        total = lambda i: sum(self.measured(methods[0], side, i)[0][name] for name in ("vgg", "texture"))
        shown.sort(key=total)
        rows = []
        for index in shown:
            truth, hole = self.case(index, side)
            blanked = truth.copy()
            blanked[hole > 0] = GREY
            tiles = [cv2.cvtColor(x, cv2.COLOR_RGB2BGR) for x in (truth, blanked)]
            for method in methods:
                self.measured(method, side, index)
                tiles.append(cv2.imread(str(self._path(method.key, side, index).with_suffix(".png"))))
            rows.append(np.hstack([cv2.resize(x, (SHEET_TILE_PX, SHEET_TILE_PX), interpolation=cv2.INTER_AREA) for x in tiles]))
        heading = np.full((24, rows[0].shape[1], 3), 255, np.uint8)
        for index, name in enumerate(["photo", "hole", *(method.name for method in methods)]):
            cv2.putText(heading, name, (index * SHEET_TILE_PX + 6, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
        cv2.imwrite(str(path), np.vstack([heading, *rows]), [cv2.IMWRITE_JPEG_QUALITY, 85])


def build_methods(options, device):
    methods = []
    for spec in options.weights:
        name, _, path = spec.rpartition("=")
        digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        methods.append(Method(name or Path(path).stem, digest[:16], Network(path, device)))
    methods.append(Method("telea", "telea", OpenCv(cv2.INPAINT_TELEA)))
    methods.append(Method("navier-stokes", "navier-stokes", OpenCv(cv2.INPAINT_NS)))
    if options.slow:
        methods.append(Method("biharmonic", "biharmonic", biharmonic, slow=True))
    if options.slow and options.patchmatch:
        methods.append(Method("patchmatch", "patchmatch", Product(options.patchmatch, "patchmatch"), slow=True))
    return methods


def main():
    options = parse()
    torch.set_num_threads(options.threads)
    bench = Bench(options)
    methods = build_methods(options, bench.device)
    report = {"weights": {m.name: m.key for m in methods if isinstance(m.fill, Network)}, "sizes": {}}
    for spec in options.size or ["256:294"]:
        side, _, count = spec.partition(":")
        side, count = int(side), min(int(count or len(bench.photos)), len(bench.photos))
        columns = {"all": bench.column([m for m in methods if not m.slow], side, count)}
        slow = min(options.slow, count)
        if slow:
            columns["slow"] = bench.column(methods, side, slow)
        report["sizes"][str(side)] = columns
        if options.sheet:
            path = Path(options.sheet)
            bench.sheet(methods, side, path.with_stem(f"{path.stem}-{side}"))
    text = json.dumps(report, indent=1)
    print(text)
    if options.out:
        Path(options.out).write_text(text + "\n")


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder with index.tsv and heldout.tar")
    parser.add_argument("--inception", required=True, help="the unpacked `package` folder of npm nsfwjs")
    parser.add_argument("--weights", action="append", required=True, metavar="NAME=FILE", help="the first is the one judged")
    parser.add_argument("--size", action="append", metavar="SIDE:COUNT")
    parser.add_argument("--slow", type=int, default=0, help="photos for the slow methods; 0 leaves them out")
    parser.add_argument("--patchmatch", metavar="BINARY", help="the product, for its patch fill")
    parser.add_argument("--cache", required=True)
    parser.add_argument("--out")
    parser.add_argument("--sheet", help="contact sheet of the showable photos; the size is added to the name")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    main()
