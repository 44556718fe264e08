"""Of training/goldens/containers.py: that it reads PyTorch's files, and that the product's tests hold what it reads; of fixtures.py: that
their weights are those of its seed."""

import re
import unittest
from pathlib import Path

import numpy as np

from training.goldens import containers, fixtures

ROOT = Path(__file__).parents[2]


class Containers(unittest.TestCase):
    def test_the_files_hold_the_weights_that_the_products_tests_expect(self):
        files = {"lama/golden/lama_tiny.ckpt.gz": "import", "lama/golden/lama_tiny_jit.pt.gz": "import", "migan/golden/migan_tiny.pt.gz": "migan"}
        for name, test in files.items():
            expected = re.search(r'WEIGHTS_SHA256: &str =\s+"(\w{64})"', (ROOT / f"models/tests/{test}.rs").read_text())
            found = containers.weights(ROOT / "models" / name)
            self.assertEqual(containers.digest(found), expected.group(1), name)
            for weight, value in found.items():
                np.testing.assert_array_equal(value, fixtures.weight(weight, value.shape), f"{name}: {weight}")


if __name__ == "__main__":
    unittest.main()
