"""Layers: one a file, imported when it is first asked for, so that ``import lamina`` costs little more than NumPy's."""

if __name__ != "lamina.layers":
    raise ImportError("import lamina.layers, not layers")

from typing import TYPE_CHECKING, Any

from lamina.core.layer import Layer
from lamina.core.registry import part_of

if TYPE_CHECKING:
    from lamina.layers.add import Add
    from lamina.layers.attention import Attention
    from lamina.layers.average_pool1d import AveragePool1D
    from lamina.layers.batch_norm import BatchNorm
    from lamina.layers.celu import CELU
    from lamina.layers.conv1d import Conv1D
    from lamina.layers.conv1d_transpose import Conv1DTranspose
    from lamina.layers.dense import Dense
    from lamina.layers.divide import Divide
    from lamina.layers.dropout import Dropout
    from lamina.layers.elu import ELU
    from lamina.layers.embedding import Embedding
    from lamina.layers.flatten import Flatten
    from lamina.layers.gelu import GELU
    from lamina.layers.global_average_pool1d import GlobalAveragePool1D
    from lamina.layers.global_max_pool1d import GlobalMaxPool1D
    from lamina.layers.glu import GLU
    from lamina.layers.group_norm import GroupNorm
    from lamina.layers.gru import GRU
    from lamina.layers.gru_cell import GRUCell
    from lamina.layers.hard_sigmoid import HardSigmoid
    from lamina.layers.hard_swish import HardSwish
    from lamina.layers.ind_rnn import IndRNN
    from lamina.layers.lambda_layer import Lambda
    from lamina.layers.last_step import LastStep
    from lamina.layers.layer_norm import LayerNorm
    from lamina.layers.layer_norm_gru import LayerNormGRU
    from lamina.layers.layer_norm_lstm import LayerNormLSTM
    from lamina.layers.leaky_relu import LeakyReLU
    from lamina.layers.log_softmax import LogSoftmax
    from lamina.layers.lru import LRU
    from lamina.layers.lstm import LSTM
    from lamina.layers.lstm_cell import LSTMCell
    from lamina.layers.max_pool1d import MaxPool1D
    from lamina.layers.min_gru import MinGRU
    from lamina.layers.min_lstm import MinLSTM
    from lamina.layers.mish import Mish
    from lamina.layers.multiply import Multiply
    from lamina.layers.permute import Permute
    from lamina.layers.positional_encoding import PositionalEncoding
    from lamina.layers.power import Power
    from lamina.layers.prelu import PReLU
    from lamina.layers.recurrent_dropout import RecurrentDropout
    from lamina.layers.relu import ReLU
    from lamina.layers.relu6 import ReLU6
    from lamina.layers.repeat_vector import RepeatVector
    from lamina.layers.rescaling import Rescaling
    from lamina.layers.reshape import Reshape
    from lamina.layers.rms_norm import RMSNorm
    from lamina.layers.select import Select
    from lamina.layers.self_attention import SelfAttention
    from lamina.layers.selu import SELU
    from lamina.layers.sigmoid import Sigmoid
    from lamina.layers.silu import SiLU
    from lamina.layers.simple_rnn import SimpleRNN
    from lamina.layers.simple_rnn_cell import SimpleRNNCell
    from lamina.layers.slice import Slice
    from lamina.layers.slstm import SLSTM
    from lamina.layers.softmax import Softmax
    from lamina.layers.softplus import Softplus
    from lamina.layers.softsign import Softsign
    from lamina.layers.split import Split
    from lamina.layers.stacked_cells import StackedCells
    from lamina.layers.standardize import Standardize
    from lamina.layers.subtract import Subtract
    from lamina.layers.tanh import Tanh

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "GRU",
    "LRU",
    "LSTM",
    "SELU",
    "SLSTM",
    "Add",
    "Attention",
    "AveragePool1D",
    "BatchNorm",
    "Conv1D",
    "Conv1DTranspose",
    "Dense",
    "Divide",
    "Dropout",
    "Embedding",
    "Flatten",
    "GRUCell",
    "GlobalAveragePool1D",
    "GlobalMaxPool1D",
    "Lambda",
    "GroupNorm",
    "HardSigmoid",
    "HardSwish",
    "LSTMCell",
    "IndRNN",
    "LastStep",
    "LayerNorm",
    "LayerNormGRU",
    "LayerNormLSTM",
    "LeakyReLU",
    "LogSoftmax",
    "MaxPool1D",
    "Mish",
    "MinGRU",
    "MinLSTM",
    "Multiply",
    "PReLU",
    "Permute",
    "PositionalEncoding",
    "Power",
    "RMSNorm",
    "ReLU",
    "ReLU6",
    "RecurrentDropout",
    "RepeatVector",
    "Rescaling",
    "Reshape",
    "Select",
    "SelfAttention",
    "SiLU",
    "Sigmoid",
    "SimpleRNN",
    "Slice",
    "Softmax",
    "Split",
    "Subtract",
    "Softplus",
    "Softsign",
    "Standardize",
    "SimpleRNNCell",
    "StackedCells",
    "Tanh",
]

