#!/usr/bin/env python3
"""Times SAM's image encoders and its mask decoder in PyTorch on the CPU, as the yardstick for `cleanplate bench`.

    python benches/sam_torch.py --model mobile-sam --runs 3

prints one line of JSON: framework, version, model, size, median_ms, min_ms (the encoder), decoder_median_ms, decoder_min_ms (one click),
threads. Weights are random (time does not depend on their values), the mode is eval without gradients, batch 1, float32, input 1024x1024.
Needs only `torch`.

`--save FILE` writes the random weights, with those of a prompt encoder and a mask decoder, as a state dict under the
published names: a file for `cleanplate models import`. `--embedding FILE` writes the encoder's answer for a ramp of colours
as raw float32 [256, 64, 64].

The networks: sam-vit-b is a plain vision transformer whose blocks attend within windows of 14x14 patches or, every third,
over the whole map, with relative positions; mobile-sam is TinyViT, convolutions first, then attention in windows.
"""

import argparse
import json
import statistics
import time

import torch
import torch.nn.functional as F
from torch import nn

SIDE = 1024
CHANNELS = 256


class LayerNorm2d(nn.Module):
    """Normalises the channels of every pixel."""

    def __init__(self, channels):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        mean = x.mean(1, keepdim=True)
        var = (x - mean).pow(2).mean(1, keepdim=True)
        return self.weight[:, None, None] * ((x - mean) / torch.sqrt(var + 1e-6)) + self.bias[:, None, None]


def neck(channels, squeeze=0, out=CHANNELS):
    """1x1, norm, 3x3, norm; with `squeeze` the 3x3 has a 1x1 to that many channels in front of it."""
    conv = nn.Conv2d(squeeze or out, out, 3, padding=1, bias=False)
    conv = nn.Sequential(nn.Conv2d(out, squeeze, 1, bias=False), conv) if squeeze else conv
    return nn.Sequential(nn.Conv2d(channels, out, 1, bias=False), LayerNorm2d(out), conv, LayerNorm2d(out))


def windows_of(x, side):
    """`[N, H, W, C]` to `[N * windows, side, side, C]`, zero-padded, and the padded size."""
    n, h, w, c = x.shape
    ph, pw = -h % side, -w % side
    x = F.pad(x, (0, 0, 0, pw, 0, ph))
    h, w = h + ph, w + pw
    x = x.view(n, h // side, side, w // side, side, c).permute(0, 1, 3, 2, 4, 5)
    return x.reshape(-1, side, side, c), (h, w)


def map_of(windows, side, padded, size):
    """The inverse of `windows_of`."""
    h, w = padded
    n = windows.shape[0] // (h * w // side // side)
    x = windows.view(n, h // side, w // side, side, side, -1).permute(0, 1, 3, 2, 4, 5).reshape(n, h, w, -1)
    return x[:, : size[0], : size[1]].contiguous()


class VitAttention(nn.Module):
    def __init__(self, dim, heads, side):
        super().__init__()
        self.heads, self.side = heads, side
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.rel_pos_h = nn.Parameter(torch.randn(2 * side - 1, dim // heads) * 0.02)
        self.rel_pos_w = nn.Parameter(torch.randn(2 * side - 1, dim // heads) * 0.02)

    def forward(self, x):
        n, h, w, c = x.shape
        d = c // self.heads
        q, k, v = self.qkv(x).reshape(n, h * w, 3, self.heads, d).permute(2, 0, 3, 1, 4).reshape(3, n * self.heads, h * w, d)
        scores = (q * d**-0.5) @ k.transpose(-2, -1)
        steps = torch.arange(self.side)
        distance = steps[:, None] - steps[None, :] + self.side - 1
        rows = torch.einsum("bhwc,hkc->bhwk", q.view(-1, h, w, d), self.rel_pos_h[distance])
        columns = torch.einsum("bhwc,wkc->bhwk", q.view(-1, h, w, d), self.rel_pos_w[distance])
        scores = scores.view(-1, h, w, h, w) + rows[..., :, None] + columns[..., None, :]
        out = scores.view(-1, h * w, h * w).softmax(-1) @ v
        return self.proj(out.view(n, self.heads, h, w, d).permute(0, 2, 3, 1, 4).reshape(n, h, w, c))


class VitBlock(nn.Module):
    def __init__(self, dim, heads, window, side):
        super().__init__()
        self.window = window
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps=1e-6), nn.LayerNorm(dim, eps=1e-6)
        self.attn = VitAttention(dim, heads, window or side)
        self.mlp = nn.ModuleDict({"lin1": nn.Linear(dim, 4 * dim), "lin2": nn.Linear(4 * dim, dim)})

    def forward(self, x):
        h = self.norm1(x)
        if self.window:
            h, padded = windows_of(h, self.window)
            h = map_of(self.attn(h), self.window, padded, x.shape[1:3])
        else:
            h = self.attn(h)
        x = x + h
        return x + self.mlp["lin2"](F.gelu(self.mlp["lin1"](self.norm2(x))))


class Vit(nn.Module):
    """`[N, 3, 1024, 1024]` to `[N, 256, 64, 64]`."""

    def __init__(self, dim=768, depth=12, heads=12, everywhere=(2, 5, 8, 11)):
        super().__init__()
        side = SIDE // 16
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, dim, 16, 16)})
        self.pos_embed = nn.Parameter(torch.randn(1, side, side, dim) * 0.02)
        self.blocks = nn.ModuleList(VitBlock(dim, heads, 0 if i in everywhere else 14, side) for i in range(depth))
        self.neck = neck(dim)

    def forward(self, x):
        x = self.patch_embed["proj"](x).permute(0, 2, 3, 1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.neck(x.permute(0, 3, 1, 2))


class ConvNorm(nn.Module):
    def __init__(self, ic, oc, kernel=1, stride=1, groups=1):
        super().__init__()
        self.c = nn.Conv2d(ic, oc, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(oc)

    def forward(self, x):
        return self.bn(self.c(x))


class MbConv(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.conv1, self.conv2, self.conv3 = ConvNorm(dim, hidden), ConvNorm(hidden, hidden, 3, 1, hidden), ConvNorm(hidden, dim)

    def forward(self, x):
        return F.gelu(x + self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(x))))))


class Merge(nn.Module):
    def __init__(self, dim, out):
        super().__init__()
        self.conv1, self.conv2, self.conv3 = ConvNorm(dim, out), ConvNorm(out, out, 3, 1 if out == 320 else 2, out), ConvNorm(out, out)

    def forward(self, x):
        return self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(x)))))


