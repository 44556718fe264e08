"""Trains lama-small, in resumable pieces.

    python -m training.lama_small.train --data DATA --out RUN [--start FILE.safetensors] [--minutes 10] [--steps 20000]

Run from the repository root. Every `--save-minutes` the state goes to RUN/state (several files of at most 15 MB each), every
`--check-steps` the averaged network is measured on training photos set aside; the best so far is RUN/best.safetensors, which
export.py turns into the shipped file. A state that is there is continued. SIGTERM and SIGINT save and stop at
once.

One step: the generator fills holes, and pays for error on known pixels, a little for error inside, for the distance of VGG16
features of the composite and for their statistics over the hole, and for what two critics see (discriminator.py). R1 on the
PatchGAN every 16 steps. The shipped weights are an exponential average.
"""

import argparse
import contextlib
import json
import os
import signal
import time
from pathlib import Path

# Idle OpenMP threads that spin take the core from whoever shares the machine; read when torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import torch
from torch import nn

from . import checkpoint, discriminator, losses
from .check import SIDE as CHECK_SIDE
from .check import check
from .model import Config, Generator, load_generator, network_input
from .photos import Batches, validation_cases

R1_EVERY = 16
# Chosen by the slopes at the filled picture, which start of one order: VGG16's terms, then the critics. The error inside is
# small beside them and steers colours, which features of unit length hardly see.
WEIGHTS = {
    "known": 10.0,
    "inside": 20.0,
    "vgg": 3.0,
    "texture": 2.0,
    "patch": 8.0,
    "heads": 1.0,
    "matching": 5.0,
    "r1": 0.1,
}


