"""Of training/goldens/containers.py: that it reads PyTorch's files, and that the product's tests hold what it reads."""

import re
import unittest
from pathlib import Path

from training.goldens import containers

ROOT = Path(__file__).parents[2]


class Containers(unittest.TestCase):
    def test_both_files_hold_the_weights_that_the_products_test_expects(self):
        expected = re.search(r'WEIGHTS_SHA256: &str = "(\w{64})"', (ROOT / "models/tests/import.rs").read_text())
        for name in ("lama_tiny.ckpt.gz", "lama_tiny_jit.pt.gz"):
            found = containers.weights(ROOT / "models/lama/golden" / name)
            self.assertEqual(len(found), 133, name)
            self.assertEqual(containers.digest(found), expected.group(1), name)


if __name__ == "__main__":
    unittest.main()