class TinyAttention(nn.Module):
    def __init__(self, dim, heads, side):
        super().__init__()
        self.heads = heads
        self.norm, self.qkv, self.proj = nn.LayerNorm(dim), nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.attention_biases = nn.Parameter(torch.randn(heads, side * side) * 0.02)
        y, x = torch.arange(side * side) // side, torch.arange(side * side) % side
        index = (y[:, None] - y[None]).abs() * side + (x[:, None] - x[None]).abs()
        self.register_buffer("index", index, persistent=False)

    def forward(self, x):
        n, t, c = x.shape
        d = c // self.heads
        q, k, v = self.qkv(self.norm(x)).view(n, t, self.heads, 3 * d).split(d, dim=3)
        q, k, v = (part.permute(0, 2, 1, 3) for part in (q, k, v))
        scores = (q @ k.transpose(-2, -1)) * d**-0.5 + self.attention_biases[:, self.index]
        return self.proj((scores.softmax(-1) @ v).transpose(1, 2).reshape(n, t, c))


class TinyMlp(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.norm, self.fc1, self.fc2 = nn.LayerNorm(dim), nn.Linear(dim, hidden), nn.Linear(hidden, dim)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(self.norm(x))))


class TinyBlock(nn.Module):
    def __init__(self, dim, heads, window, hidden):
        super().__init__()
        self.window = window
        self.attn, self.local_conv, self.mlp = TinyAttention(dim, heads, window), ConvNorm(dim, dim, 3, 1, dim), TinyMlp(dim, hidden)

    def forward(self, x):
        n, c, h, w = x.shape
        rows = x.permute(0, 2, 3, 1)
        windows, padded = windows_of(rows, self.window)
        out = self.attn(windows.view(-1, self.window**2, c)).view(-1, self.window, self.window, c)
        rows = rows + map_of(out, self.window, padded, (h, w))
        x = self.local_conv(rows.permute(0, 3, 1, 2))
        tokens = x.flatten(2).transpose(1, 2)
        return (tokens + self.mlp(tokens)).transpose(1, 2).view(n, c, h, w)


class Stage(nn.Module):
    def __init__(self, blocks, downsample):
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.downsample = downsample

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x if self.downsample is None else self.downsample(x)


