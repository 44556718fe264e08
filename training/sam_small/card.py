"""Writes models/weights/sam-small/model.toml: `python -m training.sam_small.card --data DIR --state STATE --folder models/weights/sam-small`.

Everything that changes with the weights comes from files: size and hash, the steps that were trained, the measured figures, the sets.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
from pathlib import Path

from training.data import LICENCES, Shards

_TEXT = """\
# Written by training/sam_small/card.py.
name = "sam-small"
arch = "sam"
summary = "Segmentation from clicks and boxes, MobileSAM made smaller, 4.2 M parameters in f16: trained by this project, embedded in the program"
licence = "Apache-2.0"
origin = "trained by the Cleanplate project from MobileSAM (ChaoningZhang/MobileSAM, Apache-2.0), by pruning and distillation"
input = "RGB resized so that the longer side is {side}, normalised on 0..255, zero-padded right and bottom to {side}x{side}"
auto = 4

[click]
rank = 1
margin = 0.0

{config}

[file]
embedded = "sam-small.safetensors"
bytes = {bytes}
sha256 = "{sha256}"

[training]
data = "{photos} photos with label maps, of {count} sets; MobileSAM's published weights as start and teacher"
recipe = "MobileSAM without its last encoder stage, MLPs thinned by least squares; {minutes} minutes of one shared CPU core, {steps} steps: first batches of 8 to match the teacher's embeddings, then 4 photos with 4 objects, one answer to a click or box and one after corrections; focal, dice, predicted IoU, embeddings"
command = "make -f training/Makefile sam-teacher sam-features sam-shrink sam-train sam-export DATA=... RUN=... LICENCES={licences}"
date = "{date}"

[training.sets]
{sets}

# Mean IoU on held-out photos: over all instances above 1 % of their photo, and over the means of the sets.
[training.metrics]
{metrics}
"""


def stated(weights: bytes) -> str:
    """The sizes in the file's metadata as TOML tables, those of the whole network first."""
    header = json.loads(weights[8 : 8 + int.from_bytes(weights[:8], "little")])
    config = json.loads(header["__metadata__"]["config"])
    tables = {"config": {k: v for k, v in config.items() if not isinstance(v, dict)}}
    tables |= {f"config.{k}": v for k, v in config.items() if isinstance(v, dict)}
    row = lambda name, value: f"{name} = {json.dumps(value)}"
    return "\n\n".join("\n".join([f"[{name}]", *(row(*item) for item in table.items())]) for name, table in tables.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True, help="with sam-small.safetensors and evaluation.json")
    parser.add_argument("--licences", choices=("all", "permissive"), default="all")
    args = parser.parse_args()
    weights = (args.folder / "sam-small.safetensors").read_bytes()
    progress = json.loads((args.state / "progress.json").read_text())
    measured = json.loads((args.folder / "evaluation.json").read_text())
    shards = Shards(args.data, licences=args.licences, masks_only=True)
    names = ("clicks_1", "clicks_3", "clicks_5", "box")
    metrics = [f"{n}_{over} = {measured[f'mean_over_{over}'][n]}" for over in ("instances", "sets") for n in names]
    text = _TEXT.format(
        side=measured["side"],
        config=stated(weights),
        bytes=len(weights),
        sha256=hashlib.sha256(weights).hexdigest(),
        photos=len(shards.photos),
        count=len(shards.by_set()),
        steps=int(progress["step"]),
        minutes=round(progress["seconds"] / 60),
        licences=args.licences,
        date=datetime.date.today().isoformat(),
        sets="\n".join(f'{name} = "{LICENCES[name]}"' for name in sorted(shards.by_set())),
        metrics="\n".join(metrics),
    )
    (args.folder / "model.toml").write_text(text)


if __name__ == "__main__":
    main()
