"""Layers: one a file."""

if __name__ != "lamina.layers":
    raise ImportError("import lamina.layers, not layers")

from lamina.layers.add import Add
from lamina.layers.attention import Attention
from lamina.layers.average_pool1d import AveragePool1D
from lamina.layers.batch_norm import BatchNorm
from lamina.layers.conv1d import Conv1D
from lamina.layers.conv1d_transpose import Conv1DTranspose
from lamina.layers.dense import Dense
from lamina.layers.dropout import Dropout
from lamina.layers.elu import ELU
from lamina.layers.embedding import Embedding
from lamina.layers.flatten import Flatten
from lamina.layers.gelu import GELU
from lamina.layers.global_average_pool1d import GlobalAveragePool1D
from lamina.layers.global_max_pool1d import GlobalMaxPool1D
from lamina.layers.gru import GRU
from lamina.layers.last_step import LastStep
from lamina.layers.layer_norm import LayerNorm
from lamina.layers.leaky_relu import LeakyReLU
from lamina.layers.log_softmax import LogSoftmax
from lamina.layers.lstm import LSTM
from lamina.layers.max_pool1d import MaxPool1D
from lamina.layers.multiply import Multiply
from lamina.layers.permute import Permute
from lamina.layers.positional_encoding import PositionalEncoding
from lamina.layers.recurrent_dropout import RecurrentDropout
from lamina.layers.relu import ReLU
from lamina.layers.repeat_vector import RepeatVector
from lamina.layers.reshape import Reshape
from lamina.layers.self_attention import SelfAttention
from lamina.layers.sigmoid import Sigmoid
from lamina.layers.silu import SiLU
from lamina.layers.simple_rnn import SimpleRNN
from lamina.layers.softmax import Softmax
from lamina.layers.tanh import Tanh

__all__ = [
    "ELU",
    "GELU",
    "GRU",
    "LSTM",
    "Add",
    "Attention",
    "AveragePool1D",
    "BatchNorm",
    "Conv1D",
    "Conv1DTranspose",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GlobalAveragePool1D",
    "GlobalMaxPool1D",
    "LastStep",
    "LayerNorm",
    "LeakyReLU",
    "LogSoftmax",
    "MaxPool1D",
    "Multiply",
    "Permute",
    "PositionalEncoding",
    "ReLU",
    "RecurrentDropout",
    "RepeatVector",
    "Reshape",
    "SelfAttention",
    "SiLU",
    "Sigmoid",
    "SimpleRNN",
    "Softmax",
    "Tanh",
]
