"""LaMa's generator, with the parameter names of the published checkpoints.

`Generator(config)` maps `[N, 4, H, W]` (the photo in 0..1 with the hole blanked, then the hole: 1 = fill) to `[N, 3, H, W]`
in 0..1; H and W are multiples of 8. `state_dict()` has the names of the published files less the leading `generator.`,
so `model.5.conv1.ffc.convg2g.fu.conv_layer.weight` and so on: the order of the layers in `self.model` is fixed.

Precision: everything may run in bfloat16 under autocast except the Fourier transforms, which are always float32.
"""

import json
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import nn

BN_EPS = 1e-5
CHECKPOINT_PREFIX = "generator."


@dataclass(frozen=True)
class Config:
    """The size of a generator; the fields are those of the shipped files' metadata."""

    input_nc: int = 4
    output_nc: int = 3
    ngf: int = 24
    n_downsampling: int = 3
    n_blocks: int = 6
    ratio_global: float = 0.75

    def to_json(self):
        return json.dumps(asdict(self))


def conv(in_channels, out_channels, kernel, stride=1, bias=False):
    """A convolution that keeps (or halves) the size, with mirrored borders."""
    mode = "reflect" if kernel > 1 else "zeros"
    return nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=bias, padding_mode=mode)


class FourierUnit(nn.Module):
    """A 1x1 convolution in the frequency domain: every output value depends on the whole map."""

    def __init__(self, channels):
        super().__init__()
        self.conv_layer = conv(2 * channels, 2 * channels, 1)
        self.bn = nn.BatchNorm2d(2 * channels, eps=BN_EPS)

    def forward(self, x):
        n, c, h, w = x.shape
        with torch.autocast(x.device.type, enabled=False):
            spectrum = torch.view_as_real(torch.fft.rfft2(x.float(), norm="ortho"))
        # Channels interleaved c0.re, c0.im, c1.re, ...: what the published weights expect.
        planes = spectrum.permute(0, 1, 4, 2, 3).reshape(n, 2 * c, h, w // 2 + 1)
        planes = F.relu(self.bn(self.conv_layer(planes)))
        spectrum = planes.float().view(n, c, 2, h, w // 2 + 1).permute(0, 1, 3, 4, 2).contiguous()
        with torch.autocast(x.device.type, enabled=False):
            return torch.fft.irfft2(torch.view_as_complex(spectrum), s=(h, w), norm="ortho").to(x.dtype)


class SpectralTransform(nn.Module):
    """Narrow, add the Fourier unit's view, widen."""

    def __init__(self, channels):
        super().__init__()
        half = channels // 2
        self.conv1 = nn.Sequential(conv(channels, half, 1), nn.BatchNorm2d(half, eps=BN_EPS), nn.ReLU(inplace=True))
        self.fu = FourierUnit(half)
        self.conv2 = conv(half, channels, 1)

    def forward(self, x):
        x = self.conv1(x)
        return self.conv2(x + self.fu(x))


class Ffc(nn.Module):
    """The convolutions between a local and a global branch; a branch may be absent on either side."""

    def __init__(self, in_local, in_global, out_local, out_global, kernel, stride=1):
        super().__init__()
        if in_local and out_local:
            self.convl2l = conv(in_local, out_local, kernel, stride)
        if in_local and out_global:
            self.convl2g = conv(in_local, out_global, kernel, stride)
        if in_global and out_local:
            self.convg2l = conv(in_global, out_local, kernel, stride)
        if in_global and out_global:
            self.convg2g = SpectralTransform(in_global)
        self.out_global = out_global

    def forward(self, local, glob):
        new_local = self.convl2l(local)
        if glob is not None:
            new_local = new_local + self.convg2l(glob)
        if not self.out_global:
            return new_local, None
        new_global = self.convl2g(local)
        if glob is not None:
            new_global = new_global + self.convg2g(glob)
        return new_local, new_global


class FfcBnRelu(nn.Module):
    """A fast Fourier convolution, then batch norm and ReLU per branch."""

    def __init__(self, in_local, in_global, out_local, out_global, kernel, stride=1):
        super().__init__()
        self.ffc = Ffc(in_local, in_global, out_local, out_global, kernel, stride)
        self.bn_l = nn.BatchNorm2d(out_local, eps=BN_EPS)
        if out_global:
            self.bn_g = nn.BatchNorm2d(out_global, eps=BN_EPS)

    def forward(self, pair):
        local, glob = self.ffc(*pair)
        return F.relu(self.bn_l(local)), None if glob is None else F.relu(self.bn_g(glob))


class FfcResidual(nn.Module):
    """Two fast Fourier convolutions and the addition; nothing after it."""

    def __init__(self, local, glob):
        super().__init__()
        self.conv1 = FfcBnRelu(local, glob, local, glob, 3)
        self.conv2 = FfcBnRelu(local, glob, local, glob, 3)

    def forward(self, pair):
        new_local, new_global = self.conv2(self.conv1(pair))
        return pair[0] + new_local, pair[1] + new_global


class Split(nn.Module):
    """Starts the (local, global) pair. Takes the place of the published reflection padding, which the first convolution
    does itself, so that the layers keep their numbers."""

    def forward(self, x):
        return x, None


class Concat(nn.Module):
    """Ends the (local, global) pair: channels local, then global."""

    def forward(self, pair):
        return torch.cat(pair, dim=1)


class Generator(nn.Module):
    """`[N, 4, H, W]` (blanked photo, hole) to `[N, 3, H, W]` in 0..1; H and W are multiples of 8."""

    def __init__(self, config=Config()):
        super().__init__()
        self.config = config
        width = config.ngf
        layers = [Split(), FfcBnRelu(config.input_nc, 0, width, 0, 7)]
        for step in range(config.n_downsampling):
            last = step == config.n_downsampling - 1
            out_global = int(2 * width * config.ratio_global) if last else 0
            layers.append(FfcBnRelu(width, 0, 2 * width - out_global, out_global, 3, stride=2))
            width *= 2
        layers += [FfcResidual(width - out_global, out_global) for _ in range(config.n_blocks)]
        layers.append(Concat())
        for _ in range(config.n_downsampling):
            up = nn.ConvTranspose2d(width, width // 2, 3, 2, padding=1, output_padding=1)
            layers += [up, nn.BatchNorm2d(width // 2, eps=BN_EPS), nn.ReLU(inplace=True)]
            width //= 2
        # The published numbering counts the reflection padding before the last convolution as a layer.
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(width, config.output_nc, 7), nn.Sigmoid()]
        self.model = nn.Sequential(*layers)

    def forward(self, x):
        return self.model(x)


def network_input(photo, hole):
    """`[N, 4, H, W]` from a photo `[N, 3, H, W]` in 0..1 and a hole `[N, 1, H, W]` (1 = fill)."""
    return torch.cat((photo * (1 - hole), hole), dim=1)


def load_generator(path):
    """The generator stored in a safetensors file with the published names, in evaluation mode, float32."""
    with safe_open(str(path), "pt") as file:
        metadata = file.metadata() or {}
        if "config" not in metadata:
            raise ValueError(f"{path}: no `config` in the metadata; export it with export.py")
        generator = Generator(Config(**json.loads(metadata["config"])))
        state = {name.removeprefix(CHECKPOINT_PREFIX): file.get_tensor(name).float() for name in file.keys()}
    missing, extra = generator.load_state_dict(state, strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or extra:
        raise ValueError(f"{path}: missing tensors {missing}, unknown tensors {extra}")
    return generator.eval()
