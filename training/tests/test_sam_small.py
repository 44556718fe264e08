"""Checks of the segmentation part: python -m unittest discover -s training/tests -t ."""

import tempfile
import unittest
from pathlib import Path

import numpy as np
import torch

from training.sam_small import export, golden, losses, prompts, samples
from training.sam_small.evaluate import Segmenter
from training.sam_small.model import BACKGROUND, CORNER_FIRST, CORNER_SECOND, FOREGROUND


def square() -> np.ndarray:
    region = np.zeros((40, 60), bool)
    region[10:31, 20:41] = True
    return region


class Prompts(unittest.TestCase):
    def test_the_innermost_point_is_the_middle_and_corrections_go_where_most_is_wrong(self):
        wanted = square()
        self.assertEqual(prompts.innermost(wanted), (30, 20))
        surplus = wanted.copy()
        surplus[0:8, 0:58] = True
        x, y, label = prompts.correction(surplus, wanted, None)
        self.assertEqual((label, surplus[y, x], wanted[y, x]), (BACKGROUND, True, False))
        x, y, label = prompts.correction(np.zeros_like(wanted), wanted, np.random.default_rng(0))
        self.assertEqual((label, wanted[y, x]), (FOREGROUND, True))

    def test_boxes_stay_inside_the_frame(self):
        rng = np.random.default_rng(1)
        for _ in range(50):
            x1, y1, x2, y2 = prompts.jittered_box(np.ones((40, 60), bool), rng)
            self.assertTrue(0 <= x1 < x2 <= 60 and 0 <= y1 < y2 <= 40)


class Network(unittest.TestCase):
    def test_a_network_survives_export_and_answers_at_the_photos_size(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "tiny.safetensors"
            export.write(golden.network(), path)
            first = export.read(path)
            export.write(first, Path(folder) / "again.safetensors")
            again = export.read(Path(folder) / "again.safetensors")
        self.assertEqual(first.config, golden.TINY)
        for name, tensor in first.state_dict().items():
            # The variance is moved by the difference of the epsilons on the way out and back.
            self.assertTrue(torch.allclose(tensor, again.state_dict()[name], atol=1e-3), name)
        segmenter = Segmenter(first)
        segmenter.open(golden.photo(50, 77))
        masks = segmenter.masks([np.array([[5, 5], [60, 40]], np.float32)], [np.array([CORNER_FIRST, CORNER_SECOND])])
        self.assertEqual(masks.shape, (1, 50, 77))


class Losses(unittest.TestCase):
    def test_a_right_mask_costs_less_than_a_wrong_one_and_padding_nothing(self):
        whole = np.zeros((40, 60), bool)
        whole[8:32, 20:40] = True  # ends between logits at twice the size: shares of 0 and 1 alone
        shares = torch.from_numpy(samples.coarse(whole, (80, 120), 120))[None, None]
        self.assertEqual(set(shares.unique().tolist()), {0.0, 1.0})
        inside = torch.ones_like(shares)
        right, wrong = (20 * (2 * shares - 1) * sign for sign in (1, -1))
        self.assertLess(float(losses.mask_loss(right, shares, inside)), 1e-3)
        self.assertGreater(float(losses.mask_loss(wrong, shares, inside)), 1)
        self.assertGreater(float(losses.iou(right, shares, inside)), 0.99)
        inside[:, :, 24:] = 0
        padded = right.clone()
        padded[:, :, 24:] = 20
        self.assertAlmostEqual(float(losses.mask_loss(padded, shares, inside)), float(losses.mask_loss(right, shares, inside)), places=5)


if __name__ == "__main__":
    unittest.main()
