"""Trains sam-small: `python -m training.sam_small.train --data DIR --trunk PACKAGE --state DIR --minutes 90`.

Runs for `--run-minutes` (or until a signal), saves, and goes on from there when called again. `--minutes` is the length of the whole
training: learning rate, image size and the moment when the trunk thaws follow the share of it that has passed.
"""

from __future__ import annotations

import argparse
import json
import math
import queue
import signal
import threading
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training.data import Cutouts, Shards
from training.sam_small import losses, prompts, state, tfjs
from training.sam_small.model import CORNER_FIRST, CORNER_SECOND, FOREGROUND, NO_POINT, SamSmall
from training.sam_small.samples import MASK_STRIDE, Sample, Sampler

#: Share of prompts that begin with a box; the rest begin with a click.
BOX_SHARE = 0.4
#: Corrective clicks that are added for the second answer.
CORRECTIONS = (1, 1, 2, 4)
WARM_UP_STEPS = 200
#: Layers down to stride 4 keep their ImageNet weights: edges and colours are the same here, and they cost half of the backward pass.
FROZEN = tuple(f"image_encoder.trunk.{part}." for part in ("stem", "blocks.0", "blocks.1", "blocks.2"))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with index.tsv, train-*.tar and cutouts.tar")
    parser.add_argument("--trunk", type=Path, required=True, help="unpacked npm package nsfwjs")
    parser.add_argument("--state", type=Path, required=True, help="folder for the training state")
    parser.add_argument("--licences", choices=("all", "permissive"), default="all")
    parser.add_argument("--minutes", type=float, required=True, help="length of the whole training")
    parser.add_argument("--run-minutes", type=float, default=math.inf, help="length of this run")
    parser.add_argument("--save-minutes", type=float, default=3.0)
    parser.add_argument("--batch", type=int, default=4, help="photos a step")
    parser.add_argument("--objects", type=int, default=6, help="prompts a photo")
    parser.add_argument("--sides", default="256:0.6,384:1", help="side of the square in pixels, and up to which share of the training")
    parser.add_argument("--thaw", type=float, default=0.35, help="share of the training after which the trunk learns too")
    parser.add_argument("--rate", type=float, default=6e-4)
    parser.add_argument("--trunk-rate", type=float, default=1e-4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


class Feeder:
    """Draws batches in a thread of its own. `side` may change between batches."""

    def __init__(self, sampler: Sampler, batch: int, side: int) -> None:
        self.side = side
        self._sampler, self._batch = sampler, batch
        self._ready: queue.Queue[list[Sample] | BaseException] = queue.Queue(3)
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            while True:
                side = self.side
                self._ready.put([self._sampler.draw(side) for _ in range(self._batch)])
        except BaseException as error:  # handed over: a silent thread would leave the training waiting for ever
            self._ready.put(error)

    def next(self) -> list[Sample]:
        batch = self._ready.get()
        if isinstance(batch, BaseException):
            raise batch
        return batch


def first_prompts(masks: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A click or a box for every mask bool `[P, h, w]`: places `[P, 2, 2]` in photo pixels, labels `[P, 2]`."""
    places, labels = np.zeros((len(masks), 2, 2), np.float32), np.zeros((len(masks), 2), np.int64)
    for i, mask in enumerate(masks):
        if rng.random() < BOX_SHARE:
            places[i] = prompts.jittered_box(mask, rng).reshape(2, 2) * MASK_STRIDE
            labels[i] = CORNER_FIRST, CORNER_SECOND
        else:
            places[i, 0] = click(prompts.loose(mask, rng), rng)
            labels[i] = FOREGROUND, NO_POINT
    return places, labels


def click(cell: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Some pixel of a logit's cell."""
    return (np.array(cell, np.float32) + rng.random(2, np.float32)) * MASK_STRIDE


def corrected(
    places: np.ndarray, labels: np.ndarray, found: np.ndarray, masks: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The prompts with corrective clicks added, as many for each."""
    for _ in range(int(rng.choice(CORRECTIONS))):
        more, kinds = np.zeros((len(masks), 1, 2), np.float32), np.zeros((len(masks), 1), np.int64)
        for i, (f, m) in enumerate(zip(found, masks)):
            x, y, kinds[i, 0] = prompts.correction(f, m, rng)
            more[i, 0] = click((x, y), rng)
        places, labels = np.concatenate([places, more], 1), np.concatenate([labels, kinds], 1)
    return places, labels


class Trainer:
    def __init__(self, args: argparse.Namespace) -> None:
        self.args, self.device = args, torch.device(args.device)
        self.model = SamSmall().to(self.device, memory_format=torch.channels_last)
        trunk = [p for n, p in self.model.named_parameters() if ".trunk." in n and not n.startswith(FROZEN)]
        for name, p in self.model.named_parameters():
            p.requires_grad_(not name.startswith(FROZEN))
        rest = [p for n, p in self.model.named_parameters() if ".trunk." not in n]
        groups = [{"params": rest, "rate": args.rate}, {"params": trunk, "rate": args.trunk_rate}]
        self.optimiser = torch.optim.AdamW(groups, weight_decay=0.02, betas=(0.9, 0.98))
        self.average = state.Average(self.model, 0.998)
        self.progress: dict[str, float] = {"step": 0, "seconds": 0.0, "photos": 0, "thawed_at": -1}
        found = state.load(args.state, self.model, self.average, self.optimiser)
        sampler = Sampler(
            Shards(args.data, licences=args.licences, masks_only=True),
            Cutouts(args.data),
            seed=args.seed + int(found["step"] if found else 0),
            objects=args.objects,
        )
        self.feeder = Feeder(sampler, args.batch, self.side())
        if found:
            self.progress = found
        else:
            self.begin()
        self.rng = np.random.default_rng(args.seed + 1 + int(self.progress["step"]))

    def share(self) -> float:
        return min(1.0, self.progress["seconds"] / (60 * self.args.minutes))

    def side(self) -> int:
        for part in self.args.sides.split(","):
            side, until = part.split(":")
            if self.share() < float(until):
                break
        return int(side)

    def begin(self) -> None:
        """Takes the ImageNet weights, and measures the norms' statistics anew: 8 bits cannot hold small variances, and padding and
        normalisation are not those of the original."""
        encoder = self.model.image_encoder
        encoder.trunk.load_state_dict(tfjs.trunk_state(tfjs.read_layers(self.args.trunk)), strict=False)
        norms = [m for m in encoder.trunk.modules() if isinstance(m, torch.nn.BatchNorm2d)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
        encoder.train()
        with torch.no_grad():
            for _ in range(24):
                encoder.trunk(self.photos(self.feeder.next()))
        for norm in norms:
            norm.momentum = 0.1
        self.average = state.Average(self.model, self.average.decay)

    def photos(self, batch: list[Sample]) -> Tensor:
        photos = torch.from_numpy(np.stack([s.photo for s in batch])).to(self.device)
        return photos.contiguous(memory_format=torch.channels_last)

    def rates(self) -> float:
        """Sets the learning rates: a short rise, then half a cosine. Gives the first group's."""
        scale = 0.5 * (1 + math.cos(math.pi * self.share()))
        thawed = self.share() >= self.args.thaw
        if thawed and self.progress["thawed_at"] < 0:
            self.progress["thawed_at"] = self.progress["step"]
        rest, trunk = self.optimiser.param_groups
        rest["lr"] = rest["rate"] * scale * min(1.0, (self.progress["step"] + 1) / WARM_UP_STEPS)
        trunk["lr"] = trunk["rate"] * scale * min(1.0, (self.progress["step"] - self.progress["thawed_at"] + 1) / WARM_UP_STEPS)
        for p in trunk["params"]:
            p.requires_grad_(thawed)
        return rest["lr"]

    def step(self) -> dict[str, float]:
        rate = self.rates()
        self.feeder.side = self.side()
        batch = self.feeder.next()
        side = batch[0].photo.shape[-1]
        wanted = np.concatenate([s.masks for s in batch])
        cut = wanted > 0.5
        shares = torch.from_numpy(wanted).to(self.device)[:, None]
        owner = torch.arange(len(batch), device=self.device).repeat_interleave(self.args.objects)
        inside = torch.zeros(len(batch), 1, *shares.shape[-2:], device=self.device)
        for i, s in enumerate(batch):
            inside[i, :, : math.ceil(s.size[0] / MASK_STRIDE), : math.ceil(s.size[1] / MASK_STRIDE)] = 1
        inside = inside[owner]

        def answer(maps: tuple[Tensor, Tensor, Tensor], places: np.ndarray, labels: np.ndarray) -> tuple[Tensor, Tensor]:
            where = torch.from_numpy(places).to(self.device), torch.from_numpy(labels).to(self.device)
            with torch.autocast(self.device.type, torch.bfloat16):
                masks, quality = self.model.decode(maps, owner, *where, side)
            return masks.float(), quality.float()

        self.model.eval()  # norms keep their measured statistics
        with torch.autocast(self.device.type, torch.bfloat16):
            maps = self.model.encode(self.photos(batch))
        places, labels = first_prompts(cut, self.rng)
        masks, quality = answer(maps, places, labels)
        clicked = torch.from_numpy(labels[:, 1] == NO_POINT).to(self.device)
        of_click, click_iou = losses.candidates_loss(masks[:, 1:], quality[:, 1:], shares, inside)
        of_box, box_iou = losses.single_loss(masks[:, :1], quality[:, :1], shares, inside)
        loss = torch.where(clicked, of_click, of_box).mean()
        with torch.no_grad():
            best = torch.where(clicked, 1 + quality[:, 1:].argmax(1), 0)
            found = (masks[torch.arange(len(masks)), best] > 0) & (inside[:, 0] > 0)
        places, labels = corrected(places, labels, found.cpu().numpy(), cut, self.rng)
        masks, quality = answer(maps, places, labels)
        again, again_iou = losses.single_loss(masks[:, :1], quality[:, :1], shares, inside)
        loss = loss + again.mean()

        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        if torch.isfinite(norm):
            self.optimiser.step()
        self.average.update(self.model, int(self.progress["step"]))
        self.progress["step"] += 1
        self.progress["photos"] += len(batch)
        means = {"click": click_iou[clicked], "box": box_iou[~clicked], "corrected": again_iou}
        figures = {name: float(v.mean()) for name, v in means.items() if len(v)}
        return {"loss": loss.item(), "norm": float(norm), "rate": rate, "side": side, **figures}

    def save(self) -> None:
        state.save(self.args.state, self.model, self.average, self.optimiser, self.progress)

    def run(self) -> None:
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        args, began, last, saved = self.args, time.monotonic(), time.monotonic(), time.monotonic()
        self.save()
        log, recent = open(args.state / "log.jsonl", "a"), []
        while self.share() < 1 and not stop.is_set() and time.monotonic() - began < 60 * args.run_minutes:
            recent.append(self.step())
            now = time.monotonic()
            self.progress["seconds"] += now - last
            last = now
            if len(recent) == 50:
                names = {name for r in recent for name in r}
                means = {name: float(np.nanmean([r[name] for r in recent if name in r])) for name in sorted(names)}
                line = {"step": self.progress["step"], "minutes": self.progress["seconds"] / 60} | means
                print(json.dumps({k: round(v, 5) for k, v in line.items()}), file=log, flush=True)
                recent = []
            if now - saved > 60 * args.save_minutes:
                self.save()
                saved = time.monotonic()
        self.save()


def main() -> None:
    args = arguments()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    import cv2

    cv2.setNumThreads(1)
    Trainer(args).run()


if __name__ == "__main__":
    main()