class TinyVit(nn.Module):
    """`[N, 3, S, S]` to `[N, out, S/16, S/16]`. Of the four stages: channels, blocks, heads, window sides, channels inside the blocks."""

    def __init__(
        self,
        dims=(64, 128, 160, 320),
        depths=(2, 2, 6, 2),
        heads=(1, 4, 5, 10),
        windows=(1, 7, 14, 7),
        hidden=(256, 512, 640, 1280),
        squeeze=0,
        out=CHANNELS,
    ):
        super().__init__()
        seq = nn.Sequential(ConvNorm(3, dims[0] // 2, 3, 2), nn.GELU(), ConvNorm(dims[0] // 2, dims[0], 3, 2))
        self.patch_embed = nn.ModuleDict({"seq": seq})
        stages = []
        for i, (dim, depth) in enumerate(zip(dims, depths)):
            blocks = [MbConv(dim, hidden[i]) if i == 0 else TinyBlock(dim, heads[i], windows[i], hidden[i]) for _ in range(depth)]
            stages.append(Stage(blocks, Merge(dim, dims[i + 1]) if i + 1 < len(dims) else None))
        self.layers = nn.ModuleList(stages)
        self.neck = neck(dims[-1], squeeze, out)

    def forward(self, x):
        x = self.patch_embed["seq"](x)
        for stage in self.layers:
            x = stage(x)
        return self.neck(x)


MODELS = {"mobile-sam": TinyVit, "sam-vit-b": Vit}


def decoder_shapes():
    """Names and shapes of the prompt encoder and the mask decoder."""
    shapes = {"prompt_encoder.pe_layer.positional_encoding_gaussian_matrix": (2, 128)}
    for name in [*(f"point_embeddings.{i}" for i in range(4)), "not_a_point_embed", "no_mask_embed"]:
        shapes[f"prompt_encoder.{name}.weight"] = (1, 256)

    def linear(name, ic, oc):
        shapes[f"mask_decoder.{name}.weight"], shapes[f"mask_decoder.{name}.bias"] = (oc, ic), (oc,)

    def norm(name, channels):
        shapes[f"mask_decoder.{name}.weight"], shapes[f"mask_decoder.{name}.bias"] = (channels,), (channels,)

    def attention(name, inner):
        for part in "qkv":
            linear(f"{name}.{part}_proj", 256, inner)
        linear(f"{name}.out_proj", inner, 256)

    for i in range(2):
        layer = f"transformer.layers.{i}"
        attention(f"{layer}.self_attn", 256)
        attention(f"{layer}.cross_attn_token_to_image", 128)
        attention(f"{layer}.cross_attn_image_to_token", 128)
        linear(f"{layer}.mlp.lin1", 256, 2048)
        linear(f"{layer}.mlp.lin2", 2048, 256)
        for j in range(1, 5):
            norm(f"{layer}.norm{j}", 256)
    attention("transformer.final_attn_token_to_image", 128)
    norm("transformer.norm_final_attn", 256)
    shapes["mask_decoder.iou_token.weight"], shapes["mask_decoder.mask_tokens.weight"] = (1, 256), (4, 256)
    shapes["mask_decoder.output_upscaling.0.weight"], shapes["mask_decoder.output_upscaling.0.bias"] = (256, 64, 2, 2), (64,)
    norm("output_upscaling.1", 64)
    shapes["mask_decoder.output_upscaling.3.weight"], shapes["mask_decoder.output_upscaling.3.bias"] = (64, 32, 2, 2), (32,)
    for i in range(4):
        for j, oc in enumerate((256, 256, 32)):
            linear(f"output_hypernetworks_mlps.{i}.layers.{j}", 256, oc)
    for j, oc in enumerate((256, 256, 4)):
        linear(f"iou_prediction_head.layers.{j}", 256, oc)
    return shapes


def decoder_weights():
    return {name: torch.randn(shape) * 0.06 for name, shape in decoder_shapes().items()}


def save(network, file):
    state = {f"image_encoder.{name}": value for name, value in network.state_dict().items()}
    torch.save(state | decoder_weights(), file)


class Decoder:
    """Two-way transformer, upscaling and heads over named weights: the published decoder for one prompt."""

    HEADS = 8

    def __init__(self, weights):
        self.weights = {name.removeprefix("mask_decoder."): value for name, value in weights.items()}
        at = (torch.arange(SIDE // 16) + 0.5) / (SIDE // 16)
        self.places = self.encode(torch.stack(torch.meshgrid(at, at, indexing="xy"), -1)).flatten(0, 1)

    def encode(self, places):
        phase = 2 * torch.pi * (2 * places - 1) @ self.weights["prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"]
        return torch.cat([phase.sin(), phase.cos()], -1)

    def linear(self, x, name):
        return F.linear(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def norm(self, x, name):
        return F.layer_norm(x, x.shape[-1:], self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def attention(self, name, *qkv):
        split = (self.linear(x, f"{name}.{part}_proj").unflatten(-1, (self.HEADS, -1)).transpose(0, 1) for x, part in zip(qkv, "qkv"))
        return self.linear(F.scaled_dot_product_attention(*split).transpose(0, 1).flatten(1), f"{name}.out_proj")

    def mlp(self, x, name, depth=3):
        for i in range(depth):
            x = self.linear(x if i == 0 else F.relu(x), f"{name}.layers.{i}")
        return x

    def up(self, x, i):
        name = f"output_upscaling.{i}"
        return F.conv_transpose2d(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"], 2)

    def __call__(self, embedding, prompt):
        """Embedding `[C, S, S]` and prompt tokens `[T, C]` to logits `[4, 4S, 4S]` and quality `[4]`."""
        keys = (embedding + self.weights["prompt_encoder.no_mask_embed.weight"].view(-1, 1, 1)).flatten(1).T
        tokens = torch.cat([self.weights["iou_token.weight"], self.weights["mask_tokens.weight"], prompt])
        queries = tokens
        for i in range(2):
            name = f"transformer.layers.{i}"
            q = queries if i == 0 else queries + tokens
            attended = self.attention(f"{name}.self_attn", q, q, queries)
            queries = self.norm(attended if i == 0 else queries + attended, f"{name}.norm1")
            attended = self.attention(f"{name}.cross_attn_token_to_image", queries + tokens, keys + self.places, keys)
            queries = self.norm(queries + attended, f"{name}.norm2")
            hidden = F.relu(self.linear(queries, f"{name}.mlp.lin1"))
            queries = self.norm(queries + self.linear(hidden, f"{name}.mlp.lin2"), f"{name}.norm3")
            attended = self.attention(f"{name}.cross_attn_image_to_token", keys + self.places, queries + tokens, queries)
            keys = self.norm(keys + attended, f"{name}.norm4")
        attended = self.attention("transformer.final_attn_token_to_image", queries + tokens, keys + self.places, keys)
        queries = self.norm(queries + attended, "transformer.norm_final_attn")
        pixels = self.up(keys.T.unflatten(1, (SIDE // 16, -1))[None], 0)
        centred = pixels - pixels.mean(1, keepdim=True)
        scaled = centred / torch.sqrt(centred.pow(2).mean(1, keepdim=True) + 1e-6)
        weight, bias = (self.weights[f"output_upscaling.1.{part}"].view(-1, 1, 1) for part in ("weight", "bias"))
        pixels = F.gelu(self.up(F.gelu(weight * scaled + bias), 3))[0]
        rows = torch.stack([self.mlp(queries[1 + i], f"output_hypernetworks_mlps.{i}") for i in range(4)])
        return torch.einsum("mc,chw->mhw", rows, pixels), self.mlp(queries[0], "iou_prediction_head")


def ramp():
    """A photo whose colours follow from the place, normalised as SAM wants it, `[1, 3, 1024, 1024]`."""
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    photo = torch.stack((x % 256, y % 256, (x + y) // 8 % 256)).float()
    mean, std = torch.tensor([123.675, 116.28, 103.53]), torch.tensor([58.395, 57.12, 57.375])
    return ((photo - mean[:, None, None]) / std[:, None, None])[None]


def timed(run, runs):
    """Milliseconds of each run after one that warms up."""
    times_ms = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        run()
        times_ms.append((time.perf_counter() - start) * 1e3)
    return times_ms[1:]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=MODELS, default="mobile-sam")
    parser.add_argument("--runs", type=int, default=3, help="timed runs after one warm-up")
    parser.add_argument("--threads", type=int, default=0, help="0: as many as PyTorch chooses")
    parser.add_argument("--save", metavar="FILE", help="write the random weights and stop")
    parser.add_argument("--embedding", metavar="FILE", help="write the answer for a ramp of colours and stop")
    options = parser.parse_args()
    if options.runs < 1:
        parser.error("--runs must be at least 1")
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    network = MODELS[options.model]().eval()
    if options.save:
        save(network, options.save)
    with torch.no_grad():
        x = ramp()
        if options.embedding:
            network(x)[0].contiguous().numpy().tofile(options.embedding)
        if options.save or options.embedding:
            return
        timed_ms = timed(lambda: network(x), options.runs)
        decoder, embedding = Decoder(decoder_weights()), torch.full((CHANNELS, SIDE // 16, SIDE // 16), 0.25)
        # A click and the token that stands for "no further click".
        decoder_ms = timed(lambda: decoder(embedding, torch.full((2, CHANNELS), 0.1)), options.runs)
    result = {
        "framework": "pytorch",
        "version": torch.__version__,
        "model": options.model,
        "size": f"{SIDE}x{SIDE}",
        "median_ms": round(statistics.median(timed_ms), 1),
        "min_ms": round(min(timed_ms), 1),
        "decoder_median_ms": round(statistics.median(decoder_ms), 2),
        "decoder_min_ms": round(min(decoder_ms), 2),
        "threads": torch.get_num_threads(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
