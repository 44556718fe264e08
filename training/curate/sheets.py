"""Blind contact sheets: pairs of candidates in random order, and the labels that somebody gave them by looking.

    python training/curate/sheets.py make --pairs patches:network ... --pass 1 --sheets DIR [the arguments of candidates.py]
    python training/curate/sheets.py take --sheets DIR --pass 1 --answers FILE --labels training/curate/labels.json

`make` writes `sheet-P-NN.jpg` (six rows: the photo with the mask's outline, left, right) and the key `key-P.json`, not to be looked at
while labelling. Pairs that hardly differ are left out; pairs that are in the labels already are not shown again on pass 1, and pass 2
shows a part of pass 1 anew in another order. The answers are one letter a pair in the order of the sheets: l (left is better), r, =.
"""

import argparse
import json
import pathlib
import sys

import cv2
import numpy as np

import candidates
import cases
import fills

SIDE = 256
PAIRS_EACH = 6
#: Mean difference in the hole, of 255, below which a pair is not worth a look.
DIFFERENCE_MIN = 4


def tile(picture, mask, outline):
    x, y, w, h = cv2.boundingRect(mask)
    reach = int(max(w, h) * 0.8) + 20
    cx, cy = x + w // 2, y + h // 2
    if outline:
        picture = picture.copy()
        lines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, lines, -1, (255, 0, 0), max(reach // 120, 1))
    height, width = mask.shape
    size = min(2 * reach, height, width)
    top, left = (min(max(c - size // 2, 0), n - size) for c, n in ((cy, height), (cx, width)))
    part = picture[top : top + size, left : left + size]
    return cv2.resize(part, (SIDE, SIDE), interpolation=cv2.INTER_AREA if size > SIDE else cv2.INTER_CUBIC)


def make(args):
    store, of = fills.Store(args.store), candidates.methods(args)
    pairs = [p.split(":") for p in args.pairs]
    labels_file = pathlib.Path(args.labels)
    known = json.loads(labels_file.read_text()) if labels_file.exists() else []
    wanted = {(l["case"], frozenset((l["a"], l["b"]))) for l in known if l["pass"] == 1}
    entries = []
    for name in args.set:
        for case in candidates.case_set(args, name):
            pictures = {}
            for kind, (stored, version, method) in of.items():
                key = store.key(case, stored, version, False)
                if (store.folder / f"{key}.png").exists():
                    pictures[kind] = store.picture(case, stored, version, method)[1]
            for a, b in pairs:
                if a not in pictures or b not in pictures:
                    continue
                if ((case["name"], frozenset((a, b))) in wanted) != (getattr(args, "pass") == 2):
                    continue
                inside = case["mask"] > 0
                if np.abs(pictures[a][inside].astype(int) - pictures[b][inside]).mean() < DIFFERENCE_MIN:
                    continue
                rng = cases.generator(f"{case['name']}|{a}|{b}|{getattr(args, 'pass')}")
                order = [a, b] if rng.random() < 0.5 else [b, a]
                tiles = [tile(case["photo"], case["mask"], True)] + [tile(pictures[k], case["mask"], False) for k in order]
                entries.append((rng.random(), {"set": name, "case": case["name"], "left": order[0], "right": order[1]}, np.hstack(tiles)))
    entries.sort(key=lambda e: e[0])
    entries = entries[: args.count]
    out = pathlib.Path(args.sheets)
    out.mkdir(parents=True, exist_ok=True)
    for start in range(0, len(entries), PAIRS_EACH):
        strips = [np.pad(e[2], ((2, 2), (2, 2), (0, 0)), constant_values=255) for e in entries[start : start + PAIRS_EACH]]
        strips += [np.full_like(strips[0], 255)] * (-len(strips) % 2)
        for i, strip in enumerate(strips):
            cv2.putText(strip, str(start + i + 1), (6, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (255, 255, 0), 2, cv2.LINE_AA)
        sheet = np.vstack([np.hstack(strips[i : i + 2]) for i in range(0, len(strips), 2)])
        file = out / f"sheet-{getattr(args, 'pass')}-{args.batch}-{start // PAIRS_EACH + 1:02d}.jpg"
        cv2.imwrite(str(file), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 92])
    key = out / f"key-{getattr(args, 'pass')}-{args.batch}.json"
    key.write_text(json.dumps([e[1] for e in entries]))
    print(f"{len(entries)} pairs on {-(-len(entries) // PAIRS_EACH)} sheets in {out}")


def take(args):
    number = getattr(args, "pass")
    key = json.loads((pathlib.Path(args.sheets) / f"key-{number}-{args.batch}.json").read_text())
    answers = [c for c in pathlib.Path(args.answers).read_text() if c in "lr="]
    if len(answers) > len(key):
        raise SystemExit(f"{args.answers} holds {len(answers)} answers for {len(key)} pairs")
    file = pathlib.Path(args.labels)
    labels = json.loads(file.read_text()) if file.exists() else []
    for entry, answer in zip(key, answers):
        better = {"l": entry["left"], "r": entry["right"], "=": None}[answer]
        a, b = sorted((entry["left"], entry["right"]))
        labels.append({"set": entry["set"], "case": entry["case"], "a": a, "b": b, "better": better, "pass": number})
    lines = ",\n ".join(json.dumps(l) for l in labels)
    file.write_text(f"[\n {lines}\n]\n")
    print(f"{len(answers)} answers taken, {len(labels)} labels in {file}")


def main():
    parser = candidates.arguments(__doc__) if sys.argv[1:2] == ["make"] else argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["make", "take"])
    parser.add_argument("--pairs", nargs="+")
    parser.add_argument("--pass", type=int, choices=[1, 2], required=True)
    parser.add_argument("--batch", type=int, default=1, help="number of this set of sheets within its pass")
    parser.add_argument("--sheets", required=True)
    parser.add_argument("--count", type=int, default=1 << 30)
    parser.add_argument("--answers")
    parser.add_argument("--labels", default=str(pathlib.Path(__file__).parent / "labels.json"))
    args = parser.parse_args()
    (make if args.what == "make" else take)(args)


if __name__ == "__main__":
    main()
