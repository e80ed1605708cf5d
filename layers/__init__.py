"""Layers: one a file."""

if __name__ != "lamina.layers":
    raise ImportError("import lamina.layers, not layers")

from lamina.layers.dense import Dense
from lamina.layers.flatten import Flatten
from lamina.layers.gru import GRU
from lamina.layers.last_step import LastStep
from lamina.layers.lstm import LSTM
from lamina.layers.relu import ReLU
from lamina.layers.sigmoid import Sigmoid
from lamina.layers.simple_rnn import SimpleRNN
from lamina.layers.softmax import Softmax
from lamina.layers.tanh import Tanh

__all__ = ["GRU", "LSTM", "Dense", "Flatten", "LastStep", "ReLU", "Sigmoid", "SimpleRNN", "Softmax", "Tanh"]
