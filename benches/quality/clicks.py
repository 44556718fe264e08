"""The masks of single clicks: which of a network's three is taken, how well its edge fits, what it leaves of the object.

    python benches/quality/clicks.py --binary FILE --heldout DIR --cutouts DIR --store DIR \
        [--import mobile-sam=FILE] [--model NAME]... [--limit N] [--out FILE]

Two kinds of cases on held-out photos, each one click on the object's innermost pixel: cut-outs with a soft shadow pasted onto photos,
whose masks are exact, and labelled objects of at least 1 % of their photo, whose masks people drew. The product answers with its own
choice and, with the edge as the network drew it (`sam.edge_share=0`), with its own and with each of the three masks by rank
(`alternative`). Printed per network and rule: mean IoU, boundary F at 2 px, the share of masks nearly right (IoU .8), the mean
difference of the IoU from that of the best predicted mask with its 95 % interval (bootstrap over photos), and the share of the object
that shows after the mask grew as it does by default: what a fill would copy. Answers are kept in the store; a run that was stopped
goes on. Runs of different binaries need stores of their own.
"""

import argparse
import hashlib
import json
import pathlib
import subprocess
import sys
import time

import cv2
import numpy as np

import cases

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "hostile"))
import daemon  # noqa: E402

SEGMENTATION = "/v1/services/segmentation"
CONFIG = """
[rate_limits]
segmentation_per_minute = 1000000
[pipelines]
settable = ["sam.*"]
"""
#: Instances smaller than this share of their photo are no cases.
AREA_MIN = 0.01
RANKS = (1, 2, 3)
OWN, DRAWN = "the product's own", "the product's own, edge as drawn"
AS_DRAWN = "&set=sam.edge_share=0"
RESAMPLES = 10_000


