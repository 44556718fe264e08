"""Weights from a seed: the golden files hold answers for these numbers and not the numbers themselves."""

import unittest

import numpy as np

from training.goldens import random_weights

MASK = (1 << 64) - 1


def one_by_one(state, count):
    """splitmix64 as its definition has it, in whole numbers of any size; the highest 24 bits as a number in [-1, 1)."""
    out = []
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        z ^= z >> 31
        out.append((z >> 40) / (1 << 23) - 1)
    return out


class Weights(unittest.TestCase):
    def test_arrays_hold_what_the_definition_gives(self):
        state = random_weights.stream("model.1.ffc.convl2l.weight", 7)
        self.assertEqual(random_weights.units(state, 50).tolist(), one_by_one(state, 50))

    def test_names_and_seeds_have_streams_of_their_own(self):
        names = [f"encoder.b{r}.conv{k}.{end}" for r in (4, 8, 16) for k in (1, 2) for end in ("weight", "bias")]
        self.assertEqual(len({random_weights.stream(name, 1) for name in names}), len(names))
        self.assertEqual(len({random_weights.stream("encoder.b4.conv1.weight", seed) for seed in range(100)}), 100)

    def test_each_kind_of_weight_has_its_range(self):
        wide = random_weights.tensor("conv.weight", (8, 6, 1, 1), 1)
        self.assertEqual((wide.dtype, wide.shape), (np.float32, (8, 6, 1, 1)))
        self.assertTrue(0.9 < np.abs(wide).max() <= 1, "the root of 6 over a fan of 6")
        narrow = random_weights.tensor("encoder.b8.conv2.weight", (8, 6, 1, 1), 1)
        self.assertTrue(0.5 < np.abs(narrow).max() <= 3**-0.5, "the root of 2 over a fan of 6")
        variance = random_weights.tensor("bn.running_var", (100,), 1)
        self.assertTrue(0.8 <= variance.min() and variance.max() <= 1.2)
        scale = random_weights.tensor("bn.weight", (100,), 1)
        self.assertTrue(0.3 <= scale.min() and scale.max() <= 0.5)
        self.assertLessEqual(np.abs(random_weights.tensor("bn.bias", (100,), 1)).max(), 0.1)
