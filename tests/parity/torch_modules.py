"""PyTorch's modules: which of Lamina's parts says each, or why none does."""

from dataclasses import dataclass
from typing import Any

from torch import nn

import lamina
from lamina import Sequential, layers, losses
from tests.parity.onnx_said import Say
from tests.parity.torch_transformers import (
    Decoder,
    decoder_weights,
    encoder,
    encoder_weights,
    several,
    transformer,
    transformer_weights,
)

__all__ = ["ELSEWHERE", "LAZY", "LOSSES", "SAID", "UNSAID", "Pair"]


@dataclass
class Pair:
    """A module and what says it; the module's input is (batch, channels, time) where ``channels`` is True."""

    module: nn.Module
    layer: lamina.Layer
    channels: bool = False
    weights: Any = None  # from the module's state to the layer's
    shape: tuple = (3, 6, 4)  # of the input, (batch, time, features)
    training: bool = True
    inputs: int = 1
    tolerance: float = 1e-10


def _composed(function, **parts):
    return Say(function, parts)


_RELU = layers.ReLU

_OPTIONS = {"d_model": 4, "nhead": 2, "dim_feedforward": 8, "dropout": 0.0, "batch_first": True}


def _encoder_layer():
    return nn.TransformerEncoderLayer(**_OPTIONS)


