"""Writes models/weights/lama-small/model.toml.

    python -m training.lama_small.card --data DATA --run RUN --folder models/weights/lama-small [--note TEXT]

Everything that changes with the weights comes from files: size and hash, steps and hours, the measured figures, the sets of photos.
"""

import argparse
import datetime
import hashlib
import json
from pathlib import Path

from training.data import LICENCES, NOISY_SETS, Shards

TEXT = """\
# Written by training/lama_small/card.py.
name = "lama-small"
arch = "lama"
summary = "Large-mask inpainting, {parameters:.2f} M parameters in f16: trained by this project, embedded in the program"
licence = "Apache-2.0"
origin = "trained by the Cleanplate project"
input = "RGB / 255 times (1 - mask), then the mask (1 = hole), NCHW; sides padded to multiples of 8 at the bottom and right (symmetric)"
auto = 3

[config]
{config}

[file]
embedded = "lama-small.safetensors"
bytes = {bytes}
sha256 = "{sha256}"

[training]
data = "{photos} photos of {count} sets, crops of 128 to 256 pixels"
recipe = "{note}{steps} steps of 65,536 pixels in {minutes} minutes of one shared CPU core; masked L1, VGG16 features and their statistics, PatchGAN with R1 and feature matching, heads on VGG16 features, hole as fake target; averaged weights"
command = "make -f training/Makefile lama-train lama-export DATA=... RUN=... LICENCES={licences}"
date = "{date}"

[training.sets]
{sets}

# Inside the holes of held-out photos at 256 and 512 pixels; the classical methods' figures stand in evaluation.json.
[training.metrics]
{metrics}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--run", type=Path, required=True, help="folder of the run")
    parser.add_argument("--folder", type=Path, required=True, help="with lama-small.safetensors and evaluation.json")
    parser.add_argument("--licences", choices=("all", "permissive"), default="all")
    parser.add_argument("--note", default="", help="what came before these steps")
    options = parser.parse_args()
    weights = (options.folder / "lama-small.safetensors").read_bytes()
    info = json.loads((options.run / "state" / "info.json").read_text())
    measured = json.loads((options.folder / "evaluation.json").read_text())["sizes"]
    sets = {name: photos for name, photos in Shards(options.data, licences=options.licences).by_set().items() if name not in NOISY_SETS}
    metrics = {
        f"{name}_{side}": value for side, columns in measured.items() for name, value in columns["all"]["methods"]["lama-small"].items()
    }
    header = int.from_bytes(weights[:8], "little")
    tensors = json.loads(weights[8 : 8 + header])
    size = lambda tensor: (tensor["data_offsets"][1] - tensor["data_offsets"][0]) / 2
    text = TEXT.format(
        parameters=sum(size(t) for n, t in tensors.items() if n != "__metadata__" and ".running_" not in n) / 1e6,
        config="\n".join(f"{name} = {value}" for name, value in info["config"].items()),
        bytes=len(weights),
        sha256=hashlib.sha256(weights).hexdigest(),
        photos=sum(len(photos) for photos in sets.values()),
        count=len(sets),
        note=options.note,
        steps=info["step"],
        minutes=round(info["seconds"] / 60),
        licences=options.licences,
        date=datetime.date.today().isoformat(),
        sets="\n".join(f'{name} = "{LICENCES[name]}"' for name in sorted(sets)),
        metrics="\n".join(f"{name} = {value}" for name, value in metrics.items()),
    )
    (options.folder / "model.toml").write_text(text)


if __name__ == "__main__":
    main()
