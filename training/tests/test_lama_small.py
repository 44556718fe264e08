"""Checks of the inpainting part: python -m unittest discover -s training/tests -t ."""

import tempfile
import unittest
from pathlib import Path

import numpy as np
import torch
from scipy.linalg import sqrtm

from training.lama_small import checkpoint, discriminator, losses, masks
from training.lama_small.export import write_generator
from training.lama_small.inception import frechet
from training.lama_small.model import Config, Generator, load_generator, network_input

SHIPPED = Path(__file__).parents[2] / "models" / "weights" / "lama-small" / "lama-small.safetensors"


class Weights(unittest.TestCase):
    def test_the_shipped_file_loads_and_survives_export(self):
        generator = load_generator(SHIPPED)
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "copy.safetensors"
            write_generator(generator, copy, torch.float16)
            again = load_generator(copy)
        for name, tensor in generator.state_dict().items():
            self.assertTrue(torch.equal(tensor, again.state_dict()[name]), name)

    def test_a_prediction_has_the_photos_size_and_no_view_behind_the_hole(self):
        generator = load_generator(SHIPPED)
        photo = torch.rand(1, 3, 64, 72)
        hole = torch.zeros(1, 1, 64, 72)
        hole[:, :, 20:40, 20:40] = 1
        other = torch.where(hole > 0, torch.rand_like(photo), photo)
        with torch.no_grad():
            first, second = (generator(network_input(x, hole)) for x in (photo, other))
        self.assertEqual(first.shape, photo.shape)
        self.assertTrue(torch.equal(first, second))

    def test_a_weight_that_is_not_finite_is_refused(self):
        generator = Generator(Config(ngf=8, n_blocks=1))
        generator.model[1].bn_l.weight.data[0] = 1e6  # finite as f32, not as f16
        with tempfile.TemporaryDirectory() as folder, self.assertRaises(ValueError):
            write_generator(generator, Path(folder) / "x.safetensors", torch.float16)


class Masks(unittest.TestCase):
    def test_holes_keep_their_bounds_and_follow_the_seed(self):
        labels = np.zeros((100, 120), np.uint8)
        labels[20:70, 30:90] = 3
        for side in (128, 256):
            for seed in range(40):
                hole = masks.draw(side, np.random.default_rng(seed), labels if seed % 2 else None)
                self.assertEqual((hole.shape, hole.dtype), ((side, side), np.uint8))
                self.assertTrue(masks.AREA_SHARE_MIN <= hole.mean() <= masks.AREA_SHARE_MAX)
                self.assertTrue(set(np.unique(hole)) <= {0, 1})
        self.assertTrue(np.array_equal(masks.evaluation_hole(64, 5), masks.evaluation_hole(64, 5)))


class Losses(unittest.TestCase):
    def test_only_the_hole_counts(self):
        hole = torch.zeros(1, 1, 8, 8)
        hole[..., :4] = 1
        real = [torch.rand(1, 6, 8, 8)]
        outside, inside = real[0].clone(), real[0].clone()
        outside[..., 4:] += 1
        inside[..., :4] = 0.3 * torch.rand(1, 6, 8, 4)
        for loss in (losses.perceptual, losses.texture):
            equal, elsewhere, here = (float(loss(real, [x], hole)) for x in (real[0], outside, inside))
            self.assertAlmostEqual(equal, elsewhere, places=5)
            self.assertGreater(here, equal + 0.1)

    def test_the_hole_is_the_fake_target(self):
        hole = torch.zeros(1, 1, 32, 32)
        hole[..., :16] = 1
        real = torch.full((1, 1, 2, 2), 5.0)
        right, wrong = torch.tensor([[[[-5.0, 5.0]] * 2]]), torch.tensor([[[[5.0, -5.0]] * 2]])
        self.assertLess(float(discriminator.critic_loss(real, right, hole)), 0.1)
        self.assertGreater(float(discriminator.critic_loss(real, wrong, hole)), 5)
        self.assertGreater(float(discriminator.generator_loss(right, hole)), 5)


class Distances(unittest.TestCase):
    def test_frechet_is_the_textbook_formula(self):
        random = np.random.default_rng(0)
        a, b = random.normal(size=(40, 8)), random.normal(size=(50, 8)) * 2 + 1
        covariances = np.cov(a.T), np.cov(b.T)
        root = sqrtm(covariances[0] @ covariances[1]).real
        expected = np.square(a.mean(0) - b.mean(0)).sum() + np.trace(covariances[0] + covariances[1] - 2 * root)
        self.assertAlmostEqual(frechet(a, b), expected, places=6)


class Checkpoints(unittest.TestCase):
    def test_parts_stay_small_and_come_back(self):
        tensors = {f"t{i}": torch.randn(1_000_000) for i in range(9)}
        with tempfile.TemporaryDirectory() as folder:
            state = Path(folder) / "state"
            for step in (1, 2):
                checkpoint.save(state, tensors, {"step": step})
            sizes = [part.stat().st_size for part in state.glob("part-*")]
            loaded, info = checkpoint.load(state)
        self.assertEqual((info["step"], len(sizes)), (2, 3))
        self.assertLess(max(sizes), 15_000_000)
        self.assertTrue(all(torch.equal(loaded[name], tensor) for name, tensor in tensors.items()))

    def test_a_kill_between_the_renames_loses_nothing(self):
        with tempfile.TemporaryDirectory() as folder:
            state = Path(folder) / "state"
            checkpoint.save(state, {"a": torch.ones(1)}, {"step": 7})
            state.rename(state.with_name("state.old"))
            self.assertEqual(checkpoint.load(state)[1]["step"], 7)


if __name__ == "__main__":
    unittest.main()