# By name, what makes the two that must be equal.
SAID = {
    "AdaptiveAvgPool1d": lambda: Pair(
        nn.Sequential(nn.AdaptiveAvgPool1d(1), nn.Flatten()), layers.GlobalAveragePool1D(), channels=True
    ),
    "AdaptiveMaxPool1d": lambda: Pair(
        nn.Sequential(nn.AdaptiveMaxPool1d(1), nn.Flatten()), layers.GlobalMaxPool1D(), channels=True
    ),
    "ChannelShuffle": lambda: Pair(
        nn.ChannelShuffle(2),
        Sequential(layers.Reshape((6, 2, 2)), layers.Permute((1, 3, 2)), layers.Reshape((6, 4))),
        channels=True,
    ),
    "CircularPad1d": lambda: Pair(
        nn.CircularPad1d((2, 1)),
        _composed(lambda t, own, x: t.concatenate(x[:, -2:], x, x[:, :1], axis=1)),
        channels=True,
    ),
    "ConstantPad1d": lambda: Pair(
        nn.ConstantPad1d((2, 1), 0.5),
        _composed(lambda t, own, x: t.concatenate(x[:, :2] * 0 + 0.5, x, x[:, :1] * 0 + 0.5, axis=1)),
        channels=True,
    ),
    "Dropout": lambda: Pair(nn.Dropout(0.3), layers.Dropout(0.3), training=False),
    "Dropout1d": lambda: Pair(nn.Dropout1d(0.3), layers.RecurrentDropout(0.3), channels=True, training=False),
    "Flatten": lambda: Pair(nn.Flatten(), layers.Flatten()),
    # PyTorch takes its 1/6 from float32.
    "Hardsigmoid": lambda: Pair(nn.Hardsigmoid(), layers.HardSigmoid(), tolerance=1e-7),
    "Hardtanh": lambda: Pair(
        nn.Hardtanh(-2, 1), _composed(lambda t, own, x: t(own.hard, x) * 3 - 2, hard=layers.HardSigmoid(1 / 3, 2 / 3))
    ),
    "Identity": lambda: Pair(nn.Identity(), layers.Rescaling()),
    "InstanceNorm1d": lambda: Pair(
        nn.InstanceNorm1d(4), layers.GroupNorm(4, use_scale=False, use_shift=False), channels=True
    ),
    "LPPool1d": lambda: Pair(
        nn.LPPool1d(2, 2, 1),
        _composed(
            lambda t, own, x: (t(own.pool, x * x) * 2) ** 0.5,
            pool=layers.AveragePool1D(2, 1),
        ),
        channels=True,
    ),
    "LocalResponseNorm": lambda: Pair(nn.LocalResponseNorm(3, alpha=0.5, beta=0.75, k=2), _local(), channels=True),
    "LogSigmoid": lambda: Pair(nn.LogSigmoid(), _composed(lambda t, own, x: -t(own.soft, -x), soft=layers.Softplus())),
    "ModuleDict": lambda: Pair(nn.ModuleDict({"a": nn.Tanh()})["a"], _Listed({"a": layers.Tanh()})),
    "ModuleList": lambda: Pair(nn.ModuleList([nn.Tanh()])[0], _Listed([layers.Tanh()])),
    "RReLU": lambda: Pair(nn.RReLU(0.1, 0.3), layers.LeakyReLU(0.2), training=False),
    "PairwiseDistance": lambda: Pair(
        nn.PairwiseDistance(keepdim=True),
        _composed(
            lambda t, own, a, b: t(own.total, (a - b + 1e-6) ** 2) ** 0.5,
            total=layers.Dense(1, use_bias=False, w_initializer="ones"),
        ),
        inputs=2,
    ),
    "ReLU": lambda: Pair(nn.ReLU(), layers.ReLU()),
    "ReflectionPad1d": lambda: Pair(
        nn.ReflectionPad1d((2, 1)),
        _composed(lambda t, own, x: t.concatenate(x[:, 2:0:-1], x, x[:, -2:-1], axis=1)),
        channels=True,
    ),
    "ReplicationPad1d": lambda: Pair(
        nn.ReplicationPad1d((2, 1)),
        _composed(lambda t, own, x: t.concatenate(x[:, :1], x[:, :1], x, x[:, -1:], axis=1)),
        channels=True,
    ),
    "Sequential": lambda: Pair(nn.Sequential(nn.Tanh(), nn.ELU()), Sequential(layers.Tanh(), layers.ELU())),
    "Sigmoid": lambda: Pair(nn.Sigmoid(), layers.Sigmoid()),
    "Softmin": lambda: Pair(nn.Softmin(-1), _composed(lambda t, own, x: t(own.softmax, -x), softmax=layers.Softmax())),
    "Softshrink": lambda: Pair(
        nn.Softshrink(0.5), _composed(lambda t, own, x: t(own.relu, x - 0.5) - t(own.relu, -x - 0.5), relu=_RELU())
    ),
    "Tanh": lambda: Pair(nn.Tanh(), layers.Tanh()),
    "Tanhshrink": lambda: Pair(nn.Tanhshrink(), _composed(lambda t, own, x: x - t(own.tanh, x), tanh=layers.Tanh())),
    "Transformer": lambda: Pair(
        nn.Transformer(num_encoder_layers=2, num_decoder_layers=2, **_OPTIONS),
        transformer(),
        weights=transformer_weights,
        inputs=2,
    ),
    "TransformerDecoder": lambda: Pair(
        nn.TransformerDecoder(nn.TransformerDecoderLayer(**_OPTIONS), 2),
        _composed(lambda t, own, x, memory: t(own.b, t(own.a, x, memory), memory), a=Decoder(), b=Decoder()),
        weights=lambda state: several(state, lambda s, one: decoder_weights(s, f"layers.{one}."), "ab".__getitem__),
        inputs=2,
    ),
    "TransformerDecoderLayer": lambda: Pair(
        nn.TransformerDecoderLayer(**_OPTIONS), Decoder(), weights=decoder_weights, inputs=2
    ),
    "TransformerEncoder": lambda: Pair(
        nn.TransformerEncoder(_encoder_layer(), 2, enable_nested_tensor=False),
        Sequential(encoder(), encoder()),
        weights=lambda state: several(state, lambda s, one: encoder_weights(s, f"layers.{one}."), str),
    ),
    "TransformerEncoderLayer": lambda: Pair(_encoder_layer(), encoder(), weights=encoder_weights),
    "Unflatten": lambda: Pair(nn.Unflatten(1, (2, 3)), layers.Reshape((2, 3, 4))),
    "ZeroPad1d": lambda: Pair(
        nn.ZeroPad1d((2, 1)),
        _composed(lambda t, own, x: t.concatenate(x[:, :2] * 0, x, x[:, :1] * 0, axis=1)),
        channels=True,
    ),
}


class _Listed(lamina.Composite):
    """The first of some layers, kept in a list or a dict."""

    def __init__(self, layers):
        self.parts = layers

    def compose(self, t, x):
        return t(self.parts["a"] if isinstance(self.parts, dict) else self.parts[0], x)


def _local():
    """Return a normalization over three neighbouring features: they stand as steps of a window."""
    return _composed(
        lambda t, own, x: x * t(own.back, t(own.pool, t(own.steps, x * x)) * 0.5 + 2) ** -0.75,
        steps=Sequential(layers.Permute((2, 1))),
        pool=layers.AveragePool1D(3, 1, "same", count_padding=True),
        back=layers.Permute((2, 1)),
    )


# Losses, for a prediction and a target of one shape.
LOSSES = {
    "L1Loss": lambda: (nn.L1Loss(), losses.MeanAbsoluteError()),
    "MSELoss": lambda: (nn.MSELoss(), losses.MeanSquaredError()),
    "SmoothL1Loss": lambda: (nn.SmoothL1Loss(), losses.Huber()),
}

