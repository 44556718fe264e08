"""What the attacks are made with: were a picture of theirs broken, its refusal would prove nothing."""

import unittest

import cv2
import numpy as np

import daemon


def decoded(data):
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)


class Tools(unittest.TestCase):
    def test_pictures_are_what_they_say(self):
        self.assertEqual(decoded(daemon.photo(40, 30)).shape[:2], (30, 40))
        mask = decoded(daemon.mask(40, 30, 10, 5, 8))
        mask = mask if mask.ndim == 2 else mask[..., 0]
        wanted = np.zeros((30, 40), bool)
        wanted[5:13, 10:18] = True
        self.assertTrue(np.array_equal(mask > 127, wanted))

    def test_percentiles_are_values_of_the_list(self):
        values = [5.0, 1.0, 4.0, 2.0, 3.0]
        self.assertEqual(daemon.percentile(values, 0.5), 3.0)
        self.assertEqual((daemon.percentile(values, 0.0), daemon.percentile(values, 1.0)), (1.0, 5.0))
