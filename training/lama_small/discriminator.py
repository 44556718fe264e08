"""The critics: a PatchGAN on pixels, and small heads on frozen VGG16 features.

Both return logits per position (positive = photo). The hole is the fake target (LaMa, "mask as fake target"): positions
of a filled picture whose field of view is mostly known pixels count as photo.

The heads on pretrained features learn in hundreds of steps what a PatchGAN from scratch needs many thousands for; the
PatchGAN sees what those features ignore (single-pixel noise, checkerboards).
"""

import torch
import torch.nn.functional as F
from torch import nn


class PatchGan(nn.Module):
    """`[N, 3, H, W]` in 0..1 to (logits `[N, 1, H/16, W/16]`, list of features for feature matching)."""

    def __init__(self, width=32):
        super().__init__()
        widths = [3, width, 2 * width, 4 * width, 8 * width]
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 4, 2, 1) for a, b in zip(widths, widths[1:]))
        self.logits = nn.Conv2d(widths[-1], 1, 3, 1, 1)

    def forward(self, rgb):
        x = rgb * 2 - 1
        features = []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
            features.append(x)
        return self.logits(x), features


class FeatureHeads(nn.Module):
    """A list of feature maps (one for each of `channels`) to a list of logits of the same sizes."""

    def __init__(self, channels, width=64):
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(count, width, 1),
                nn.LeakyReLU(0.2),
                nn.Conv2d(width, width, 3, 1, 1),
                nn.LeakyReLU(0.2),
                nn.Conv2d(width, 1, 1),
            )
            for count in channels
        )

    def forward(self, features):
        return [head(x) for head, x in zip(self.heads, features)]


def share_of_hole(hole, logits):
    """The hole `[N, 1, H, W]` as the share of hole per position of `logits`."""
    return F.adaptive_avg_pool2d(hole, logits.shape[-2:])


def critic_loss(real, fake, hole):
    """Non-saturating loss of a critic; `fake` holds the logits of filled pictures with these holes.

    Filled positions weigh as much as all photo positions together: holes are a small share of a picture, and a critic that
    takes nearly everything for a photo would teach little.
    """
    target = share_of_hole(hole, fake)
    on_hole = (F.softplus(fake.float()) * target).sum() / target.sum().clamp_min(1e-6)
    on_known = (F.softplus(-fake.float()) * (1 - target)).sum() / (1 - target).sum().clamp_min(1e-6)
    return on_hole + (F.softplus(-real.float()).mean() + on_known) / 2


def generator_loss(fake, hole):
    """What the generator pays for positions of its fill that a critic tells from a photo; a mean over the hole."""
    target = share_of_hole(hole, fake)
    return (F.softplus(-fake.float()) * target).sum() / target.sum().clamp_min(1e-6)


def feature_matching(real, fake):
    """Mean relative difference of a critic's features of photo and fill."""
    terms = []
    for a, b in zip(real, fake):
        a, b = a.detach().float(), b.float()
        terms.append((a - b).abs().mean() / a.abs().mean().clamp_min(1e-6))
    return torch.stack(terms).mean()


def r1_penalty(critic, photo):
    """The squared slope of a PatchGAN at photos (R1): mean over the batch of the sum over a picture."""
    photo = photo.detach().requires_grad_(True)
    logits, _ = critic(photo)
    (slope,) = torch.autograd.grad(logits.sum(), photo, create_graph=True)
    return slope.square().sum(dim=(1, 2, 3)).mean()
