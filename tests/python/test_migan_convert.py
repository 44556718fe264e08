"""Reading the published file's bytes and writing weights."""

import json
import struct
import unittest

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from training.migan import convert


def model():
    weight = numpy_helper.from_array(np.arange(6, dtype=np.float32).reshape(2, 3), "model.encoder.b4.conv1.weight")
    noise = numpy_helper.from_array(np.full((2, 2), 0.5, np.float32), "onnx::Add_17")
    fixed = numpy_helper.from_array(np.ones(4, np.float32), "model.synthesis.b8.up.filter_const")
    whole = numpy_helper.from_array(np.arange(3, dtype=np.int64), "model.shape")
    add = helper.make_node("Add", ["x", "onnx::Add_17"], ["y"], name="/model/synthesis/b8/conv1/Add")
    value = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 2])
    graph = helper.make_graph([add], "g", [value("x")], [value("y")], [weight, noise, fixed, whole])
    return helper.make_model(graph).SerializeToString()


class Convert(unittest.TestCase):
    def test_weights_are_found_by_their_published_names(self):
        found = convert.weights(model())
        self.assertEqual(sorted(found), ["encoder.b4.conv1.weight", "synthesis.b8.conv1.noise"])
        self.assertEqual(found["encoder.b4.conv1.weight"].tolist(), [[0, 1, 2], [3, 4, 5]])
        self.assertEqual(found["synthesis.b8.conv1.noise"].tolist(), [[0.5, 0.5], [0.5, 0.5]])

    def test_a_length_beyond_the_message_is_refused(self):
        data = model()
        with self.assertRaises(ValueError):
            convert.weights(data[: len(data) // 2])

    def test_the_file_says_where_each_tensor_lies(self):
        tensors = {"b": np.array([[1.5, -2]]), "a": np.array([0.25])}
        file = convert.safetensors(tensors)
        (length,) = struct.unpack_from("<Q", file)
        self.assertEqual(length % 8, 0)
        header, data = json.loads(file[8 : 8 + length]), file[8 + length :]
        self.assertIn("MIT", header.pop("__metadata__")["licence"])
        for name, values in tensors.items():
            start, end = header[name]["data_offsets"]
            self.assertEqual((header[name]["dtype"], header[name]["shape"]), ("F16", list(values.shape)))
            self.assertEqual(np.frombuffer(data[start:end], "<f2").tolist(), values.ravel().tolist())
        self.assertEqual(len(data), 6)
