"""Learns judges of fills and says honestly what each is worth.

    python training/curate/train.py --features FILE [--labels training/curate/labels.json] [--out training/curate/judge.json]

A judge gives every candidate of a photo a score from its features (features.py); the highest one is kept. Judges are learned from pairs:
blind labels (which of two looks right) and insertions (which of two is nearer to the truth by LPIPS). Everything reported is by
cross-validation over photos: no pair of a photo that a judge is asked about was learned from. Reported for every judge:

    labels      share of the decided pairs on which it agrees with the labels, and how much more that is than always keeping the kind
                that is right most often, with a bootstrap 95 % interval over photos
    gain        share of the oracle's gain in LPIPS over the best single kind, on the insertions
    difference  mean LPIPS of its choice minus the best single kind's, with a bootstrap 95 % interval over photos
"""

import argparse
import json
import pathlib
import zlib

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

FOLDS = 10
#: LPIPS differences below this say nothing.
DIFFERENCE_MIN = 0.01
RESAMPLES = 10_000
#: Numbers of the place that a kind's bias may depend on.
PLACE = ("hole_share", "reduced", "ring_gradient", "ring_deviation", "crossing_edges", "crossing_coherence", "usual", "period", "object_contrast")
COHERENCE = ("coherence", "tail", "blob", "coherence_half", "tail_half", "blob_half")
SHAPE = ("sharp", "fine", "seam", "tone", "spread")
EDGES = ("continued", "continued_back")
LEFT = ("leftover", "leftover_tail", "leftover_half", "leftover_tail_half")


#: The judge whose numbers `--out` writes.
SHIPPED = "coherence, two scales"
CRITIC = ("critic", "critic_low", "foreign", "foreign_tail")


def fold_of(group):
    return zlib.crc32(group.encode()) % FOLDS


class Pair:
    """Two fills of one case; `better` is 1 if the first is, 0 if the second, None if neither."""

    def __init__(self, row, a, b, better, weight=1.0, source="labels"):
        self.row, self.a, self.b, self.better, self.weight, self.source = row, a, b, better, weight, source


class Linear:
    """Score = weights . features of the fill, plus a bias of its kind, which may depend on the place."""

    def __init__(self, kinds, names, place=(), strength=0.1):
        self.kinds, self.names, self.place, self.strength = kinds, tuple(names), tuple(place), strength

    def vector(self, row, kind):
        numbers = row["fills"][kind]["numbers"] | {"apart": row["fills"][kind]["apart"]} | row["fills"][kind].get("critic", {})
        own = [value(numbers, name) for name in self.names]
        places = [1.0] + [(row["place"][n] - self.centre[i]) / self.spread[i] for i, n in enumerate(self.place)]
        biases = [v if k == kind else 0.0 for k in self.kinds for v in places]
        return np.array([(v - m) / s for v, m, s in zip(own, self.mean, self.deviation)] + biases)

    def fit(self, pairs):
        rows = {id(p.row): p.row for p in pairs}.values()
        self.centre, self.spread = statistics([[r["place"][n] for n in self.place] for r in rows]) if self.place else ([], [])
        every = [[value(f["numbers"] | {"apart": f["apart"]} | f.get("critic", {}), n) for n in self.names] for r in rows for f in r["fills"].values()]
        self.mean, self.deviation = statistics(every) if self.names else ([], [])
        decided = [p for p in pairs if p.better is not None]
        x = np.array([self.vector(p.row, p.a) - self.vector(p.row, p.b) for p in decided])
        y = np.array([p.better for p in decided])
        w = np.array([p.weight for p in decided])
        # Both orders of each pair: no preference for the first.
        model = LogisticRegression(C=self.strength, fit_intercept=False, max_iter=1000)
        model.fit(np.concatenate([x, -x]), np.concatenate([y, 1 - y]), np.concatenate([w, w]))
        self.weights = model.coef_[0]
        return self

    def score(self, row, kind):
        return float(self.vector(row, kind) @ self.weights)

    def definition(self):
        places = ["1", *self.place]
        count = len(self.names)
        return {
            "features": [
                {"name": n, "mean": float(m), "deviation": float(s), "weight": float(w)}
                for n, m, s, w in zip(self.names, self.mean, self.deviation, self.weights)
            ],
            "place": [{"name": n, "mean": float(m), "deviation": float(s)} for n, m, s in zip(self.place, self.centre, self.spread)],
            "bias": {
                kind: dict(zip(places, map(float, self.weights[count + i * len(places) :][: len(places)])))
                for i, kind in enumerate(self.kinds)
            },
        }


