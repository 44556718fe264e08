"""A photo fitted into the square, and masks of objects at the logits' resolution."""

from __future__ import annotations

import cv2
import numpy as np

from training.sam_small.model import MEAN, STD

#: Pixels of the padded square's side for one logit.
MASK_STRIDE = 4


def fitted(height: int, width: int, side: int) -> tuple[int, int]:
    """Height and width after the longer side became `side`, as SAM rounds."""
    scale = side / max(height, width)
    return max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))


def normalised(photo: np.ndarray, side: int) -> np.ndarray:
    """Resized RGB u8 `[h, w, 3]` to f32 `[3, side, side]`, padded with zeros right and below."""
    out = np.zeros((3, side, side), np.float32)
    out[:, : photo.shape[0], : photo.shape[1]] = ((photo.astype(np.float32) - MEAN) / STD).transpose(2, 0, 1)
    return out


def coarse(mask: np.ndarray, size: tuple[int, int], side: int) -> np.ndarray:
    """A mask bool `[h, w]` of a photo that is fitted to `size`, as shares f32 `[side/4, side/4]`."""
    full = np.zeros((side, side), np.float32)
    full[: size[0], : size[1]] = cv2.resize(mask.astype(np.float32), (size[1], size[0]), interpolation=cv2.INTER_AREA)
    cells = side // MASK_STRIDE
    return cv2.resize(full, (cells, cells), interpolation=cv2.INTER_AREA)
