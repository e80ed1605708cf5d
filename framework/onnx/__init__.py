"""ONNX files: a model written as one, and one read as a model.

>>> import lamina
>>> model = lamina.Sequential(lamina.layers.LSTM(8), lamina.layers.Dense(2))
>>> model.build((None, None, 3), seed=0)
(None, 2)
>>> lamina.onnx.export(model, "model.onnx").inputs  # doctest: +SKIP
('x', 'lengths')
>>> model = lamina.onnx.load("model.onnx")  # doctest: +SKIP
"""

from lamina.onnx import activations, attention, containers, convolution, normalization, pointwise, pooling, recurrent
from lamina.onnx.export import Exported, export
from lamina.onnx.graph import Graph, Tensor
from lamina.onnx.load import load
from lamina.onnx.translation import call, translates
from lamina.onnx.wiring import OnnxGraph

__all__ = ["Exported", "Graph", "OnnxGraph", "Tensor", "call", "export", "load", "translates"]
del activations, attention, containers, convolution, normalization, pointwise, pooling, recurrent