def innermost(region):
    """x, y of the region's innermost pixel, the frame included in its outside."""
    depth = cv2.distanceTransform(np.pad(region.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return int(x), int(y)


def labelled(heldout, limit):
    """Every labelled object of at least AREA_MIN in so many photos."""
    for file in cases.spaced(sorted(pathlib.Path(heldout).glob("[0-9][0-9][0-9][0-9][0-9]_*.png")), limit):
        labels, photo = cases.read(file, cv2.IMREAD_UNCHANGED), cases.read(file.with_suffix(".webp"))
        for i in np.unique(labels[labels > 0]):
            wanted = labels == i
            if wanted.mean() >= AREA_MIN:
                yield {"kind": "labelled", "name": f"{file.stem}/{i}", "group": file.stem, "photo": photo, "wanted": wanted}


def pasted(heldout, cut_from, limit):
    """Cut-outs on so many held-out photos, as far as these are large enough."""
    objects = cases.cutouts(cut_from)
    for file in cases.spaced(sorted(pathlib.Path(heldout).glob("[0-9][0-9][0-9][0-9][0-9]_*.webp")), limit):
        truth = cases.read(file)
        if max(truth.shape) < cases.LONG_PX_MIN:
            continue
        rng = cases.generator("click " + file.stem)
        photo, alpha, _ = cases.composed(truth, objects[rng.integers(len(objects))], rng)
        yield {"kind": "pasted", "name": file.stem, "group": file.stem, "photo": photo, "wanted": alpha > 0.5}


class Answers:
    """The product's masks of clicks, kept on disk."""

    def __init__(self, running, key, store):
        self.running, self.key, self.store = running, key, pathlib.Path(store)

    def one(self, case, model, extra):
        """Mask bool `[H, W]` and predicted IoU; None where nothing was found."""
        x, y = innermost(case["wanted"])
        query = f"points=[[{x},{y}]]&set=sam.model={model}{extra}"
        name = hashlib.sha256(case["photo"].tobytes() + query.encode()).hexdigest()[:24]
        kept = self.store / name[:2] / f"{name}.npz"
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            mask, quality = self.asked(case["photo"], query)
            np.savez_compressed(kept, mask=np.packbits(mask), quality=quality)
        with np.load(kept) as found:
            shape = case["wanted"].shape
            mask = np.unpackbits(found["mask"], count=shape[0] * shape[1]).reshape(shape).astype(bool)
            return mask, float(found["quality"])

    def asked(self, photo, query):
        _, png = cv2.imencode(".png", cv2.cvtColor(photo, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 1])
        body = daemon.form(("image", "photo.png", png.tobytes()))
        reply = self.running.post_form(f"{SEGMENTATION}?{query}", body, key=self.key, timeout=120)
        if b"nothing_found" in reply.body:
            return np.zeros(photo.shape[:2], bool), 0.0
        if reply.status != 200:
            raise SystemExit(f"{SEGMENTATION}?{query} answered {reply.status}: {reply.body[:300]!r}")
        mask = cv2.imdecode(np.frombuffer(reply.body, np.uint8), cv2.IMREAD_GRAYSCALE)
        return mask > 127, float(reply.getheader("X-Predicted-Iou"))


def iou(found, wanted):
    return (found & wanted).sum() / max((found | wanted).sum(), 1)


def boundary_f(found, wanted, tolerance=2):
    """F measure of the boundaries within `tolerance` px; the photo's frame is none."""
    edges = [m.astype(np.uint8) - cv2.erode(m.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1) for m in (found, wanted)]
    near = [cv2.distanceTransform(1 - e, cv2.DIST_L2, 5) <= tolerance for e in edges]
    shares = [(e & n).sum() / max(e.sum(), 1) for e, n in zip(edges, reversed(near))]
    return 2 * shares[0] * shares[1] / max(sum(shares), 1e-9)


def grown(mask):
    """The mask as the pipelines grow it by default (`grow.radius_px = auto`)."""
    radius = int(np.clip(round(4 * max(mask.shape) / 768), 3, 16))
    return cv2.distanceTransform(1 - mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) <= radius if mask.any() else mask


def largest(within, share_max):
    """A rule: of the masks whose predicted IoU is within `within` of the best, the largest that covers less than `share_max`."""

    def rule(masks, qualities):
        near = [i for i in RANKS if qualities[i] >= qualities[1] - within and 0 < masks[i].mean() < share_max]
        return max(near, key=lambda i: masks[i].sum(), default=1)

    return rule


RULES = {
    "best predicted": lambda masks, qualities: 1,
    "largest within .05, under 40 %": largest(0.05, 0.4),
}
RULES |= {f"largest within {w}, under 40 %": largest(w, 0.4) for w in (0.02, 0.1)}


def measured(case, mask):
    out = {"iou": iou(mask, case["wanted"]), "edge": boundary_f(mask, case["wanted"])}
    shows = ~grown(mask) & case["wanted"]
    return out | {"rim": shows.sum() / case["wanted"].sum()}


def rows_of(all_cases, answers, model):
    """Scores of every rule, per case."""
    rows = []
    for case in all_cases:
        found = {i: answers.one(case, model, f"&alternative={i}{AS_DRAWN}") for i in RANKS}
        masks, qualities = {i: m for i, (m, _) in found.items()}, {i: q for i, (_, q) in found.items()}
        scores = {name: measured(case, masks[rule(masks, qualities)]) for name, rule in RULES.items()}
        scores[DRAWN] = measured(case, answers.one(case, model, AS_DRAWN)[0])
        scores[OWN] = measured(case, answers.one(case, model, "")[0])
        scores["oracle"] = measured(case, max(masks.values(), key=lambda m: iou(m, case["wanted"])))
        rows.append({"name": case["name"], "group": case["group"], "scores": scores})
        if len(rows) % 50 == 0:
            print(f"{model}: {len(rows)} cases", file=sys.stderr, flush=True)
    return rows


def interval(differences, groups):
    """The mean's 95 % interval by bootstrap over photos."""
    names = sorted(set(groups))
    at = {n: i for i, n in enumerate(names)}
    sums, counts = np.zeros(len(names)), np.zeros(len(names))
    for difference, group in zip(differences, groups):
        sums[at[group]] += difference
        counts[at[group]] += 1
    drawn = np.random.default_rng(0).integers(0, len(names), (RESAMPLES, len(names)))
    return [round(float(v), 4) for v in np.percentile(sums[drawn].sum(1) / counts[drawn].sum(1), [2.5, 97.5])]


def summary(rows):
    groups, out = [r["group"] for r in rows], {}
    base = np.array([r["scores"]["best predicted"]["iou"] for r in rows])
    for name in rows[0]["scores"]:
        values = {k: np.array([r["scores"][name][k] for r in rows]) for k in ("iou", "edge", "rim")}
        difference = values["iou"] - base
        out[name] = {k: round(float(v.mean()), 4) for k, v in values.items()} | {
            "right": round(float((values["iou"] >= 0.8).mean()), 4),
            "gain": round(float(difference.mean()), 4),
            "gain95": interval(difference, groups),
        }
    return out


def table(title, rows, lines):
    print(f"\n{title}: {len(rows)} clicks on {len({r['group'] for r in rows})} photos")
    print("| rule | IoU | of them >= .8 | edge F at 2 px | object left | beside best predicted |\n|" + " --- |" * 6)
    for name, line in lines.items():
        low, high = line["gain95"]
        print(f"| {name} | {line['iou']:.3f} | {line['right']:.0%} | {line['edge']:.3f} | {line['rim']:.3f} | "
              f"{line['gain']:+.3f} [{low:+.3f}, {high:+.3f}] |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("binary", "heldout", "cutouts", "store"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    parser.add_argument("--import", dest="imports", action="append", default=[], metavar="NAME=FILE", help="published weights")
    parser.add_argument("--model", action="append", help="networks to ask; without: sam-small and the imported ones")
    parser.add_argument("--limit", type=int, default=1 << 30, help="photos of each kind")
    parser.add_argument("--out", type=pathlib.Path)
    options = parser.parse_args()
    daemons = daemon.Daemons(options.binary)
    try:
        running = daemons.start(CONFIG)
        imported = [pair.split("=", 1) for pair in options.imports]
        for name, file in imported:
            subprocess.run([options.binary, "models", "import", file, "--as", name, "--data", running.data], check=True)
        answers = Answers(running, running.key(), options.store)
        result = {"date": time.strftime("%Y-%m-%d"), "runs": []}
        kinds = [list(pasted(options.heldout, options.cutouts, options.limit)), list(labelled(options.heldout, options.limit))]
        for model in options.model or ["sam-small", *(name for name, _ in imported)]:
            for all_cases in kinds:
                rows = rows_of(all_cases, answers, model)
                lines = summary(rows)
                table(f"{model}, {all_cases[0]['kind']}", rows, lines)
                result["runs"].append({"model": model, "cases": all_cases[0]["kind"], "clicks": len(rows), "rules": lines})
    finally:
        daemons.stop()
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