class Boosted(Linear):
    """The same features to boosted trees on pairs; a candidate's score is how many others it beats, by probability."""

    def fit(self, pairs):
        super().fit(pairs)
        decided = [p for p in pairs if p.better is not None]
        x = np.array([self.both(p.row, p.a, p.b) for p in decided])
        mirrored = np.array([self.both(p.row, p.b, p.a) for p in decided])
        y = np.array([p.better for p in decided])
        w = np.array([p.weight for p in decided])
        self.trees = HistGradientBoostingClassifier(max_iter=60, learning_rate=0.06, max_leaf_nodes=6, min_samples_leaf=12, l2_regularization=1.0, random_state=0)
        self.trees.fit(np.concatenate([x, mirrored]), np.concatenate([y, 1 - y]), np.concatenate([w, w]))
        return self

    def both(self, row, a, b):
        return np.concatenate([self.vector(row, a) - self.vector(row, b), [row["place"][n] for n in PLACE]])

    def score(self, row, kind):
        others = [k for k in row["fills"] if k != kind and k in self.kinds]
        ahead = self.trees.predict_proba(np.array([self.both(row, kind, o) for o in others]))[:, 1]
        behind = self.trees.predict_proba(np.array([self.both(row, o, kind) for o in others]))[:, 0]
        return float((ahead + behind).mean())


class Always:
    """One kind whatever comes."""

    def __init__(self, kind):
        self.kind = kind

    def fit(self, _pairs):
        return self

    def score(self, _row, kind):
        return 1.0 if kind == self.kind else 0.0


def value(numbers, name):
    """A feature; `|name|` is its distance from 0, `+name` its positive part, `two_scales` the mean of both coherences."""
    if name == "two_scales":
        return (numbers["coherence"] + numbers["coherence_half"]) / 2
    if name.startswith("|"):
        return abs(numbers[name.strip("|")])
    if name.startswith("+"):
        return max(numbers[name[1:]], 0.0)
    return numbers[name]


def statistics(values):
    values = np.array(values, float)
    return values.mean(0), np.maximum(values.std(0), 1e-6)


def criticise(rows, folder):
    """Adds `critic` numbers: how much like a photo's own the fill's cells look to a linear critic on sam-small's embedding.

    The critic learns from insertions: the truth's cells against each fill's at the same place. A photo's numbers come from a critic that
    never saw it. Returns the critic learned from all.
    """
    files = {id(r): pathlib.Path(folder) / f"{r['set']}-{r['case']}.npz" for r in rows}
    stored = {key: dict(np.load(file)) for key, file in files.items() if file.exists()}
    samples, groups = [], []
    for r in rows:
        cells = stored.get(id(r), {})
        for kind in r["fills"]:
            if "truth in" in cells and f"{kind} in" in cells:
                difference = cells["truth in"].astype(np.float32) - cells[f"{kind} in"].astype(np.float32)
                samples.append(difference)
                groups.append(fold_of(r["group"]))
    scale = np.concatenate(samples).std(0) + 1e-4

    def learned(fold):
        x = np.concatenate([s for s, g in zip(samples, groups) if g != fold]) / scale
        weight = np.concatenate([np.full(len(s), 1 / len(s)) for s, g in zip(samples, groups) if g != fold])
        model = LogisticRegression(C=0.02, fit_intercept=False, max_iter=300)
        both, y = np.concatenate([x, -x]), np.concatenate([np.ones(len(x)), np.zeros(len(x))])
        return model.fit(both, y, np.concatenate([weight, weight]) * len(weight) / weight.sum()).coef_[0] / scale

    critics = [learned(k) for k in range(FOLDS)]
    for r in rows:
        cells, critic = stored.get(id(r), {}), critics[fold_of(r["group"])]
        for kind, fill in r["fills"].items():
            if f"{kind} in" in cells:
                inside = cells[f"{kind} in"].astype(np.float32)
                logits = inside @ critic
                away = np.linalg.norm(inside - cells[f"{kind} out"], axis=1)
                fill["critic"] = {
                    "critic": float(logits.mean()),
                    "critic_low": float(np.quantile(logits, 0.1)),
                    "foreign": float(away.mean()),
                    "foreign_tail": float(np.quantile(away, 0.9)),
                }
    return learned(-1)


