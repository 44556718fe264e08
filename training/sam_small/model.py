"""sam-small: MobileSAM's network with a thinner encoder and narrower layers.

An image encoder (TinyViT without its last stage), SAM's prompt encoder and two-way decoder. Names and shapes are those of the published
checkpoints; what `Config` makes smaller is smaller, and the neck's 3x3 convolution is two.
"""

from __future__ import annotations

import dataclasses
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benches.sam_torch import LayerNorm2d, TinyVit

#: Per channel, on 0..255, as SAM has them.
MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)
#: Masks per prompt: the single-mask answer and the three of multimask.
MASKS = 4


@dataclasses.dataclass(frozen=True)
class Config:
    """Sizes. `side`: of the square that photos are fitted into, in pixels. Of the encoder's stages: channels, blocks, heads, window
    sides and channels inside the blocks. `squeeze`: channels between the two parts of the neck's 3x3 convolution; 0 is one part."""

    side: int = 448
    dims: tuple[int, ...] = (64, 128, 160, 320)
    depths: tuple[int, ...] = (2, 2, 6, 0)
    encoder_heads: tuple[int, ...] = (1, 4, 5, 10)
    windows: tuple[int, ...] = (1, 7, 14, 7)
    mlps: tuple[int, ...] = (256, 512, 192, 1280)
    squeeze: int = 96
    dim: int = 256
    depth: int = 2
    mlp: int = 128
    heads: int = 8
    iou_hidden: int = 256


class ImageEncoder(TinyVit):
    """`[N, 3, S, S]` to the embedding `[N, D, S/16, S/16]`, in two parts: the first is the teacher's."""

    def __init__(self, config: Config) -> None:
        super().__init__(config.dims, config.depths, config.encoder_heads, config.windows, config.mlps, config.squeeze, config.dim)
        self.tap_channels, self.channels = config.dims[2], config.dim

    def tap(self, photos: Tensor) -> Tensor:
        """Up to the third stage: `[N, 3, S, S]` to `[N, 160, S/16, S/16]`."""
        return self.layers[1](self.layers[0](self.patch_embed["seq"](photos)))

    def rest(self, tap: Tensor) -> Tensor:
        """From there on."""
        return self.neck(self.layers[3](self.layers[2](tap)))


class PositionEmbedding(nn.Module):
    """Random Fourier features of places given in shares 0..1 of the square."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("positional_encoding_gaussian_matrix", torch.randn(2, dim // 2))

    def forward(self, places: Tensor) -> Tensor:
        phase = 2 * math.pi * ((2 * places - 1) @ self.positional_encoding_gaussian_matrix)
        return torch.cat([phase.sin(), phase.cos()], -1)


#: Labels of `PromptEncoder`: beyond SAM's background 0 and foreground 1 (-1 is "no point"), the corners of a box.
NO_POINT, BACKGROUND, FOREGROUND, CORNER_FIRST, CORNER_SECOND = -1, 0, 1, 2, 3


class PromptEncoder(nn.Module):
    """Clicks and box corners to tokens."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.pe_layer = PositionEmbedding(config.dim)
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, config.dim) for _ in range(4))
        self.not_a_point_embed = nn.Embedding(1, config.dim)
        self.no_mask_embed = nn.Embedding(1, config.dim)

    def forward(self, places: Tensor, labels: Tensor, side: int) -> Tensor:
        """`places` `[P, T, 2]` x, y in pixels of the square of `side`, `labels` `[P, T]` to tokens `[P, T, D]`."""
        encoded = self.pe_layer((places + 0.5) / side)
        table = torch.cat([self.not_a_point_embed.weight] + [e.weight for e in self.point_embeddings])
        keep = (labels != NO_POINT).unsqueeze(-1).to(encoded.dtype)
        return encoded * keep + F.embedding(labels + 1, table)

    def dense(self, side: int) -> Tensor:
        """Features of every embedding pixel, `[1, side * side, D]`."""
        at = (torch.arange(side, device=self.no_mask_embed.weight.device) + 0.5) / side
        y, x = torch.meshgrid(at, at, indexing="ij")
        return self.pe_layer(torch.stack([x, y], -1).reshape(1, side * side, 2))


class Attention(nn.Module):
    """Multi-head attention whose channels inside are divided by `shrink`."""

    def __init__(self, dim: int, heads: int, shrink: int = 1) -> None:
        super().__init__()
        inner = dim // shrink
        self.heads = heads
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(dim, inner) for _ in range(3))
        self.out_proj = nn.Linear(inner, dim)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        def split(x: Tensor) -> Tensor:
            return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

        q, k, v = split(self.q_proj(q)), split(self.k_proj(k)), split(self.v_proj(v))
        q = q * q.shape[-1] ** -0.5
        # One side is a handful of tokens: written out, with the softmax along the lines of the longer one, this takes a CPU a fifth
        # of the fused attention's time.
        if k.shape[2] < q.shape[2]:
            x = (k @ q.transpose(2, 3)).softmax(2).transpose(2, 3) @ v
        else:
            x = (q @ k.transpose(2, 3)).softmax(3) @ v
        return self.out_proj(x.transpose(1, 2).flatten(2))