# Compared in another file of this folder, and by what part.
ELSEWHERE = {
    "AvgPool1d": "layers.AveragePool1D",
    "BCEWithLogitsLoss": "losses.BinaryCrossEntropy",
    "BatchNorm1d": "layers.BatchNorm",
    "CELU": "layers.CELU",
    "CTCLoss": "losses.CTC",
    "Conv1d": "layers.Conv1D",
    "ConvTranspose1d": "layers.Conv1DTranspose",
    "CosineSimilarity": "losses.CosineSimilarity",
    "CrossEntropyLoss": "losses.SoftmaxCrossEntropy",
    "ELU": "layers.ELU",
    "Embedding": "layers.Embedding",
    "GELU": "layers.GELU",
    "GLU": "layers.GLU",
    "GRU": "layers.GRU",
    "GRUCell": "layers.GRUCell",
    "GroupNorm": "layers.GroupNorm",
    "Hardswish": "layers.HardSwish",
    "HuberLoss": "losses.Huber",
    "LSTM": "layers.LSTM",
    "LSTMCell": "layers.LSTMCell",
    "LayerNorm": "layers.LayerNorm",
    "LeakyReLU": "layers.LeakyReLU",
    "Linear": "layers.Dense",
    "LogSoftmax": "layers.LogSoftmax",
    "MaxPool1d": "layers.MaxPool1D",
    "Mish": "layers.Mish",
    "MultiheadAttention": "layers.Attention",
    "NLLLoss": "losses.NegativeLogLikelihood",
    "PReLU": "layers.PReLU",
    "RMSNorm": "layers.RMSNorm",
    "RNN": "layers.SimpleRNN",
    "RNNCell": "layers.SimpleRNNCell",
    "ReLU6": "layers.ReLU6",
    "SELU": "layers.SELU",
    "SiLU": "layers.SiLU",
    "Softmax": "layers.Softmax",
    "Softplus": "layers.Softplus",
    "Softsign": "layers.Softsign",
}

# Modules that learn their input's size from the first input; a layer of Lamina's does when it is built.
LAZY = ("LazyBatchNorm1d", "LazyConv1d", "LazyConvTranspose1d", "LazyInstanceNorm1d", "LazyLinear")

# What is not said, by reason.
UNSAID = {
    "two axes or three of space": """AdaptiveAvgPool2d AdaptiveAvgPool3d AdaptiveMaxPool2d AdaptiveMaxPool3d
        AvgPool2d AvgPool3d BatchNorm2d BatchNorm3d CircularPad2d CircularPad3d ConstantPad2d ConstantPad3d Conv2d
        Conv3d ConvTranspose2d ConvTranspose3d CrossMapLRN2d Dropout2d Dropout3d Fold FractionalMaxPool2d
        FractionalMaxPool3d InstanceNorm2d InstanceNorm3d LPPool2d LPPool3d LazyBatchNorm2d LazyBatchNorm3d
        LazyConv2d LazyConv3d LazyConvTranspose2d LazyConvTranspose3d LazyInstanceNorm2d LazyInstanceNorm3d
        MaxPool2d MaxPool3d MaxUnpool2d MaxUnpool3d NLLLoss2d PixelShuffle PixelUnshuffle ReflectionPad2d
        ReflectionPad3d ReplicationPad2d ReplicationPad3d Softmax2d Unfold UpsamplingBilinear2d UpsamplingNearest2d
        ZeroPad2d ZeroPad3d""",
    "a base class, or parameters without a layer": """Container Module ParameterDict ParameterList RNNBase
        RNNCellBase""",
    "several devices": "DataParallel SyncBatchNorm",
    "a loss of pairs, triples or margins": """CosineEmbeddingLoss HingeEmbeddingLoss MarginRankingLoss
        MultiLabelMarginLoss MultiMarginLoss SoftMarginLoss TripletMarginLoss TripletMarginWithDistanceLoss""",
    "a loss of another distribution": "GaussianNLLLoss KLDivLoss PoissonNLLLoss",
    "a loss from probabilities, or of several in one: BinaryCrossEntropy takes logits": """BCELoss
        MultiLabelSoftMarginLoss""",
    "a loss that holds weights: a Dense and a SoftmaxCrossEntropy, which are two parts": """AdaptiveLogSoftmaxWithLoss
        LinearCrossEntropyLoss""",
    "noise that keeps mean and variance": "AlphaDropout FeatureAlphaDropout",
    "a product of two inputs with a tensor of weights": "Bilinear",
    "no gradient at its step: a Lambda says it": "Hardshrink Threshold",
    "the places of the maxima as an output": "MaxUnpool1d",
    "steps between steps": "Upsample",
}
