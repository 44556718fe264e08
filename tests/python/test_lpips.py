"""LPIPS's own parts: what may be read, where it is measured, and the distance itself on a network small enough to know."""

import io
import pickle
import tempfile
import unittest
from pathlib import Path

import numpy as np

import lpips


class Reading(unittest.TestCase):
    def test_a_pickle_that_names_a_function_is_refused(self):
        class Harmful:
            def __reduce__(self):
                return print, ("run",)

        with self.assertRaises(pickle.UnpicklingError):
            lpips.ArraysOnly(io.BytesIO(pickle.dumps(Harmful()))).load()

    def test_another_file_is_refused_before_it_is_read(self):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "alexnet.ckpt").write_bytes(b"something else")
            with self.assertRaises(SystemExit) as refused:
                lpips.read_weights(folder, "alexnet")
        self.assertIn("SHA-256", str(refused.exception))


class Measuring(unittest.TestCase):
    def test_the_view_holds_the_hole_its_margin_and_whole_cells(self):
        hole = np.zeros((400, 600), bool)
        hole[200:210, 300:340] = True
        (rows, columns), factor = lpips.view(hole)
        self.assertEqual((rows.start, rows.stop, columns.start, columns.stop, factor), (144, 272, 240, 400, 1))
        self.assertEqual(lpips.view(np.ones((2000, 1000), bool)), (np.s_[0:2000, 0:1000], 3))

    def test_averages_count_the_hole_alone(self):
        weight = np.zeros((8, 8), np.float32)
        weight[:4, :4] = 1
        maps = np.zeros((2, 1, 2, 2), np.float32)
        maps[0, 0, 0, 0], maps[1, 0, 1, 1] = 3, 5
        self.assertEqual(lpips.averaged(maps, weight).tolist(), [3, 0])

    def test_alexnet_with_known_weights(self):
        """Random weights in the published shapes; a picture is at distance 0 from itself and the graph agrees with plain numpy."""
        rng = np.random.default_rng(1)
        backbone, weights, channels = {}, {}, 3
        for i, (size, count) in enumerate([(11, 4), (5, 6), (3, 6), (3, 6), (3, 6)]):
            kernel = rng.normal(0, (size * size * channels) ** -0.5, (size, size, channels, count))
            backbone[f"Conv_{i}"] = {"kernel": kernel.astype(np.float32), "bias": rng.normal(0, 0.1, count).astype(np.float32)}
            weights[f"NetLinLayer_{i}"] = {"Conv_0": {"kernel": rng.uniform(0, 1, (1, 1, count, 1)).astype(np.float32)}}
            channels = count
        session = lpips.build(weights | {"AlexNet_0": backbone}, "alexnet", threads=1)
        a, b = rng.uniform(-1, 1, (2, 3, 64, 64)).astype(np.float32)
        first = session.run(None, {"x": np.stack([a, b, a])})
        self.assertEqual([m.shape[0] for m in first], [2] * 5)
        self.assertTrue(all(m[0].min() >= 0 and m[0].max() > 0 and not m[1].any() for m in first))
        # The first layer by hand: stride 4, padding 2, ReLU, unit length, weighted squares.
        layer, linear = backbone["Conv_0"], weights["NetLinLayer_0"]["Conv_0"]["kernel"][0, 0, :, 0]

        def unit(x):
            x = np.pad((x - lpips.SHIFT[:, None, None]) / lpips.SCALE[:, None, None], ((0, 0), (2, 2), (2, 2)))
            windows = np.lib.stride_tricks.sliding_window_view(x, (11, 11), (1, 2))[:, ::4, ::4]
            x = np.maximum(np.einsum("chwij,ijco->ohw", windows, layer["kernel"]) + layer["bias"][:, None, None], 0)
            return x / (np.sqrt((x * x).sum(0)) + 1e-10)

        expected = np.einsum("chw,c->hw", (unit(b) - unit(a)) ** 2, linear)
        self.assertLess(np.abs(first[0][0, 0] - expected).max(), 1e-4)
