#!/usr/bin/env python3
"""Times LaMa's generator in PyTorch on the CPU, as the yardstick for `cleanplate bench`.

    python benches/lama_torch.py --model big-lama --size 512x512 --runs 3

prints one line of JSON: framework, version, model, size, median_ms, min_ms, threads. Weights are random (time does not
depend on their values), the mode is eval without gradients, batch 1, float32. Needs only `torch`.

The network: an encoder (7x7, three 3x3 stride 2), residual blocks of fast Fourier convolutions (each layer has a local
and a global branch; the global one looks at the whole map through a 2-D real FFT), a decoder (three transposed
convolutions, 7x7, sigmoid).
"""

import argparse
import json
import statistics
import time

import torch
from torch import nn

# Name -> (channels after the first convolution, residual blocks).
MODELS = {"big-lama": (64, 18), "lama-fourier": (64, 9), "lama-small": (32, 9)}
DOWNSAMPLINGS = 3
GLOBAL_SHARE = 0.75


def conv(in_channels, out_channels, kernel, stride=1, bias=False):
    """A convolution that keeps (or halves) the size, with mirrored borders."""
    return nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=bias, padding_mode="reflect" if kernel > 1 else "zeros")


def norm_relu(channels):
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


class FourierUnit(nn.Module):
    """1x1 convolution in the frequency domain: every output value depends on the whole map."""

    def __init__(self, channels):
        super().__init__()
        self.mix = conv(2 * channels, 2 * channels, 1)
        self.norm = norm_relu(2 * channels)

    def forward(self, x):
        n, c, h, w = x.shape
        spectrum = torch.view_as_real(torch.fft.rfftn(x, dim=(-2, -1), norm="ortho"))
        planes = spectrum.permute(0, 1, 4, 2, 3).reshape(n, 2 * c, h, w // 2 + 1)
        planes = self.norm(self.mix(planes))
        spectrum = planes.view(n, c, 2, h, w // 2 + 1).permute(0, 1, 3, 4, 2).contiguous()
        return torch.fft.irfftn(torch.view_as_complex(spectrum), s=(h, w), dim=(-2, -1), norm="ortho")


class SpectralTransform(nn.Module):
    """Narrow, add the Fourier unit's view, widen."""

    def __init__(self, channels):
        super().__init__()
        self.narrow = conv(channels, channels // 2, 1)
        self.norm = norm_relu(channels // 2)
        self.fourier = FourierUnit(channels // 2)
        self.widen = conv(channels // 2, channels, 1)

    def forward(self, x):
        x = self.norm(self.narrow(x))
        return self.widen(x + self.fourier(x))


class FfcLayer(nn.Module):
    """One fast Fourier convolution on a (local, global) pair, with norm and ReLU per branch."""

    def __init__(self, local_channels, global_channels):
        super().__init__()
        self.l2l = conv(local_channels, local_channels, 3)
        self.g2l = conv(global_channels, local_channels, 3)
        self.l2g = conv(local_channels, global_channels, 3)
        self.g2g = SpectralTransform(global_channels)
        self.local_norm = norm_relu(local_channels)
        self.global_norm = norm_relu(global_channels)

    def forward(self, local, glob):
        new_local = self.local_norm(self.l2l(local) + self.g2l(glob))
        new_global = self.global_norm(self.l2g(local) + self.g2g(glob))
        return new_local, new_global


class FfcBlock(nn.Module):
    def __init__(self, local_channels, global_channels):
        super().__init__()
        self.first = FfcLayer(local_channels, global_channels)
        self.second = FfcLayer(local_channels, global_channels)

    def forward(self, local, glob):
        new_local, new_global = self.second(*self.first(local, glob))
        return local + new_local, glob + new_global


class Generator(nn.Module):
    """`[N, 4, H, W]` (blanked photo and hole) to `[N, 3, H, W]` in 0..1; H and W are multiples of 8."""

    def __init__(self, width, blocks):
        super().__init__()
        encoder = [conv(4, width, 7), norm_relu(width)]
        channels = width
        for _ in range(DOWNSAMPLINGS - 1):
            encoder += [conv(channels, 2 * channels, 3, stride=2), norm_relu(2 * channels)]
            channels *= 2
        self.encoder = nn.Sequential(*encoder)
        global_channels = int(2 * channels * GLOBAL_SHARE)
        local_channels = 2 * channels - global_channels
        self.split_local = nn.Sequential(conv(channels, local_channels, 3, stride=2), norm_relu(local_channels))
        self.split_global = nn.Sequential(conv(channels, global_channels, 3, stride=2), norm_relu(global_channels))
        self.blocks = nn.ModuleList(FfcBlock(local_channels, global_channels) for _ in range(blocks))
        decoder = []
        channels *= 2
        for _ in range(DOWNSAMPLINGS):
            decoder += [nn.ConvTranspose2d(channels, channels // 2, 3, 2, padding=1, output_padding=1), norm_relu(channels // 2)]
            channels //= 2
        self.decoder = nn.Sequential(*decoder, conv(channels, 3, 7, bias=True), nn.Sigmoid())

    def forward(self, x):
        x = self.encoder(x)
        local, glob = self.split_local(x), self.split_global(x)
        for block in self.blocks:
            local, glob = block(local, glob)
        return self.decoder(torch.cat((local, glob), dim=1))


def side_pair(text):
    width, height = (int(part) for part in text.lower().split("x"))
    if width < 16 or height < 16 or width % 8 or height % 8:
        raise argparse.ArgumentTypeError(f"{text}: both sides must be multiples of 8, at least 16")
    return width, height


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=MODELS, default="big-lama")
    parser.add_argument("--size", type=side_pair, default="512x512", metavar="WxH")
    parser.add_argument("--runs", type=int, default=3, help="timed runs after one warm-up")
    parser.add_argument("--threads", type=int, default=0, help="0: as many as PyTorch chooses")
    options = parser.parse_args()
    if options.runs < 1:
        parser.error("--runs must be at least 1")
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    network = Generator(*MODELS[options.model]).eval()
    width, height = options.size
    x = torch.rand(1, 4, height, width)
    times_ms = []
    with torch.no_grad():
        for _ in range(options.runs + 1):
            start = time.perf_counter()
            network(x)
            times_ms.append((time.perf_counter() - start) * 1e3)
    timed_ms = times_ms[1:]
    result = {
        "framework": "pytorch",
        "version": torch.__version__,
        "model": options.model,
        "size": f"{width}x{height}",
        "median_ms": round(statistics.median(timed_ms), 1),
        "min_ms": round(min(timed_ms), 1),
        "threads": torch.get_num_threads(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