class MlpBlock(nn.Module):
    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.lin1, self.lin2 = nn.Linear(dim, hidden), nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.lin2(F.relu(self.lin1(x)))


class TwoWayBlock(nn.Module):
    def __init__(self, config: Config, first: bool) -> None:
        super().__init__()
        d, heads = config.dim, config.heads
        self.self_attn = Attention(d, heads)
        self.cross_attn_token_to_image = Attention(d, heads, 2)
        self.mlp = MlpBlock(d, config.mlp)
        self.cross_attn_image_to_token = Attention(d, heads, 2)
        self.norm1, self.norm2, self.norm3, self.norm4 = (nn.LayerNorm(d) for _ in range(4))
        self.first = first

    def forward(self, queries: Tensor, keys: Tensor, tokens: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        if self.first:
            queries = self.self_attn(queries, queries, queries)
        else:
            q = queries + tokens
            queries = queries + self.self_attn(q, q, queries)
        queries = self.norm1(queries)
        placed = keys + places
        queries = self.norm2(queries + self.cross_attn_token_to_image(queries + tokens, placed, keys))
        queries = self.norm3(queries + self.mlp(queries))
        keys = self.norm4(keys + self.cross_attn_image_to_token(placed, queries + tokens, queries))
        return queries, keys


class TwoWayTransformer(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TwoWayBlock(config, i == 0) for i in range(config.depth))
        self.final_attn_token_to_image = Attention(config.dim, config.heads, 2)
        self.norm_final_attn = nn.LayerNorm(config.dim)

    def forward(self, keys: Tensor, places: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        queries = tokens
        for layer in self.layers:
            queries, keys = layer(queries, keys, tokens, places)
        queries = queries + self.final_attn_token_to_image(queries + tokens, keys + places, keys)
        return self.norm_final_attn(queries), keys


class Mlp(nn.Module):
    def __init__(self, sizes: list[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:]))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        return self.layers[-1](x)


class MaskDecoder(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        d = config.dim
        self.transformer = TwoWayTransformer(config)
        self.iou_token = nn.Embedding(1, d)
        self.mask_tokens = nn.Embedding(MASKS, d)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(d, d // 4, 2, 2), LayerNorm2d(d // 4), nn.GELU(), nn.ConvTranspose2d(d // 4, d // 8, 2, 2), nn.GELU()
        )
        self.output_hypernetworks_mlps = nn.ModuleList(Mlp([d, d, d, d // 8]) for _ in range(MASKS))
        self.iou_prediction_head = Mlp([d, config.iou_hidden, config.iou_hidden, MASKS])

    def forward(
        self, embedding: Tensor, places: Tensor, no_mask: Tensor, prompts: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Per prompt: embedding of its photo, `places` `[1, S*S, D]`, `no_mask` `[1, D]`, tokens `[P, T, D]`.
        Logits `[P, 4, 4S, 4S]` and predicted IoU `[P, 4]`."""
        count, side = prompts.shape[0], embedding.shape[-1]
        output = torch.cat([self.iou_token.weight, self.mask_tokens.weight]).unsqueeze(0).expand(count, -1, -1)
        tokens = torch.cat([output.to(prompts.dtype), prompts], 1)
        keys = embedding.flatten(2).transpose(1, 2) + no_mask
        queries, keys = self.transformer(keys, places, tokens)
        x = keys.transpose(1, 2).unflatten(2, (side, side))
        first, norm, act1, second, act2 = self.output_upscaling
        x = act1(norm(first(x)))
        x = act2(second(x))  # [P, D/8, 4S, 4S]
        weights = torch.stack([mlp(queries[:, 1 + i]) for i, mlp in enumerate(self.output_hypernetworks_mlps)], 1)
        # Channels last throughout, forward and back.
        masks = (x.permute(0, 2, 3, 1).flatten(1, 2) @ weights.transpose(1, 2)).unflatten(1, x.shape[-2:]).permute(0, 3, 1, 2)
        return masks, self.iou_prediction_head(queries[:, 0])


class SamSmall(nn.Module):
    def __init__(self, config: Config = Config()) -> None:
        super().__init__()
        self.config = config
        self.image_encoder = ImageEncoder(config)
        self.prompt_encoder = PromptEncoder(config)
        self.mask_decoder = MaskDecoder(config)

    def encode(self, photos: Tensor) -> Tensor:
        """Normalised, padded photos `[N, 3, side, side]` to embeddings `[N, D, side/16, side/16]`."""
        return self.image_encoder(photos)

    def decode(self, embeddings: Tensor, owner: Tensor, places: Tensor, labels: Tensor, side: int) -> tuple[Tensor, Tensor]:
        """Prompts on encoded photos: `owner` `[P]` says whose photo, `places` `[P, T, 2]` x, y in pixels of the padded square of
        `side`, `labels` `[P, T]` (see `PromptEncoder`). Mask logits `[P, 4, side/4, side/4]` and predicted IoU `[P, 4]`."""
        chosen = embeddings[owner]
        tokens = self.prompt_encoder(places, labels, side)
        dense = self.prompt_encoder.dense(embeddings.shape[-1])
        return self.mask_decoder(chosen, dense, self.prompt_encoder.no_mask_embed.weight, tokens)
