"""Numbers about fills, on pictures for which they are known."""

import unittest

import numpy as np

import features


class Patches(unittest.TestCase):
    def test_patches_of_two_tones_are_as_far_apart_as_the_tones(self):
        dark, light = (np.full((12, 9, 3), v, np.float32) for v in (0.2, 0.5))
        own, other = features.descriptors(dark), features.descriptors(light)
        self.assertEqual(own.shape, (5, 2, sum(features.KEPT)))
        distance = np.linalg.norm(own - other, axis=-1)
        self.assertTrue(np.allclose(distance, 0.3 * 3**0.5, atol=1e-5))

    def test_the_nearest_is_the_one_that_a_plain_search_finds(self):
        rng = np.random.default_rng(3)
        a, b = rng.normal(size=(70, 16)).astype(np.float32), rng.normal(size=(90, 16)).astype(np.float32)
        plain = np.linalg.norm(a[:, None] - b[None], axis=2)
        self.assertTrue(np.allclose(features.nearest(a, b), plain.min(1), atol=1e-4))
        # Pairs that do not count: every second one of `b`.
        apart = lambda rows: np.broadcast_to(np.arange(90) % 2 == 0, (len(range(*rows.indices(70))), 90))
        self.assertTrue(np.allclose(features.nearest(a, b, apart), plain[:, 1::2].min(1), atol=1e-4))

    def test_patches_that_touch_a_hole_are_not_known(self):
        hole = np.zeros((24, 24), bool)
        hole[12, 12] = True
        vectors, at = features.known_patches(np.zeros((24, 24, 3), np.float32), hole)
        self.assertEqual(len(vectors), 17 * 17 - 8 * 8)
        self.assertFalse(any(y <= 12 < y + 8 and x <= 12 < x + 8 for y, x in at))
        with self.assertRaises(ValueError):
            features.known_patches(np.zeros((9, 9, 3), np.float32), np.ones((9, 9), bool))


class Scenes(unittest.TestCase):
    def test_stripes_are_periodic_and_noise_is_not(self):
        x = np.arange(96)
        stripes = np.tile(np.sin(x * 2 * np.pi / 12), (96, 1)).astype(np.float32)
        noise = np.random.default_rng(5).normal(size=(96, 96)).astype(np.float32)
        known = np.ones((96, 96), bool)
        self.assertGreater(features.periodicity(stripes, known), 0.9)
        self.assertLess(features.periodicity(noise, known), 0.3)

    def test_the_candidate_that_differs_from_the_others_is_farthest(self):
        rng = np.random.default_rng(7)
        photo = rng.integers(90, 110, (160, 160, 3), np.uint8)
        hole = np.zeros((160, 160), bool)
        hole[60:100, 60:100] = True
        place = features.Place(photo, hole, hole)
        red = photo.copy()
        red[hole] = (250, 10, 10)
        same = rng.integers(90, 110, photo.shape, np.uint8)
        far = features.together([photo, same, red], place)
        self.assertEqual(int(np.argmax(far)), 2)
        numbers = [place.fill(fill) for fill in (photo, red)]
        self.assertLess(numbers[0]["coherence"], numbers[1]["coherence"])
        self.assertLess(numbers[0]["tone"], numbers[1]["tone"])
