"""The judge of three fills: blind sheets of network, closer look and patches, and how often judges agree with the eye.

    python training/curate/three.py sheets --cases FILE --pass N --out DIR      six cases a sheet, each in random order, the key apart
    python training/curate/three.py take --key FILE --answers FILE              adds to labels-three.json
    python training/curate/three.py features --cases FILE --out FILE            what the judges see
    python training/curate/three.py judge --features FILE --lpips FILE          the table; LPIPS of what is kept, from compare-looks.json

--cases: a JSON list of {"name", "set", "photo", "mask", "fills": {"network": file, "closer": file, "patches": file}}; the fills come from
`cleanplate run --candidates 4`. Answers are lines `NUMBER ORDER`, where ORDER ranks a, b and c from left to right, as in `b>a=c`. Only what two
passes say alike counts: a pair is decided where both say the same of the two is better.
"""

import argparse
import itertools
import json
import pathlib
import sys

import cv2
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "benches" / "quality"))
import cases  # noqa: E402
import features  # noqa: E402
import fills  # noqa: E402

LABELS = pathlib.Path(__file__).with_name("labels-three.json")
KINDS = ("network", "closer", "patches")
TILE_PX, EACH = 257, 6
#: Weights of what a judge sees; the one with the highest sum is kept. `before` is what the product keeps, `now` what was tried beside it.
BEFORE = {"network": 0.1, "closer": 0.035, "everywhere": -1, "alone": -1}
NOW = {"network": 0.2, "closer": 0.1, "everywhere": -1, "worst": -0.5, "alone_nearest": -0.75}
#: What was tried for the trusts and weights of `now`.
TRUSTS = [(n, c) for n in (0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4) for c in (-0.1, 0, 0.035, 0.1, 0.15, 0.2, 0.3) if c <= n]
WEIGHTS = ((0.5, 0.75, 1, 1.5), (0, 0.1, 0.25, 0.5, 1))
RESAMPLES, SPLITS, FOLDS = 5000, 20, 10


def loaded(file):
    """Every case with its pictures."""
    for case in json.loads(pathlib.Path(file).read_text()):
        mask = cases.read(case["mask"], cv2.IMREAD_GRAYSCALE)
        yield case | {"photo": cases.read(case["photo"]), "mask": mask, "fills": {k: cases.read(case["fills"][k]) for k in KINDS}}


