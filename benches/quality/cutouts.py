"""How the edge of a cut-out goes on where an object was removed from it, against the truth.

    python benches/quality/cutouts.py CUTOUTS [--binary target/release/cleanplate] [--pipeline patchmatch] [--count 40] [--seed 1]
                                      [--sheet FILE.png] [--out FILE.json]

CUTOUTS is a folder or tar archive of pictures with alpha; without photos of its own kind it makes discs, bars, polygons and rings
with grain. Each is brought to 400 px, an opaque blob of one colour is put over its edge (over two edges where it is thin), and is
removed with `cleanplate run`. Inside of the blob, the alpha that comes back is compared with that of the cut-out:

    edge_f      F measure of the edges (alpha 0.5) within 2 px
    length      length of the edge that comes back, divided by that of the true one: above 1 is ragged, below is cut short
    opaque      share of what was opaque that comes back opaque (above 0.98)
    alpha_off   mean absolute error of alpha, 0 to 1

Prints the medians and means of all and of each kind as a JSON object. Needs Python 3.10 with numpy and Pillow.
"""

import argparse
import io
import json
import math
import pathlib
import random
import subprocess
import tarfile
import tempfile

import numpy as np
from PIL import Image, ImageDraw

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SIDE = 400
MARGIN = 40
NEAR_PX = 2.0


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cutouts", nargs="?")
    parser.add_argument("--binary", default=str(ROOT / "target/release/cleanplate"))
    parser.add_argument("--pipeline", default="patchmatch")
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sheet", help="file for a contact sheet: what was sent, what came back, the truth")
    parser.add_argument("--out", help="file for the JSON object")
    return parser.parse_args()


def photos(path):
    """(name, bytes) of every picture."""
    path = pathlib.Path(path)
    if path.suffix == ".tar":
        with tarfile.open(path) as archive:
            members = [m for m in archive.getmembers() if m.name.endswith((".webp", ".png"))]
            return sorted((m.name, archive.extractfile(m).read()) for m in members)
    return sorted((p.name, p.read_bytes()) for p in path.rglob("*") if p.suffix in (".webp", ".png"))


def drawn(kind, chance):
    """A shape with antialiased edges and grain."""
    big = Image.new("L", (4 * SIDE, 4 * SIDE))
    draw = ImageDraw.Draw(big)
    side, middle = 4 * SIDE, 2 * SIDE
    if kind == "disc":
        draw.ellipse((0.1 * side, 0.1 * side, 0.9 * side, 0.9 * side), 255)
    elif kind == "ring":
        draw.ellipse((0.1 * side, 0.1 * side, 0.9 * side, 0.9 * side), 255)
        draw.ellipse((0.25 * side, 0.25 * side, 0.75 * side, 0.75 * side), 0)
    elif kind == "bar":
        angle = chance.uniform(0, math.pi)
        dx, dy = math.cos(angle), math.sin(angle)
        ends = (middle - dx * middle * 0.9, middle - dy * middle * 0.9, middle + dx * middle * 0.9, middle + dy * middle * 0.9)
        draw.line(ends, 255, int(side * chance.uniform(0.08, 0.2)))
    else:
        count = chance.randint(3, 6)
        angles = [2 * math.pi * (i + chance.uniform(0, 0.5)) / count for i in range(count)]
        draw.polygon([(middle + 0.9 * middle * math.cos(a), middle + 0.9 * middle * math.sin(a)) for a in angles], 255)
    alpha = np.asarray(big.resize((SIDE, SIDE), Image.BOX))
    grain = np.random.default_rng(chance.randrange(1 << 30)).integers(0, 40, (SIDE, SIDE, 1))
    rgb = np.array([90, 140, 200]) + grain
    return Image.fromarray(np.dstack([rgb, alpha]).astype(np.uint8))


def edges(alpha):
    """Positions of the crossings of 0.5 between neighbours, [n, 2]."""
    found = []
    for axis in (0, 1):
        a, b = (alpha[:-1], alpha[1:]) if axis == 0 else (alpha[:, :-1], alpha[:, 1:])
        y, x = np.nonzero((a >= 0.5) != (b >= 0.5))
        t = (0.5 - a[y, x]) / (b[y, x] - a[y, x])
        found.append(np.stack([y + t * (axis == 0), x + t * (axis == 1)], 1))
    return np.concatenate(found)


def within(points, hole):
    cells = np.floor(points + 0.5).astype(int)
    return points[hole[cells[:, 0], cells[:, 1]]]