def label_pairs(rows, labels, number=1):
    by_case = {(r["set"], r["case"]): r for r in rows}
    out = []
    for l in labels:
        row = by_case.get((l["set"], l["case"]))
        if l["pass"] == number and row and l["a"] in row["fills"] and l["b"] in row["fills"]:
            better = None if l["better"] is None else int(l["better"] == l["a"])
            out.append(Pair(row, l["a"], l["b"], better))
    return out


def truth_pairs(rows, kinds, net="vgg16"):
    out = []
    for r in rows:
        have = [k for k in kinds if net in r["fills"].get(k, {"lpips": {}})["lpips"]]
        for i, a in enumerate(have):
            for b in have[i + 1 :]:
                difference = r["fills"][a]["lpips"][net] - r["fills"][b]["lpips"][net]
                if abs(difference) > DIFFERENCE_MIN:
                    out.append(Pair(r, a, b, int(difference < 0), min(abs(difference) / 0.05, 2.0), "truth"))
    return out


def interval(differences, groups):
    names = sorted(set(groups))
    sums = np.array([sum(d for d, g in zip(differences, groups) if g == n) for n in names])
    counts = np.array([groups.count(n) for n in names])
    drawn = np.random.default_rng(0).integers(0, len(names), (RESAMPLES, len(names)))
    return np.percentile(sums[drawn].sum(1) / counts[drawn].sum(1), [2.5, 97.5])


def agreed(decided, right, kinds):
    """Agreement with the labels, and how much more it is than that of the best single kind."""
    if not right:
        return "-", {}
    single = {k: np.array([float((p.a if p.better else p.b) == k) + 0.5 * (k not in (p.a, p.b)) for p in decided]) for k in kinds}
    best = max(single, key=lambda k: single[k].mean())
    more = np.array(right) - single[best]
    low, high = interval(list(more), [p.row["group"] for p in decided])
    text = f"{np.mean(right):.3f} of {len(right)}, {more.mean():+.3f} [{low:+.3f}, {high:+.3f}] over {best}"
    return text, {"labels": float(np.mean(right)), "decided": len(right), "over": best, "more": float(more.mean()), "more_interval95": [float(low), float(high)]}


def report(name, make, learned, labels, truths, kinds, net="vgg16"):
    """Cross-validates one judge and prints its line; `learned` are the pairs it may learn from."""
    judges = [make().fit([p for p in learned if fold_of(p.row["group"]) != k]) for k in range(FOLDS)]
    judge = lambda row: judges[fold_of(row["group"])]
    decided = [p for p in labels if p.better is not None and p.a in kinds and p.b in kinds]
    right = [float((judge(p.row).score(p.row, p.a) > judge(p.row).score(p.row, p.b)) == bool(p.better)) for p in decided]
    agreement, found = agreed(decided, right, kinds)
    if not truths:
        print(f"| {name} | {agreement} | - | - | - |", flush=True)
        return found
    values = np.array([[r["fills"][k]["lpips"][net] for k in kinds] for r in truths])
    best = values.mean(0).argmin()
    chosen = np.array([v[int(np.argmax([judge(r).score(r, k) for k in kinds]))] for r, v in zip(truths, values)])
    difference, groups = chosen - values[:, best], [r["group"] for r in truths]
    gain = (values[:, best].mean() - chosen.mean()) / (values[:, best].mean() - values.min(1).mean())
    low, high = interval(list(difference), groups)
    picked = [kinds[int(np.argmax([judge(r).score(r, k) for k in kinds]))] for r in truths]
    print(f"| {name} | {agreement} | {gain:+.2f} | {difference.mean():+.4f} [{low:+.4f}, {high:+.4f}] | {', '.join(f'{picked.count(k)} {k}' for k in kinds)} |", flush=True)
    return found | {"gain": float(gain), "difference": float(difference.mean()), "interval95": [float(low), float(high)]}