def tile(picture, mask):
    """The hole with most of its size on each side; ticks at the corners of its bounds."""
    x, y, w, h = cv2.boundingRect((mask > 127).astype(np.uint8))
    reach = int(max(w, h) * 0.8) + 24
    x0, y0 = max(x + w // 2 - reach, 0), max(y + h // 2 - reach, 0)
    part = picture[y0 : y + h // 2 + reach, x0 : x + w // 2 + reach]
    scale = min(TILE_PX / max(part.shape[:2]), 2)
    part = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)[:TILE_PX, :TILE_PX]
    out = np.full((TILE_PX, TILE_PX, 3), 255, np.uint8)
    out[: part.shape[0], : part.shape[1]] = part
    for px, dx in ((x - 4, 9), (x + w + 3, -9)):
        for py, dy in ((y - 4, 9), (y + h + 3, -9)):
            at = int((px - x0) * scale), int((py - y0) * scale)
            cv2.line(out, at, (at[0] + dx, at[1]), (255, 0, 255), 1)
            cv2.line(out, at, (at[0], at[1] + dy), (255, 0, 255), 1)
    return out


def sheets(args):
    out, rng = pathlib.Path(args.out), np.random.default_rng(100 + args.number)
    items = list(loaded(args.cases))
    key, rows = [], []
    for i in rng.permutation(len(items)):
        order = [KINDS[k] for k in rng.permutation(3)]
        row = np.hstack([tile(items[i]["fills"][k], items[i]["mask"]) for k in order])
        row = cv2.copyMakeBorder(row, 3, 3, 3, 9, cv2.BORDER_CONSTANT, value=(255, 255, 255))
        cv2.putText(row, str(len(key)), (6, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 0, 0), 2)
        key.append({"case": items[i]["name"], "set": items[i]["set"], "pass": args.number, "order": order})
        rows.append(row)
    rows += [np.full_like(rows[0], 255)] * (-len(rows) % EACH)
    for start in range(0, len(rows), EACH):
        grid = np.vstack([np.hstack(rows[i : i + 2]) for i in range(start, start + EACH, 2)])
        cv2.imwrite(str(out / f"pass{args.number}-{start // EACH:02d}.png"), cv2.cvtColor(grid, cv2.COLOR_RGB2BGR))
    (out / f"key{args.number}.json").write_text(json.dumps(key))


def take(args):
    key, labels = json.loads(pathlib.Path(args.key).read_text()), json.loads(LABELS.read_text()) if LABELS.exists() else []
    for line in pathlib.Path(args.answers).read_text().split("\n"):
        if line.strip():
            number, ranks = line.split()
            place = {letter: i for i, group in enumerate(ranks.split(">")) for letter in group.split("=")}
            told = key[int(number)]
            rank = [place["abc"[told["order"].index(kind)]] for kind in KINDS]
            labels.append({"set": told["set"], "case": told["case"], "pass": told["pass"], "rank": rank})
    LABELS.write_text("[\n" + ",\n".join(json.dumps(label) for label in labels) + "\n]\n")


def seen(case):
    """What the judges see of each fill: logarithms of distances (mod.rs and place.rs of plugins/curate)."""
    hole = fills.widened(case["mask"])[1] > 0
    place = features.Place(case["photo"], hole, case["mask"] > 127)
    told = {kind: place.fill(fill) for kind, fill in case["fills"].items()}
    at = np.argwhere(features.touching(place.holes[0]))
    at = at[(at[:, 0] % 2 == 0) & (at[:, 1] % 2 == 0)]
    shown = {}
    for kind, fill in case["fills"].items():
        lab = features.lab(place.shrunk(fill[place.box], 1))
        shown[kind] = features.descriptors(lab)[at[:, 0], at[:, 1]]
    out = {}
    for kind in KINDS:
        apart = [np.linalg.norm(shown[kind] - shown[other], axis=1) for other in KINDS if other != kind]
        out[kind] = {
            # What is usual at a place is in all three alike and cancels.
            "everywhere": 0.5 * (told[kind]["coherence"] + told[kind]["coherence_half"]),
            "worst": told[kind]["blob"],
            "alone": float(np.log(np.mean(apart) + 2e-3)),
            "alone_nearest": float(np.log(np.minimum(*apart).mean() + 2e-3)),
        }
    return {kind: {name: round(value, 4) for name, value in numbers.items()} for kind, numbers in out.items()}


def extract(args):
    out = {}
    for case in loaded(args.cases):
        out[f"{case['set']}/{case['name']}"] = seen(case)
        lines = (f"{json.dumps(name)}: {json.dumps(numbers, separators=(',', ':'))}" for name, numbers in out.items())
        pathlib.Path(args.out).write_text("{\n" + ",\n".join(lines) + "\n}\n")
        print(case["name"], flush=True)


def decided():
    """(case, a, b, +1 where a is better): what both passes say alike."""
    ranks = {}
    for label in json.loads(LABELS.read_text()):
        ranks.setdefault(f"{label['set']}/{label['case']}", []).append(dict(zip(KINDS, label["rank"])))
    for case, (first, second) in ranks.items():
        for a, b in itertools.combinations(KINDS, 2):
            sign = np.sign(first[b] - first[a])
            if sign != 0 and sign == np.sign(second[b] - second[a]):
                yield case, a, b, int(sign)


def known(file):
    """The numbers of every fill, and what kind of fill it is."""
    told = json.loads(pathlib.Path(file).read_text())
    for numbers in told.values():
        for kind in KINDS:
            numbers[kind] |= {"network": float(kind == "network"), "closer": float(kind == "closer")}
    return told


def kept(numbers, weights):
    return max(KINDS, key=lambda kind: sum(w * numbers[kind][n] for n, w in weights.items()))


def choices(told):
    """How often a fill is kept than which none was ranked better, and where the two judges keep different ones."""
    ranks = {}
    for label in json.loads(LABELS.read_text()):
        case = f"{label['set']}/{label['case']}"
        ranks[case] = ranks.get(case, 0) + np.array(label["rank"])
    apart = {case: rank for case, rank in ranks.items() if case in told and len(set(rank)) > 1}
    best = [sum(apart[c][KINDS.index(kept(told[c], w))] == apart[c].min() for c in apart) for w in (BEFORE, NOW)]
    print(f"\na best one is kept in {best[0]} before, {best[1]} now of {len(apart)} holes whose fills differ; another one is kept of:")
    for case, rank in ranks.items():
        was, now = (kept(told[case], w) for w in (BEFORE, NOW)) if case in told else ("", "")
        if was != now:
            print(f"{case}: {now} instead of {was}, ranks {rank[KINDS.index(now)]} and {rank[KINDS.index(was)]} (0 is best)")


def distances(told, file):
    """LPIPS of what both judges keep, and the mean of their difference by bootstrap over photos."""
    names = dict(zip(KINDS, ("fast", "closer", "patchmatch")))
    rows = [(told[f"insertion/{c['name']}"], c["lpips"]) for c in json.loads(pathlib.Path(file).read_text())["insertion"]["cases"] if f"insertion/{c['name']}" in told]
    print(f"\nLPIPS of what is kept, {len(rows)} photos\n| | before | now | difference, wins/ties/losses | kept now |\n| --- | --- | --- | --- | --- |")
    rng = np.random.default_rng(0)
    for net in ("vgg16", "alexnet"):
        before, now = (np.array([lpips[names[kept(numbers, w)]][net] for numbers, lpips in rows]) for w in (BEFORE, NOW))
        apart = now - before
        low, high = np.percentile(apart[rng.integers(0, len(rows), (RESAMPLES, len(rows)))].mean(1), [2.5, 97.5])
        singles = np.array([[lpips[names[kind]][net] for kind in KINDS] for _, lpips in rows])
        share = lambda v: (singles.mean(0).min() - v.mean()) / (singles.mean(0).min() - singles.min(1).mean())
        wins, losses = (apart < -0.01).sum(), (apart > 0.01).sum()
        print(f"| {net} | {before.mean():.4f} | {now.mean():.4f} | {apart.mean():+.4f} [{low:+.4f}, {high:+.4f}], {wins}/{len(rows) - wins - losses}/{losses} | {share(before):.0%} and {share(now):.0%} of a perfect choice's gain |")


def judge(args):
    told = known(args.features)
    pairs = [p for p in decided() if p[0] in told]
    groups = sorted({p[0].split("@")[0] for p in pairs})
    group = np.array([groups.index(p[0].split("@")[0]) for p in pairs])
    sign = np.array([p[3] for p in pairs])
    apart = {n: np.array([told[c][a][n] - told[c][b][n] for c, a, b, _ in pairs]) for n in told[pairs[0][0]]["network"]}
    right = lambda weights: (sign * sum(w * apart[n] for n, w in weights.items()) > 0).astype(float)
    rng = np.random.default_rng(0)

    def interval(values):
        sums, counts = np.bincount(group, values, len(groups)), np.bincount(group, minlength=len(groups))
        drawn = rng.integers(0, len(groups), (RESAMPLES, len(groups)))
        return np.percentile(sums[drawn].sum(1) / counts[drawn].sum(1), [2.5, 97.5])

    def line(name, values):
        low, high = interval(values)
        print(f"| {name} | {values.mean():.3f} [{low:.3f}, {high:.3f}] |")

    def crossed(grid):
        """Settings chosen on other photos: those that agree most there, averaged where several do."""
        each, out = np.array([right(w) for w in grid]), np.zeros((SPLITS, len(pairs)))
        for split in range(SPLITS):
            fold = np.random.default_rng(split).permutation(len(groups)) % FOLDS
            for k in range(FOLDS):
                test = fold[group] == k
                there = each[:, ~test].mean(1)
                out[split, test] = each[there >= there.max() - 1e-9][:, test].mean(0)
        return out.mean(0)

    grid = [{"network": n, "closer": c, "everywhere": -1, "worst": -w, "alone_nearest": -a} for (n, c), a, w in itertools.product(TRUSTS, *WEIGHTS)]
    before, now, chosen = right(BEFORE), right(NOW), crossed(grid)
    sets = sorted({p[0].split("/")[0] for p in pairs})
    print(f"{len(pairs)} decided pairs of {len({p[0] for p in pairs})} photos, sets {', '.join(sets)}\n| judge | right |\n| --- | --- |")
    line("before", before)
    line("now", now)
    for name in sets:
        of = np.array([p[0].startswith(f"{name}/") for p in pairs])
        print(f"| of {name}: {of.sum()} pairs, before and now | {before[of].mean():.3f} {now[of].mean():.3f} |")
    line("now, weights chosen on other photos", chosen)
    line("now minus before", now - before)
    line("now, weights chosen on other photos, minus before", chosen - before)
    choices(told)
    if args.lpips:
        distances(told, args.lpips)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for name, run, needs in (
        ("sheets", sheets, ("cases", "out")),
        ("take", take, ("key", "answers")),
        ("features", extract, ("cases", "out")),
        ("judge", judge, ("features",)),
    ):
        command = commands.add_parser(name)
        command.set_defaults(run=run)
        if name == "judge":
            command.add_argument("--lpips")
        for need in needs:
            command.add_argument(f"--{need}", required=True)
        if name == "sheets":
            command.add_argument("--pass", dest="number", type=int, required=True)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