def scene(picture, chance):
    """RGBA with margin, and a hole over a place of its edge."""
    scale = SIDE / max(picture.size)
    size = [max(1, round(v * scale)) for v in picture.size]
    truth = np.pad(np.asarray(picture.convert("RGBA").resize(size, Image.LANCZOS)), ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)))
    places = edges(truth[..., 3] / 255)
    y, x = places[chance.randrange(len(places))] + (chance.uniform(-10, 10), chance.uniform(-10, 10))
    a, b, angle = chance.uniform(14, 50), chance.uniform(14, 50), chance.uniform(0, math.pi)
    rows, columns = np.mgrid[: truth.shape[0], : truth.shape[1]]
    u = (columns - x) * math.cos(angle) + (rows - y) * math.sin(angle)
    v = (rows - y) * math.cos(angle) - (columns - x) * math.sin(angle)
    round_one = chance.random() < 0.5
    hole = (u / a) ** 2 + (v / b) ** 2 <= 1 if round_one else (abs(u) <= 0.85 * a) & (abs(v) <= 0.85 * b)
    sent = truth.copy()
    sent[hole] = [230, 40, 160, 255]
    return truth, sent, hole


def removed(args, folder, sent, hole):
    photo, mask, out = (str(folder / name) for name in ("photo.png", "mask.png", "out.png"))
    Image.fromarray(sent).save(photo)
    Image.fromarray((hole * 255).astype(np.uint8)).save(mask)
    plain = ["--set", "grow.radius_px=0", "--set", "feather.width_px=0"]
    command = [args.binary, "run", photo, mask, "-o", out, "--pipeline", args.pipeline, "--backend", "cpu", *plain]
    subprocess.run(command, check=True, capture_output=True)
    return np.asarray(Image.open(out))


def measure(truth, result, hole):
    true, got = truth[..., 3] / 255, result[..., 3] / 255
    a, b = within(edges(true), hole), within(edges(got), hole)
    f = 1.0 if len(a) + len(b) == 0 else 0.0
    if len(a) and len(b):
        apart = np.sqrt(((a[:, None] - b[None]) ** 2).sum(2))
        precision, recall = (apart.min(0) <= NEAR_PX).mean(), (apart.min(1) <= NEAR_PX).mean()
        f = 2 * precision * recall / max(precision + recall, 1e-9)
    opaque = hole & (true > 0.98)
    return {
        "edge_f": float(f),
        "length": len(b) / max(len(a), 1),
        "opaque": float((got[opaque] > 0.98).mean()) if opaque.any() else None,
        "alpha_off": float(np.abs(true - got)[hole].mean()),
    }


def summary(rows):
    out = {"files": len(rows)}
    for name in ("edge_f", "length", "opaque", "alpha_off"):
        values = [row[name] for row in rows if row[name] is not None]
        out[name] = {"mean": round(float(np.mean(values)), 4), "median": round(float(np.median(values)), 4)} if values else None
    return out


def shown(rgba):
    board = np.indices(rgba.shape[:2]).sum(0)[..., None] // 8 % 2 * 60 + 160
    alpha = rgba[..., 3:] / 255
    return (rgba[..., :3] * alpha + board * (1 - alpha)).astype(np.uint8)


def main():
    args = arguments()
    chance = random.Random(args.seed)
    files = photos(args.cutouts) if args.cutouts else []
    kinds = ["disc", "bar", "polygon", "ring"]
    rows, sheet = [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(args.count):
            kind = "photographic" if files else kinds[number % len(kinds)]
            picture = Image.open(io.BytesIO(chance.choice(files)[1])) if files else drawn(kind, chance)
            truth, sent, hole = scene(picture, chance)
            result = removed(args, pathlib.Path(folder), sent, hole)
            rows.append({"kind": kind, **measure(truth, result, hole)})
            y, x = (int(v.mean()) for v in np.nonzero(hole))
            window = [np.pad(shown(p), ((80, 80), (80, 80), (0, 0)))[y : y + 160, x : x + 160] for p in (sent, result, truth)]
            sheet.append(np.concatenate(window, 1))
    if args.sheet:
        columns = [np.concatenate(sheet[i::4]) for i in range(4)]
        least = min(len(column) for column in columns)
        Image.fromarray(np.concatenate([column[:least] for column in columns], 1)).save(args.sheet)
    found = {"what": __doc__.splitlines()[0], "all": summary(rows)}
    found |= {kind: summary([row for row in rows if row["kind"] == kind]) for kind in sorted({row["kind"] for row in rows})}
    text = json.dumps(found, indent=1)
    print(text)
    if args.out:
        pathlib.Path(args.out).write_text(text + "\n")


if __name__ == "__main__":
    main()
