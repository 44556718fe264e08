"""Checks of the segmentation part: python -m unittest discover -s training/tests -t ."""

import tempfile
import unittest
from pathlib import Path

import numpy as np
import torch

from training.data import Photo
from training.sam_small import export, features, golden, losses, prompts, samples, shrink
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
            self.assertTrue(torch.equal(tensor, again.state_dict()[name]), name)
        segmenter = Segmenter(first)
        segmenter.open(golden.photo(50, 77))
        masks = segmenter.masks([np.array([[5, 5], [60, 40]], np.float32)], [np.array([CORNER_FIRST, CORNER_SECOND])])
        self.assertEqual(masks.shape, (1, 50, 77))


class Shrinking(unittest.TestCase):
    def test_dead_and_equal_channels_go_without_a_trace(self):
        torch.manual_seed(1)
        first, second = torch.nn.Linear(6, 20), torch.nn.Linear(20, 5)
        x = torch.randn(500, 6)
        with torch.no_grad():
            first.weight[10:], first.bias[10:] = first.weight[:10], first.bias[:10]  # each channel twice
            second.weight[:, 7] = second.weight[:, 17] = 0
            hidden = torch.relu(first(x))
            w1, b1, w2, b2 = shrink.thinned(first, second, hidden, 18)
            again = torch.relu(x @ w1.T + b1) @ w2.T + b2
            self.assertLess(float((again - second(hidden)).abs().max()), 1e-2)
            w1, b1, w2, b2 = shrink.thinned(first, second, hidden, 2)
            poor = torch.relu(x @ w1.T + b1) @ w2.T + b2
            self.assertGreater(float((poor - second(hidden)).abs().max()), 0.1)


class Views(unittest.TestCase):
    def test_the_same_views_come_in_every_call_whole_ones_first_and_inside_the_photo(self):
        photos = [Photo(f"p{i}", "train-00.tar", "osie", 100 + i, 70, True) for i in range(20)]
        drawn = list(features.views(photos, 2, 3))
        self.assertEqual(drawn, list(features.views(photos, 2, 3)))
        self.assertEqual({p.name for p, _ in drawn[:20]}, {p.name for p in photos})
        for i, (photo, view) in enumerate(drawn):
            x1, y1, x2, y2 = view.crop
            self.assertTrue(0 <= x1 < x2 <= photo.width and 0 <= y1 < y2 <= photo.height)
            self.assertEqual(i < 20, (x1, y1, x2, y2) == (0, 0, photo.width, photo.height) and not view.mirrored)

    def test_mirrored_views_are_cut_first(self):
        pixels = np.arange(12).reshape(2, 6)
        self.assertEqual(features.View("p", (1, 0, 4, 2), True).cut(pixels).tolist(), [[3, 2, 1], [9, 8, 7]])


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
