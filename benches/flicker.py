"""Measures how steady a hot folder's fills of a sequence are.

    python benches/flicker.py [--binary target/release/cleanplate] [--photo benches/photos/door.png] [--frames 6] [--pipeline NAME]...
                              [--keep DIR]

Makes two shots of a photo, each frame with grain of its own (sigma --grain of 255): `still`, the same view in every frame, and
`pan`, a view that moves by --pan pixels a frame. All frames of a shot have one mask, a disc in the middle. Each shot goes through
`cleanplate folder --once` as `shot_0001.png ...` with `shot_mask.png`; then the same frames under names that make no shot, each
filled by itself. Printed are the mean differences of consecutive frames, in steps of 255, once the motion is taken out:

    fill      inside the mask
    around    in a ring of 24 px outside of what the mask grew to: the grain, and what resampling a view cannot show is none here
    flicker   the first over the second: 1 is a fill that is as steady as the photo around it, 0 one that is frozen

Prints one JSON object.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy
from PIL import Image

SIDE = 288


def frames(photo, count, pan, grain):
    """Views of SIDE x SIDE pixels, the first in the middle of where the view goes."""
    random = numpy.random.default_rng(1)
    whole = numpy.asarray(Image.open(photo).convert("RGB"), dtype=numpy.float32)
    top = (whole.shape[0] - SIDE) // 2
    left = (whole.shape[1] - SIDE - pan * (count - 1)) // 2
    for number in range(count):
        view = whole[top : top + SIDE, left + pan * number :][:, :SIDE]
        noisy = view + random.normal(0, grain, view.shape)
        yield numpy.clip(noisy + 0.5, 0, 255).astype(numpy.uint8)


def disc(radius):
    y, x = numpy.mgrid[:SIDE, :SIDE] - SIDE / 2
    return numpy.hypot(x, y) <= radius


def filled(binary, shot, as_shot, pipeline, keep):
    with tempfile.TemporaryDirectory() as work:
        root = pathlib.Path(work) / "in"
        root.mkdir()
        mask = Image.fromarray((disc(SIDE / 7) * 255).astype(numpy.uint8))
        names = [f"shot_{number:04}" if as_shot else f"f{number}x" for number in range(len(shot))]
        for name, frame in zip(names, shot):
            Image.fromarray(frame).save(root / f"{name}.png")
            if not as_shot:
                mask.save(root / f"{name}_mask.png")
        if as_shot:
            mask.save(root / "shot_mask.png")
        more = ["--pipeline", pipeline] if pipeline else []
        subprocess.run([binary, "folder", "--once", root, "--out", f"{work}/out", "--backend", "cpu", *more], check=True, capture_output=True)
        out = [numpy.asarray(Image.open(f"{work}/out/{name}.png").convert("RGB"), dtype=numpy.float32) for name in names]
        if keep:
            keep.mkdir(parents=True, exist_ok=True)
            Image.fromarray(numpy.concatenate(out, 1).astype(numpy.uint8)).save(keep / f"{'shot' if as_shot else 'alone'}.png")
        return out


def steadiness(shot, pan):
    """Mean differences inside and around, of the parts of the scene that both frames show there."""
    inside = disc(SIDE / 7)
    around = disc(SIDE / 7 + 36) & ~disc(SIDE / 7 + 12)
    sums = {"fill": [], "around": []}
    for before, after in zip(shot, shot[1:]):
        width = SIDE - pan
        # The scene at x in the earlier frame lies at x - pan in the later one.
        difference = numpy.abs(before[:, pan:] - after[:, :width]).mean(2)
        for name, region in (("fill", inside), ("around", around)):
            both = region[:, pan:] & region[:, :width]
            sums[name].append(float(difference[both].mean()))
    fill, ring = (sum(values) / len(values) for values in sums.values())
    return {"fill": round(fill, 2), "around": round(ring, 2), "flicker": round(fill / ring, 2)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/release/cleanplate")
    parser.add_argument("--photo", action="append", type=pathlib.Path)
    parser.add_argument("--frames", type=int, default=6)
    parser.add_argument("--pan", type=int, default=2)
    parser.add_argument("--grain", type=float, default=3)
    parser.add_argument("--pipeline", action="append")
    parser.add_argument("--keep", type=pathlib.Path)
    args = parser.parse_args()
    binary = str(pathlib.Path(args.binary).resolve())
    found = {"command": " ".join(["python", *sys.argv]), "load_at_start": round(os.getloadavg()[0], 1)}
    for photo in args.photo or [pathlib.Path("benches/photos/door.png")]:
        for pipeline in args.pipeline or [None]:
            for name, pan in (("still", 0), ("pan", args.pan)):
                shot = list(frames(photo, args.frames, pan, args.grain))
                for way, as_shot in (("alone", False), ("shot", True)):
                    keep = args.keep and args.keep / f"{photo.stem}-{pipeline or 'default'}-{name}"
                    out = filled(binary, shot, as_shot, pipeline, keep)
                    key = f"{photo.stem} {pipeline or 'default'} {name} {way}"
                    found[key] = steadiness(out, pan)
                    print(key, found[key], file=sys.stderr)
    found["load_at_end"] = round(os.getloadavg()[0], 1)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
