"""What is measured inside a hole where the truth is known."""

import numpy as np
from skimage.metrics import structural_similarity

from . import losses


def pixels(truth, filled, hole):
    """l1 and psnr (dB) over the hole, ssim (7x7 windows centred in the hole); uint8 `[H, W, 3]` pictures, hole bool `[H, W]`."""
    error = truth[hole].astype(np.float64) - filled[hole]
    _, structure = structural_similarity(truth, filled, channel_axis=2, full=True)
    return {
        "l1": float(np.abs(error).mean() / 255),
        "psnr": float(10 * np.log10(255**2 / max((error**2).mean(), 1e-3))),
        "ssim": float(structure[hole].mean()),
    }


def features(real, fake, hole):
    """VGG16 distances of one picture from `losses.Vgg16` of the truth and the fill, hole `[1, 1, H, W]`: `vgg` compares
    position by position (rewards blur a little), `texture` compares mean and spread over the hole (blur costs)."""
    return {
        "vgg": float(losses.perceptual(real, fake, hole)),
        "texture": float(losses.texture(real, fake, hole)),
    }