class Run:
    """Everything that changes while training, and how it is saved."""

    def __init__(self, options, device):
        self.options, self.device = options, device
        fresh = Config(ngf=options.ngf, n_blocks=options.blocks)
        self.generator = load_generator(options.start) if options.start else Generator(fresh)
        self.average = Generator(self.generator.config)
        self.patch = discriminator.PatchGan(options.critic_width)
        self.heads = discriminator.FeatureHeads(losses.CHANNELS[1:])
        self.step, self.seconds = 0, 0.0
        self.average.load_state_dict(self.generator.state_dict())
        for network in self.networks().values():
            network.to(device, memory_format=torch.channels_last)
        self.average.eval().requires_grad_(False)
        self.set_mode()
        critics = [*self.patch.parameters(), *self.heads.parameters()]
        self.optimisers = {
            "generator": torch.optim.Adam(self.generator.parameters(), options.lr, (0.9, 0.99)),
            "critics": torch.optim.Adam(critics, options.critic_lr, (0.5, 0.99)),
        }

    def networks(self):
        return {"generator": self.generator, "average": self.average, "patch": self.patch, "heads": self.heads}

    def set_mode(self):
        """With frozen batch norm the network trains exactly as it is used: batches of 2 cannot shift its statistics."""
        self.generator.train()
        if self.options.batch_norm == "frozen":
            for layer in self.generator.modules():
                if isinstance(layer, nn.BatchNorm2d):
                    layer.eval()

    def save(self, folder):
        tensors = {}
        for name, network in self.networks().items():
            tensors |= {f"{name}/{key}": value for key, value in network.state_dict().items()}
        for name, optimiser in self.optimisers.items():
            for index, state in optimiser.state_dict()["state"].items():
                # Moments in bfloat16: half the bytes, and only their size matters.
                tensors |= {f"adam.{name}/{index}/{key}": state[key].bfloat16() for key in ("exp_avg", "exp_avg_sq")}
        config = json.loads(self.generator.config.to_json())
        info = {"step": self.step, "seconds": self.seconds, "config": config}
        checkpoint.save(folder, tensors, info)

    def load(self, folder):
        stored = checkpoint.load(folder)
        if stored is None:
            return False
        tensors, info = stored
        config = json.loads(self.generator.config.to_json())
        if info["config"] != config:
            raise SystemExit(f"{folder} holds a network of {info['config']}, asked for {config}: use another --out")
        for name, network in self.networks().items():
            network.load_state_dict(checkpoint.unpack(name, tensors))
        for name, optimiser in self.optimisers.items():
            moments = checkpoint.unpack(f"adam.{name}", tensors)
            groups = optimiser.state_dict()["param_groups"]
            step = torch.tensor(float(info["step"]))
            indices = sorted({int(key.split("/")[0]) for key in moments})
            names = ("exp_avg", "exp_avg_sq")
            state = {i: {"step": step, **{name: moments[f"{i}/{name}"].float() for name in names}} for i in indices}
            optimiser.load_state_dict({"state": state, "param_groups": groups})
        self.step, self.seconds = info["step"], info["seconds"]
        return True

    def update_average(self):
        # Short memory at first, so that the start does not linger.
        decay = min(self.options.average, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            for mine, theirs in zip(self.average.state_dict().values(), self.generator.state_dict().values()):
                if mine.dtype.is_floating_point:
                    mine.lerp_(theirs, 1 - decay)


def rate_now(step, options):
    """Learning rate relative to its peak: a short warm-up, then constant, then linear to zero over the last third."""
    warm = min((step + 1) / options.warmup_steps, 1.0)
    left = max((options.steps - step) / (options.steps / 3), 0.0)
    return min(warm, left, 1.0)


def autocast(device, enabled=True):
    return torch.autocast(device.type, torch.bfloat16) if enabled else contextlib.nullcontext()


def train_step(run, vgg, photo, hole):
    """One step of generator and critics; the values of all losses."""
    weights, bf16 = WEIGHTS | dict(run.options.weight), run.options.bf16
    scale = rate_now(run.step, run.options)
    for optimiser, rate in (("generator", run.options.lr), ("critics", run.options.critic_lr)):
        for group in run.optimisers[optimiser].param_groups:
            group["lr"] = rate * scale
    critics = [*run.patch.parameters(), *run.heads.parameters()]

    with autocast(run.device, bf16):
        prediction = run.generator(network_input(photo, hole)).float()
        filled = photo + hole * (prediction - photo)
        with torch.no_grad():
            real_features = vgg(photo)
            _, real_patch_features = run.patch(photo)
        fake_features = vgg(filled)
        for parameter in critics:
            parameter.requires_grad_(False)
        fake_patch, fake_patch_features = run.patch(filled)
        fake_heads = run.heads(fake_features[1:])
    known, inside = losses.masked_l1(photo, prediction, hole)
    terms = {
        "known": known,
        "inside": inside,
        "vgg": losses.perceptual(real_features, fake_features, hole).mean(),
        "texture": losses.texture(real_features[1:], fake_features[1:], hole).mean(),
        "patch": discriminator.generator_loss(fake_patch, hole),
        "heads": torch.stack([discriminator.generator_loss(x, hole) for x in fake_heads]).mean(),
        "matching": discriminator.feature_matching(real_patch_features, fake_patch_features),
    }
    run.optimisers["generator"].zero_grad(set_to_none=True)
    sum(weights[name] * value for name, value in terms.items()).backward()
    nn.utils.clip_grad_norm_(run.generator.parameters(), run.options.clip)
    run.optimisers["generator"].step()
    run.update_average()

    for parameter in critics:
        parameter.requires_grad_(True)
    with autocast(run.device, bf16):
        real, _ = run.patch(photo)
        fake, _ = run.patch(filled.detach())
        real_heads = run.heads([x.detach() for x in real_features[1:]])
        fake_heads = run.heads([x.detach() for x in fake_features[1:]])
    terms["critic"] = discriminator.critic_loss(real, fake, hole)
    pairs = zip(real_heads, fake_heads)
    terms["critic_heads"] = torch.stack([discriminator.critic_loss(a, b, hole) for a, b in pairs]).mean()
    loss = terms["critic"] + terms["critic_heads"]
    if run.step % R1_EVERY == 0:
        terms["r1"] = discriminator.r1_penalty(run.patch, photo)
        loss = loss + R1_EVERY / 2 * weights["r1"] * terms["r1"]
    run.optimisers["critics"].zero_grad(set_to_none=True)
    loss.backward()
    run.optimisers["critics"].step()
    run.step += 1
    return {name: float(value.detach()) for name, value in terms.items()}


def main():
    options = parse()
    device = torch.device(options.device if options.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cpu":
        torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    run = Run(options, device)
    resumed = run.load(out / "state")
    vgg = losses.Vgg16().to(device, memory_format=torch.channels_last)
    # A fresh seed per piece: the same batches again would teach nothing.
    batches = Batches(options.data, options.licences, options.seed + run.step, options.workers, options.batch_scale)
    cases = list(validation_cases(options.data, options.licences, CHECK_SIDE, options.check_photos))
    stop = []
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.append(True))

    def say(**fields):
        line = json.dumps({"step": run.step, "minutes": round(run.seconds / 60, 1)} | fields)
        print(line, flush=True)
        with open(out / "log.jsonl", "a") as log:
            log.write(line + "\n")

    def checked():
        say(**check(run.average, run.step, vgg, cases, device, out))

    parameters = sum(p.numel() for p in run.generator.parameters())
    say(event="resumed" if resumed else "started", device=str(device), sets=len(batches.names), parameters=parameters)
    begun = saved = lap = time.monotonic()
    sums, count = {}, {}
    while run.step < options.steps and not stop and time.monotonic() - begun < options.minutes * 60:
        photo, hole = (x.to(device, non_blocking=True) for x in next(batches))
        for name, value in train_step(run, vgg, photo.contiguous(memory_format=torch.channels_last), hole).items():
            sums[name], count[name] = sums.get(name, 0) + value, count.get(name, 0) + 1
        now = time.monotonic()
        run.seconds += now - lap
        lap = now
        if run.step % options.log_steps == 0:
            say(**{name: round(sums[name] / count[name], 4) for name in sums})
            sums, count = {}, {}
        if run.step % options.check_steps == 0:
            checked()
            lap = time.monotonic()
        if now - saved > options.save_minutes * 60:
            run.save(out / "state")
            saved = lap = time.monotonic()
    run.save(out / "state")
    if not stop:
        checked()
        run.save(out / "state")
    say(event="stopped")


def weight(text):
    """One of `WEIGHTS`, changed."""
    name, _, value = text.partition("=")
    if name not in WEIGHTS:
        raise argparse.ArgumentTypeError(f"{name}: wanted one of {', '.join(WEIGHTS)}")
    return name, float(value)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder with index.tsv and train-*.tar, or some of them")
    parser.add_argument("--out", required=True, help="folder of the run")
    parser.add_argument("--start", help="weights to start from; without it a fresh network of --ngf and --blocks")
    parser.add_argument("--ngf", type=int, default=24)
    parser.add_argument("--blocks", type=int, default=6)
    parser.add_argument("--licences", choices=("all", "permissive"), default="all")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop and save after this long")
    parser.add_argument("--steps", type=int, default=20000, help="the schedule's length; may change between pieces")
    parser.add_argument("--lr", type=float, default=3e-4)
    parser.add_argument("--critic-lr", type=float, default=3e-4)
    parser.add_argument("--critic-width", type=int, default=32, help="channels of the PatchGAN's first layer")
    parser.add_argument("--weight", action="append", type=weight, default=[], metavar="LOSS=FACTOR", help=f"other than {WEIGHTS}")
    parser.add_argument("--warmup-steps", type=int, default=50)
    parser.add_argument("--clip", type=float, default=10.0, help="greatest gradient norm of the generator")
    parser.add_argument("--average", type=float, default=0.995, help="decay of the averaged weights per step")
    parser.add_argument("--batch-norm", choices=("train", "frozen"), default="train", help="frozen: keep the start's statistics")
    parser.add_argument("--batch-scale", type=int, default=1, help="1 on a CPU, 4 to 8 on a data-centre GPU")
    parser.add_argument("--bf16", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--threads", type=int, default=2, help="of the CPU's cores")
    parser.add_argument("--workers", type=int, default=1, help="threads that prepare batches")
    parser.add_argument("--save-minutes", type=float, default=3)
    parser.add_argument("--check-steps", type=int, default=500)
    parser.add_argument("--check-photos", type=int, default=32)
    parser.add_argument("--log-steps", type=int, default=20)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.batch_norm == "frozen" and not options.start:
        parser.error("--batch-norm frozen needs --start: a fresh network has no statistics yet")
    return options


if __name__ == "__main__":
    main()
