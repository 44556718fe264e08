"""What an edit moves in a JPEG outside of the blocks that the hole reaches, and what it does to the file's size.

    python benches/jpeg.py PHOTOS... [--binary target/release/cleanplate] [--backend cpu] [--pipeline patchmatch]
                           [--count 200] [--steps 1] [--out FILE.json]

PHOTOS are files, folders or tar archives. JPEGs are sent as they are; other photos are written as JPEGs by libjpeg-turbo first, in
turn as 4:2:0, 4:2:2, 4:4:4 and gray, progressive and sequential, with and without restart markers and optimised tables, in all eight
orientations, at qualities from 60 to 98 and with odd sizes. Each goes through a running daemon's HTTP service with one hole,
`dilate=0&feather=0`, and both files are decoded by libjpeg-turbo and compared as they are stored. A pixel may differ if the
hole reaches its luma block or its chroma block, or if it lies one pixel beside such a chroma block where a sample stands for
two pixels. Prints a line per file, and all together as a JSON object.

With --steps N each photo has N overlapping holes removed one after the other, each from the result before, as the page does: printed
is how far the pixels outside of all holes so far are from the photo after each step, and how far a step moves what earlier ones filled.
Needs Python 3.10 with numpy and Pillow.
"""

import argparse
import collections
import io
import itertools
import json
import pathlib
import random
import statistics
import struct
import sys
import tarfile
import time
import urllib.error

import numpy as np
from PIL import Image, ImageOps

from batch import REMOVAL, ROOT, Daemon, form

QUERY = "&dilate=0&feather=0"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", nargs="+")
    parser.add_argument("--binary", default=str(ROOT / "target/release/cleanplate"))
    parser.add_argument("--backend", default="cpu", choices=["cpu", "wgpu", "auto"])
    parser.add_argument("--pipeline", default="patchmatch")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--out", help="file for the JSON object")
    args = parser.parse_args()
    args.at_once = 0
    return args


def files(paths):
    """(name, bytes) of every photo below the paths, JPEGs first."""
    found = []
    for path in map(pathlib.Path, paths):
        if path.suffix == ".tar":
            with tarfile.open(path) as archive:
                members = [m for m in archive.getmembers() if m.name.endswith(".webp")]
                found += [(m.name, archive.extractfile(m).read()) for m in members]
        else:
            inside = [path] if path.is_file() else sorted(path.rglob("*"))
            found += [(p.name, p.read_bytes()) for p in inside if p.suffix.lower() in (".jpg", ".jpeg", ".webp")]
    return sorted(found, key=lambda file: file[1][:2] != b"\xff\xd8")