def judges(kinds, critic=False):
    """Name -> maker."""
    everything = (*COHERENCE, *("|" + s for s in SHAPE[:3]), *SHAPE, *EDGES, *LEFT, "apart")
    out = {f"always {k}": (lambda k=k: Always(k)) for k in kinds}
    out |= {
        "coherence": lambda: Linear(kinds, ("coherence",)),
        SHIPPED: lambda: Linear(kinds, ("two_scales",), strength=1),
        "coherence, two scales, tail": lambda: Linear(kinds, COHERENCE),
        "sharpness and seam": lambda: Linear(kinds, (*("|" + s for s in SHAPE[:3]), *SHAPE)),
        "edges": lambda: Linear(kinds, EDGES),
        "leftovers": lambda: Linear(kinds, LEFT),
        "agreement": lambda: Linear(kinds, ("apart",)),
        "place alone": lambda: Linear(kinds, (), PLACE),
        "all": lambda: Linear(kinds, everything, strength=0.03),
        "all, with the place": lambda: Linear(kinds, everything, PLACE, strength=0.03),
        "all, boosted": lambda: Boosted(kinds, everything),
    }
    if critic:
        out |= {
            "critic alone": lambda: Linear(kinds, ("critic", "critic_low")),
            "foreign": lambda: Linear(kinds, ("foreign", "foreign_tail")),
            "all, critic": lambda: Linear(kinds, (*everything, *CRITIC), strength=0.03),
            "all, critic, with the place": lambda: Linear(kinds, (*everything, *CRITIC), PLACE, strength=0.03),
            "all, critic, boosted": lambda: Boosted(kinds, (*everything, *CRITIC)),
        }
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", required=True)
    parser.add_argument("--labels", default=str(pathlib.Path(__file__).parent / "labels.json"))
    parser.add_argument("--embeddings", help="folder of sam-small's embeddings, for the critic")
    parser.add_argument("--kinds", nargs="+")
    parser.add_argument("--net", default="vgg16")
    parser.add_argument("--out")
    args = parser.parse_args()
    rows = [json.loads(l) for l in pathlib.Path(args.features).read_text().splitlines()]
    if args.embeddings:
        criticise(rows, args.embeddings)
    kinds = args.kinds or sorted({k for r in rows for k in r["fills"]})
    labels = label_pairs(rows, json.loads(pathlib.Path(args.labels).read_text())) if pathlib.Path(args.labels).exists() else []
    truths = [r for r in rows if all(args.net in r["fills"].get(k, {"lpips": {}})["lpips"] for k in kinds)]
    values = np.array([[r["fills"][k]["lpips"][args.net] for k in kinds] for r in truths] or [[np.nan] * len(kinds)])
    print(f"{len(truths)} insertions, LPIPS-{args.net}: " + ", ".join(f"{k} {v:.4f}" for k, v in zip(kinds, values.mean(0))) + f"; oracle {values.min(1).mean():.4f}")
    print(f"{len(labels)} labels, {sum(p.better is not None for p in labels)} decided")
    mine = [p for p in labels if p.a in kinds and p.b in kinds]
    sources = {"labels": mine, "truth": truth_pairs(truths, kinds, args.net)}
    sources["both"] = sources["labels"] + sources["truth"]
    out = {}
    for source, pairs in sources.items():
        if not pairs:
            continue
        print(f"\n| learned from {source} ({len(pairs)} pairs) | labels | gain | difference | choices |\n| --- | --- | --- | --- | --- |")
        for name, make in judges(kinds, bool(args.embeddings)).items():
            if name.startswith("always") and source != next(iter(sources)):
                continue
            out[f"{source}: {name}"] = report(name, make, pairs, labels, truths, kinds, args.net)
    if args.out:
        shipped = judges(kinds)[SHIPPED]().fit(mine).definition()
        pathlib.Path(args.out).write_text(json.dumps({"judge": SHIPPED, **shipped, "measured": out}, indent=1) + "\n")


if __name__ == "__main__":
    main()
