"""Focal and dice loss against shares, and the IoU that the quality head predicts."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

FOCAL_WEIGHT = 10.0
IOU_WEIGHT = 1.0
#: What the two worse candidates of a click count, so that none dies.
OTHERS_WEIGHT = 0.05
#: What the candidate counts that would be chosen: users see that one, not the best.
CHOSEN_WEIGHT = 0.5


def mask_loss(logits: Tensor, shares: Tensor, inside: Tensor) -> Tensor:
    """Focal + dice per mask: logits `[P, K, h, w]`, wanted shares `[P, 1, h, w]`, `inside` `[P, 1, h, w]` 1 on the photo; `[P, K]`."""
    shares = shares.expand_as(logits)
    probability = logits.sigmoid()
    entropy = F.binary_cross_entropy_with_logits(logits, shares, reduction="none")
    focal = entropy * (probability - shares).abs().pow(2) * inside
    focal = focal.sum((2, 3)) / inside.sum((2, 3))
    probability = probability * inside
    dice = 1 - (2 * (probability * shares).sum((2, 3)) + 1) / (probability.sum((2, 3)) + shares.sum((2, 3)) + 1)
    return FOCAL_WEIGHT * focal + dice


@torch.no_grad()
def iou(logits: Tensor, shares: Tensor, inside: Tensor) -> Tensor:
    """IoU of the cut masks `[P, K]`."""
    found = (logits > 0) & (inside > 0)
    wanted = (shares > 0.5).expand_as(found)
    both, either = (found & wanted).sum((2, 3)), (found | wanted).sum((2, 3))
    return both / either.clamp(min=1)


def candidates_loss(logits: Tensor, predicted: Tensor, shares: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
    """Loss per prompt `[P]` of a click's three candidates: the best one learns, and the one that would be chosen, and all learn to know
    how good they are.
    Beside it the IoU of the candidate that would be chosen `[P]`."""
    loss, quality = mask_loss(logits, shares, inside), iou(logits, shares, inside)
    chosen = predicted.argmax(1, keepdim=True)
    total = loss.min(1).values + CHOSEN_WEIGHT * loss.gather(1, chosen)[:, 0] + OTHERS_WEIGHT * loss.mean(1)
    return total + IOU_WEIGHT * (predicted - quality).pow(2).mean(1), quality.gather(1, chosen)[:, 0]


def single_loss(logits: Tensor, predicted: Tensor, shares: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
    """Loss per prompt `[P]` of the answer to several prompts (`logits` `[P, 1, h, w]`), and its IoU `[P]`."""
    quality = iou(logits, shares, inside)[:, 0]
    return mask_loss(logits, shares, inside)[:, 0] + IOU_WEIGHT * (predicted[:, 0] - quality).pow(2), quality
