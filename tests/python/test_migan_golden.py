"""Of training/goldens/migan.py: that the stored answers are its own."""

import unittest
from pathlib import Path

from training.goldens import migan

GOLDEN = Path(__file__).parents[2] / "models/migan/golden/migan_tiny.safetensors.gz"


class Golden(unittest.TestCase):
    def test_the_file_holds_what_the_script_answers(self):
        found = dict(migan.differences(GOLDEN))
        self.assertEqual(len(found), 10, "three cases of four tensors, two without the largest")
        for name, largest in found.items():
            self.assertLess(largest, 1e-5, name)


if __name__ == "__main__":
    unittest.main()
