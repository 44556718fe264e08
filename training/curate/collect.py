"""Measures the candidates in a store: features of every fill, and LPIPS where the truth is known.

    python training/curate/collect.py --set labels insertion --lpips DIR --features FILE [the arguments of candidates.py]

Writes one JSON object a line and case; cases that stand there with the same candidates are left as they are. Candidates that are not in
the store yet are left out.
"""

import json
import pathlib

import numpy as np

import candidates
import features
import fills
from encoder import Encoder
from lpips import Lpips


def main():
    parser = candidates.arguments(__doc__)
    parser.add_argument("--lpips")
    parser.add_argument("--features", required=True)
    parser.add_argument("--embeddings", help="folder for sam-small's embeddings, one file a case")
    parser.add_argument("--only", help="labels; cases without one are left out")
    args = parser.parse_args()
    store, of = fills.Store(args.store), candidates.methods(args)
    lpips = Lpips(args.lpips, threads=1) if args.lpips else None
    file = pathlib.Path(args.features)
    encoder = Encoder() if args.embeddings else None
    lines = [json.loads(l) for l in file.read_text().splitlines()] if file.exists() else []
    rows = {(r["set"], r["case"]): r for r in lines}
    wanted = {(l["set"], l["case"]) for l in json.loads(pathlib.Path(args.only).read_text())} if args.only else None
    for name in args.set:
        for case in candidates.case_set(args, name):
            if wanted is not None and (name, case["name"]) not in wanted:
                continue
            keys = {kind: store.key(case, stored, version, False) for kind, (stored, version, _) in of.items()}
            keys = {kind: key for kind, key in keys.items() if (store.folder / f"{key}.png").exists()}
            at = name, case["name"]
            if len(keys) < 2 or set(rows.get(at, {"fills": {}})["fills"]) == set(keys):
                continue
            if args.embeddings:
                embed(pathlib.Path(args.embeddings), name, case, keys, store, of, encoder)
            rows[at] = measured(name, case, keys, store, of, lpips, rows.get(at))
            fills.write(file, "".join(json.dumps(r) + "\n" for r in rows.values()).encode())
            print(name, case["name"], len(keys), flush=True)


def embed(folder, name, case, keys, store, of, encoder):
    """`SET-CASE.npz`: of every candidate the cells in the hole and the mean of those round it; `truth` likewise."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}-{case['name']}.npz"
    have = dict(np.load(file)) if file.exists() else {}
    place = None
    for kind in [*keys, "truth"]:
        if f"{kind} in" in have or (kind == "truth" and case["truth"] is None):
            continue
        place = place or features.Place(case["photo"], fills.widened(case["mask"])[1] > 0, case["mask"] > 0)
        picture = case["truth"] if kind == "truth" else store.picture(case, *of[kind])[1]
        inside, outside = encoder(place, picture)
        have |= {f"{kind} in": inside.astype(np.float16), f"{kind} out": outside.mean(0)}
    np.savez_compressed(file, **have)


def measured(name, case, keys, store, of, lpips, before):
    pictures = {kind: store.picture(case, *of[kind])[1] for kind in keys}
    if case["truth"] is not None and lpips is not None:
        missing = [kind for kind, key in keys.items() if "vgg16" not in store.notes(key)]
        scores = lpips(case["truth"], [pictures[k] for k in missing], case["mask"] > 0) if missing else []
        for kind, score in zip(missing, scores):
            store.note(keys[kind], **score)
    hole = fills.widened(case["mask"])[1] > 0
    place = features.Place(case["photo"], hole, case["mask"] > 0)
    out = {"set": name, "case": case["name"], "group": case["group"], "place": place.numbers, "fills": {}}
    for kind, picture in pictures.items():
        old = (before or {"fills": {}})["fills"].get(kind)
        notes = store.notes(keys[kind])
        out["fills"][kind] = {
            "numbers": old["numbers"] if old else place.fill(picture),
            "lpips": {net: notes[net] for net in ("vgg16", "alexnet") if net in notes},
        }
    for kind, value in zip(pictures, features.together(list(pictures.values()), place)):
        out["fills"][kind]["apart"] = value
    return out


if __name__ == "__main__":
    main()
