"""Trains sam-small: `python -m training.sam_small.train --data DIR --features DIR --start FILE --state DIR --minutes 90`.

Runs for `--run-minutes` (or until a signal), saves, and goes on from there when called again. `--minutes` is the length of the whole
training: at first the encoder alone learns to give the teacher's embeddings, then all of it learns to give the objects' masks, which the
embeddings keep a share in. The learning rate follows the share of the time that has passed, and ends at zero.

The layers that the student shares with the teacher are not trained: `features.py` has stored what they give.
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
from safetensors.torch import load_file
from torch import Tensor

from training.data import Shards
from training.sam_small import losses, prompts, state
from training.sam_small.model import CORNER_FIRST, CORNER_SECOND, FOREGROUND, NO_POINT, SamSmall
from training.sam_small.sampler import Sample, Sampler
from training.sam_small.samples import MASK_STRIDE

#: Share of prompts that begin with a box; the rest begin with a click.
BOX_SHARE = 0.3
#: Corrective clicks that are added for the second answer.
CORRECTIONS = (1, 1, 2, 4)
WARM_UP_STEPS = 100
#: What the teacher's embeddings count once masks are learnt: their mean squared error as a share of their variance.
EMBEDDING_WEIGHT = 0.5
#: The encoder's layers that are the teacher's.
FROZEN = tuple(f"image_encoder.{part}." for part in ("patch_embed", "layers.0", "layers.1"))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with index.tsv and train-*.tar")
    parser.add_argument("--features", type=Path, required=True, help="folder that features.py fills")
    parser.add_argument("--start", type=Path, required=True, help="weights that shrink.py made")
    parser.add_argument("--state", type=Path, required=True, help="folder for the training state")
    parser.add_argument("--licences", choices=("all", "permissive"), default="all")
    parser.add_argument("--minutes", type=float, required=True, help="length of the whole training")
    parser.add_argument("--run-minutes", type=float, default=math.inf, help="length of this run")
    parser.add_argument("--save-minutes", type=float, default=3.0)
    parser.add_argument("--match", type=float, default=0.3, help="share of the training that learns embeddings alone")
    parser.add_argument("--match-batch", type=int, default=8, help="views a step while it does")
    parser.add_argument("--batch", type=int, default=4, help="views a step afterwards")
    parser.add_argument("--objects", type=int, default=4, help="prompts a view")
    parser.add_argument("--match-rate", type=float, default=1.5e-3)
    parser.add_argument("--rate", type=float, default=4e-4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


class Feeder:
    """Draws batches in a thread of its own. `batch` may change between batches."""

    def __init__(self, sampler: Sampler, batch: int) -> None:
        self.batch = batch
        self._sampler = sampler
        self._ready: queue.Queue[list[Sample] | BaseException] = queue.Queue(3)
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            drawn = 0
            while True:
                self._ready.put([self._sampler.draw() for _ in range(self.batch)])
                drawn += 1
                if drawn % 100 == 0:
                    self._sampler.look()
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
        self.model.load_state_dict(load_file(args.start))
        self.model.eval()  # norms keep the teacher's statistics
        for name, p in self.model.named_parameters():
            p.requires_grad_(not name.startswith(FROZEN))
        self.encoder = [p for n, p in self.model.named_parameters() if n.startswith("image_encoder.") and p.requires_grad]
        self.decoder = [p for n, p in self.model.named_parameters() if not n.startswith("image_encoder.")]
        groups = [{"params": self.encoder}, {"params": self.decoder}]
        self.optimiser = torch.optim.AdamW(groups, weight_decay=0.01, betas=(0.9, 0.98))
        self.average = state.Average(self.model, 0.998)
        self.progress: dict[str, float] = {"step": 0, "seconds": 0.0, "views": 0}
        self.progress = state.load(args.state, self.model, self.average, self.optimiser) or self.progress
        step = int(self.progress["step"])
        config = self.model.config
        shards = Shards(args.data, licences=args.licences, masks_only=True)
        sampler = Sampler(shards, args.features, config.side, (config.dims[2], config.dim), args.seed + step, args.objects)
        self.feeder = Feeder(sampler, self.batch())
        self.rng = np.random.default_rng(args.seed + 1 + step)

    def share(self) -> float:
        return min(1.0, self.progress["seconds"] / (60 * self.args.minutes))

    def matching(self) -> bool:
        return self.share() < self.args.match

    def batch(self) -> int:
        return self.args.match_batch if self.matching() else self.args.batch

    def set_rates(self) -> float:
        """A short rise, then half a cosine for each of the two parts of the training. Gives the encoder's rate."""
        match = self.args.match
        peak, share = (self.args.match_rate, self.share() / match) if self.matching() else (self.args.rate, (self.share() - match) / (1 - match))
        # The first part ends at the rate that the second begins with.
        floor = self.args.rate if self.matching() else 0.0
        rate = floor + (peak - floor) * 0.5 * (1 + math.cos(math.pi * share))
        rate *= min(1.0, (self.progress["step"] + 1) / WARM_UP_STEPS)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        return rate

    def embedded(self, batch: list[Sample]) -> tuple[Tensor, Tensor]:
        """The student's embeddings, and how far they are from the teacher's."""
        taps = torch.stack([s.tap for s in batch]).to(self.device).float().contiguous(memory_format=torch.channels_last)
        wanted = torch.stack([s.embedding for s in batch]).to(self.device).float()
        with torch.autocast(self.device.type, torch.bfloat16):
            embeddings = self.model.image_encoder.rest(taps)
        return embeddings, (embeddings.float() - wanted).pow(2).mean() / wanted.var()

    def of_masks(self, batch: list[Sample], embeddings: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of an answer to a click or a box, and of one after corrections; the IoU of each kind."""
        side = self.model.config.side
        wanted = np.concatenate([s.masks for s in batch])
        cut = wanted > 0.5
        shares = torch.from_numpy(wanted).to(self.device)[:, None]
        owner = torch.arange(len(batch), device=self.device).repeat_interleave(self.args.objects)
        inside = torch.zeros(len(batch), 1, *shares.shape[-2:], device=self.device)
        for i, s in enumerate(batch):
            inside[i, :, : math.ceil(s.size[0] / MASK_STRIDE), : math.ceil(s.size[1] / MASK_STRIDE)] = 1
        inside = inside[owner]

        def answer(places: np.ndarray, labels: np.ndarray) -> tuple[Tensor, Tensor]:
            where = torch.from_numpy(places).to(self.device), torch.from_numpy(labels).to(self.device)
            with torch.autocast(self.device.type, torch.bfloat16):
                masks, quality = self.model.decode(embeddings, owner, *where, side)
            return masks.float(), quality.float()

        places, labels = first_prompts(cut, self.rng)
        masks, quality = answer(places, labels)
        clicked = torch.from_numpy(labels[:, 1] == NO_POINT).to(self.device)
        of_click, click_iou = losses.candidates_loss(masks[:, 1:], quality[:, 1:], shares, inside)
        of_box, box_iou = losses.single_loss(masks[:, :1], quality[:, :1], shares, inside)
        loss = torch.where(clicked, of_click, of_box).mean()
        with torch.no_grad():
            best = torch.where(clicked, 1 + quality[:, 1:].argmax(1), 0)
            found = (masks[torch.arange(len(masks)), best] > 0) & (inside[:, 0] > 0)
        places, labels = corrected(places, labels, found.cpu().numpy(), cut, self.rng)
        masks, quality = answer(places, labels)
        again, again_iou = losses.single_loss(masks[:, :1], quality[:, :1], shares, inside)
        figures = {"click": click_iou[clicked], "box": box_iou[~clicked], "corrected": again_iou}
        return loss + again.mean(), {name: v.mean() for name, v in figures.items() if len(v)}

    def step(self) -> dict[str, float]:
        rate, matching = self.set_rates(), self.matching()
        self.feeder.batch = self.batch()
        batch = self.feeder.next()
        embeddings, distance = self.embedded(batch)
        loss, figures = distance, {}
        if not matching:
            of_masks, figures = self.of_masks(batch, embeddings)
            loss = of_masks + EMBEDDING_WEIGHT * distance
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        if torch.isfinite(norm):
            self.optimiser.step()
        self.average.update(self.model, int(self.progress["step"]))
        self.progress["step"] += 1
        self.progress["views"] += len(batch)
        return {"loss": loss.item(), "embedding": distance.item(), "norm": float(norm), "rate": rate} | {n: float(v) for n, v in figures.items()}

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
