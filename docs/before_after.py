"""The picture of README.md: photos above, what the default makes of them below.

    python docs/before_after.py [BINARY]

Writes docs/before-after.jpg. Needs OpenCV (benches/quality/requirements.txt).
"""

import pathlib
import subprocess
import sys
import tempfile

import cv2
import numpy as np

ROOT = pathlib.Path(__file__).parents[1]
NAMES = ("lighthouse", "boat", "beach", "door", "caps")
#: Of each photo in the picture.
SIZE = (378, 252)
GAP_PX = 2


def filled(binary, name, folder):
    photo, mask = (ROOT / "benches" / "photos" / f"{name}{part}.png" for part in ("", "_mask"))
    out = f"{folder}/{name}.png"
    subprocess.run([binary, "run", photo, mask, "-o", out, "--backend", "cpu"], check=True, capture_output=True)
    return [cv2.resize(cv2.imread(str(f)), SIZE, interpolation=cv2.INTER_AREA) for f in (photo, out)]


def main():
    binary = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "target" / "release" / "cleanplate")
    with tempfile.TemporaryDirectory() as folder:
        pairs = [filled(binary, name, folder) for name in NAMES]
    column = np.full((2 * SIZE[1] + GAP_PX, GAP_PX, 3), 96, np.uint8)
    row = np.full((GAP_PX, SIZE[0], 3), 96, np.uint8)
    parts = [part for before, after in pairs for part in (np.vstack([before, row, after]), column)]
    cv2.imwrite(str(ROOT / "docs" / "before-after.jpg"), np.hstack(parts[:-1]), [cv2.IMWRITE_JPEG_QUALITY, 80])


if __name__ == "__main__":
    main()