def written(data, number, chance):
    """A photo as one of many kinds of JPEG."""
    photo = Image.open(io.BytesIO(data)).convert("RGB")
    width, height = photo.size
    photo = photo.crop((0, 0, width - chance.randrange(16), height - chance.randrange(16)))
    kinds = ["4:2:0", "4:4:4", "4:2:2", "gray", "4:2:0"]
    kind, mode = kinds[number % len(kinds)], (number // len(kinds)) % 4
    options = {"quality": chance.randint(60, 98)}
    if kind == "gray":
        photo = photo.convert("L")
    else:
        options["subsampling"] = kind
    options["progressive"], options["optimize"] = mode == 1, mode == 2
    if mode == 3:
        options["restart_marker_blocks"] = 1 + chance.randrange(9)
    exif = Image.Exif()
    exif[0x0112] = 1 + number % 8
    out = io.BytesIO()
    photo.save(out, "JPEG", exif=exif, **options)
    return out.getvalue()


def markers(data):
    """Counts of markers in the main picture."""
    counts, at = collections.Counter(), 2
    while at + 4 <= len(data):
        if data[at] != 0xFF or data[at + 1] in (0, 0xFF):
            at += 1
            continue
        marker = data[at + 1]
        counts[marker] += 1
        if marker == 0xD9:
            break
        at += 2 if 0xD0 <= marker <= 0xD7 else 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
    return counts


def kind_of(data):
    """Sampling, coding, orientation, in words."""
    photo, counts = Image.open(io.BytesIO(data)), markers(data)
    factors = [(h, v) for _, h, v, _ in photo.layer]
    sampling = "gray" if len(factors) == 1 else " ".join(f"{h}x{v}" for h, v in factors)
    coding = "progressive" if counts[0xC2] else "sequential"
    restarts = "restarts" if counts[0xDD] else "no restarts"
    return f"{sampling}, {coding}, {restarts}", photo.getexif().get(0x0112, 1)


def hole(size, chance):
    """A blob somewhere, sometimes at an edge; as stored."""
    width, height = size
    x, y = chance.uniform(0, width), chance.uniform(0, height)
    rx, ry = chance.uniform(0.02, 0.07) * width, chance.uniform(0.02, 0.07) * height
    columns, rows = np.arange(width)[None, :], np.arange(height)[:, None]
    return ((columns - x) / rx) ** 2 + ((rows - y) / ry) ** 2 <= 1


def may_move(mask, photo):
    """The pixels that an edit under the mask may change."""
    height, width = mask.shape
    factors = [(h, v) for _, h, v, _ in photo.layer]
    h_max, v_max = max(h for h, _ in factors), max(v for _, v in factors)
    allowed = np.zeros_like(mask)
    for h, v in factors:
        w, t = h_max // h, v_max // v
        step_x, step_y = 8 * w, 8 * t
        padded = np.zeros((-(-height // step_y) * step_y, -(-width // step_x) * step_x), bool)
        padded[:height, :width] = mask
        blocks = padded.reshape(padded.shape[0] // step_y, step_y, -1, step_x).any((1, 3))
        reached = np.pad(blocks.repeat(step_y, 0).repeat(step_x, 1), 1)
        grown = reached.copy()
        for dx, dy in itertools.product((-1, 0, 1) if w == 2 else (0,), (-1, 0, 1) if t == 2 else (0,)):
            grown |= np.roll(reached, (dy, dx), (0, 1))
        allowed |= grown[1:-1, 1:-1][:height, :width]
    return allowed


def shown(mask, orientation):
    """A stored mask as it is displayed, as PNG."""
    picture = Image.fromarray((mask * 255).astype(np.uint8))
    exif = picture.getexif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    ImageOps.exif_transpose(picture).save(out, "PNG")
    return out.getvalue()


def measure(daemon, name, data, chance):
    photo = Image.open(io.BytesIO(data))
    before = np.asarray(photo)
    mask = hole(photo.size, chance)
    kind, orientation = kind_of(data)
    started = time.monotonic()
    reply = daemon.post(REMOVAL, [("image", data), ("mask", shown(mask, orientation))], QUERY)
    seconds = time.monotonic() - started
    result = daemon.read(reply["result"]["output_url"])
    after_photo = Image.open(io.BytesIO(result))
    after = np.asarray(after_photo)
    moved = np.abs(after.astype(int) - before).reshape(*mask.shape, -1).max(2)
    outside = ~may_move(mask, photo)
    was, now = markers(data), markers(result)
    same = [now[m] == was[m] for m in (0xC0, 0xC1, 0xC2, 0xDA, 0xDD, *range(0xD0, 0xD8))]
    return {
        "name": name,
        "kind": kind,
        "orientation": orientation,
        "bytes": len(data),
        "ratio": round(len(result) / len(data), 4),
        "outside": int(outside.sum()),
        "differing": int((moved[outside] > 0).sum()),
        "changed_inside": float((moved[mask] > 0).mean()) if mask.any() else 0.0,
        "structure_kept": all(same) and kind_of(result) == (kind, orientation),
        "tables_kept": after_photo.quantization == photo.quantization,
        "seconds": round(seconds, 3),
    }


def mean(values):
    return round(float(values.mean()), 3) if values.size else 0.0


def steps(daemon, data, count):
    """Per step: pixels that moved where they may not, and what moved where they may. Every hole overlaps the one before."""
    photo = Image.open(io.BytesIO(data))
    orientation = kind_of(data)[1]
    first = now = np.asarray(photo).astype(int)
    (width, height), allowed = photo.size, np.zeros(first.shape[:2], bool)
    holes, found = np.zeros_like(allowed), []
    apart = lambda a, b: np.abs(a - b).reshape(*allowed.shape, -1).max(2)
    for step in range(count):
        mask = np.zeros_like(allowed)
        x, y = width // 2 + 10 * step, height // 2 + 6 * step
        mask[y : y + 20, x : x + 24] = True
        reply = daemon.post(REMOVAL, [("image", data), ("mask", shown(mask, orientation))], QUERY)
        data = daemon.read(reply["result"]["output_url"])
        before, now = now, np.asarray(Image.open(io.BytesIO(data))).astype(int)
        reached = may_move(mask, photo)
        earlier = holes & ~mask
        allowed, holes = allowed | reached, holes | mask
        moved, beside = apart(now, first), allowed & ~holes
        found.append({
            "differing_beyond_all_blocks": int((moved[~allowed] > 0).sum()),
            "fills_differing_beyond_the_blocks_of_this_step": int((apart(now, before)[earlier & ~reached] > 0).sum()),
            "mean_beside_the_holes": mean(moved[beside]),
            "most_beside_the_holes": int(moved[beside].max(initial=0)),
            "mean_of_earlier_fills_in_the_blocks_of_this_step": mean(apart(now, before)[earlier & reached]),
        })
    return found


def in_steps(args):
    chance, rows = random.Random(21), []
    daemon = Daemon(args, 1)
    try:
        for number, (name, data) in enumerate(files(args.photos)[: args.count]):
            data = data if data[:2] == b"\xff\xd8" else written(data, number, chance)
            rows.append(steps(daemon, data, args.steps))
            print(f"{len(rows)}: {name} {rows[-1][-1]}", file=sys.stderr, flush=True)
    finally:
        daemon.process.terminate()
        daemon.process.wait()
    of_all = {"mean": lambda values: round(statistics.mean(values), 3), "most": max}
    found = [
        {key: of_all.get(key[:4], sum)([row[step][key] for row in rows]) for key in rows[0][step]} for step in range(args.steps)
    ]
    text = json.dumps({"files": len(rows), "steps": found}, indent=1)
    print(text)
    if args.out:
        pathlib.Path(args.out).write_text(text + "\n")
    strayed = ("differing_beyond_all_blocks", "fills_differing_beyond_the_blocks_of_this_step")
    sys.exit(1 if any(step[key] for step in found for key in strayed) else 0)


def main():
    args = arguments()
    if args.steps > 1:
        in_steps(args)
    chance = random.Random(21)
    rows, refused, originals = [], collections.Counter(), 0
    daemon = Daemon(args, 1)
    try:
        for number, (name, data) in enumerate(files(args.photos)):
            if len(rows) == args.count:
                break
            original = data[:2] == b"\xff\xd8"
            if not original:
                data = written(data, number, chance)
            try:
                rows.append(measure(daemon, name, data, chance))
                originals += original
                print(f"{len(rows)}: {rows[-1]}", file=sys.stderr, flush=True)
            except urllib.error.HTTPError as error:
                refused[error.read().decode()[:200]] += 1
    finally:
        daemon.process.terminate()
        daemon.process.wait()
    ratios = sorted(row["ratio"] for row in rows)
    found = {
        "what": __doc__.splitlines()[0],
        "files": len(rows),
        "files_that_came_as_jpeg": originals,
        "kinds": dict(collections.Counter(row["kind"] for row in rows).most_common()),
        "orientations": dict(sorted(collections.Counter(row["orientation"] for row in rows).items())),
        "pixels_outside": sum(row["outside"] for row in rows),
        "pixels_outside_that_differ": sum(row["differing"] for row in rows),
        "files_with_a_difference_outside": sum(row["differing"] > 0 for row in rows),
        "files_with_other_scans_restarts_or_sampling": sum(not row["structure_kept"] for row in rows),
        "files_with_other_quantisation_tables": sum(not row["tables_kept"] for row in rows),
        "share_of_hole_changed_median": round(statistics.median(row["changed_inside"] for row in rows), 3),
        "size_ratio": {"min": ratios[0], "median": statistics.median(ratios), "max": ratios[-1]},
        "size_ratio_all_bytes": round(sum(r["ratio"] * r["bytes"] for r in rows) / sum(r["bytes"] for r in rows), 4),
        "files_within_3_percent": sum(abs(ratio - 1) <= 0.03 for ratio in ratios),
        "refused": dict(refused),
    }
    text = json.dumps(found, indent=1)
    print(text)
    if args.out:
        pathlib.Path(args.out).write_text(text + "\n")
    failed = found["pixels_outside_that_differ"] or found["files_with_other_scans_restarts_or_sampling"]
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
