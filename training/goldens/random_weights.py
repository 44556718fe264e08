"""Random weights from a seed: the same numbers as `Random` in models/source.rs, whose words say what they are good for.

One stream per tensor, so that a golden file needs to store none of them: splitmix64 from a hash (FNV-1a) of the name and the seed.
"""

from __future__ import annotations

import numpy as np

_MASK = (1 << 64) - 1
_GAMMA = 0x9E37_79B9_7F4A_7C15


def stream(name: str, seed: int) -> int:
    """State of a tensor's generator before its first number."""
    state = 0xCBF2_9CE4_8422_2325 ^ seed
    for byte in name.encode():
        state = ((state ^ byte) * 0x100_0000_01B3) & _MASK
    return ((state * _GAMMA) & _MASK) ^ 0x1234_5678_9ABC_DEF0


def units(state: int, count: int) -> np.ndarray:
    """`count` numbers uniform in [-1, 1), f32."""
    with np.errstate(over="ignore"):
        z = np.uint64(state) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(_GAMMA)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
        z ^= z >> np.uint64(31)
    return (z >> np.uint64(40)).astype(np.float32) / np.float32(1 << 23) - np.float32(1)


def tensor(name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """The weight of this name and shape."""
    values = units(stream(name, seed), int(np.prod(shape)))
    if name.endswith(".pos_embed"):
        values = values * np.float32(0.1)
    elif len(shape) > 1:
        reach = 2 if name.startswith(("encoder.b", "synthesis.b")) else 6
        values = values * np.sqrt(np.float32(reach) / np.float32(np.prod(shape[1:])))
    elif name.endswith(".running_var"):
        values = values * np.float32(0.2) + np.float32(1)
    elif name.endswith(".weight"):
        values = values * np.float32(0.1) + np.float32(0.4)
    else:
        values = values * np.float32(0.1)
    return values.astype(np.float32).reshape(shape)