_MODULES = {
    "Add": "add",
    "Attention": "attention",
    "AveragePool1D": "average_pool1d",
    "BatchNorm": "batch_norm",
    "CELU": "celu",
    "Conv1D": "conv1d",
    "Conv1DTranspose": "conv1d_transpose",
    "Dense": "dense",
    "Divide": "divide",
    "Dropout": "dropout",
    "ELU": "elu",
    "Embedding": "embedding",
    "Flatten": "flatten",
    "GELU": "gelu",
    "GlobalAveragePool1D": "global_average_pool1d",
    "GlobalMaxPool1D": "global_max_pool1d",
    "GLU": "glu",
    "GroupNorm": "group_norm",
    "GRU": "gru",
    "GRUCell": "gru_cell",
    "HardSigmoid": "hard_sigmoid",
    "HardSwish": "hard_swish",
    "IndRNN": "ind_rnn",
    "Lambda": "lambda_layer",
    "LastStep": "last_step",
    "LayerNorm": "layer_norm",
    "LayerNormGRU": "layer_norm_gru",
    "LayerNormLSTM": "layer_norm_lstm",
    "LeakyReLU": "leaky_relu",
    "LogSoftmax": "log_softmax",
    "LRU": "lru",
    "LSTM": "lstm",
    "LSTMCell": "lstm_cell",
    "MaxPool1D": "max_pool1d",
    "MinGRU": "min_gru",
    "MinLSTM": "min_lstm",
    "Mish": "mish",
    "Multiply": "multiply",
    "Permute": "permute",
    "PositionalEncoding": "positional_encoding",
    "Power": "power",
    "PReLU": "prelu",
    "RecurrentDropout": "recurrent_dropout",
    "ReLU": "relu",
    "ReLU6": "relu6",
    "RepeatVector": "repeat_vector",
    "Rescaling": "rescaling",
    "Reshape": "reshape",
    "RMSNorm": "rms_norm",
    "Select": "select",
    "SelfAttention": "self_attention",
    "SELU": "selu",
    "Sigmoid": "sigmoid",
    "SiLU": "silu",
    "SimpleRNN": "simple_rnn",
    "SimpleRNNCell": "simple_rnn_cell",
    "Slice": "slice",
    "SLSTM": "slstm",
    "Softmax": "softmax",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Split": "split",
    "StackedCells": "stacked_cells",
    "Standardize": "standardize",
    "Subtract": "subtract",
    "Tanh": "tanh",
}


def __getattr__(name: str) -> Any:
    return part_of(__name__, _MODULES, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


Layer.registry.expect({name: f"lamina.layers.{module}" for name, module in _MODULES.items()})
