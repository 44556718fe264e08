"""The photos that golden files ask about."""

from __future__ import annotations

import numpy as np


def photo(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Waves of colour u8 `[height, width, 3]`, and a hole of two parts, one at the edge, u8 0 or 255 `[height, width]`."""
    rng = np.random.default_rng(height)
    y, x = np.mgrid[:height, :width][..., None] / max(height, width)
    waves = np.sin(rng.uniform(3, 20, 3) * x + rng.uniform(3, 20, 3) * y + rng.uniform(0, 6, 3))
    mask = np.zeros((height, width), np.uint8)
    mask[height // 4 : height // 2, width // 3 : width // 2] = 255
    mask[2 * height // 3 :, 3 * width // 4 :] = 255
    return np.clip(128 + 100 * waves, 0, 255).astype(np.uint8), mask
